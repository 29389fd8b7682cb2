"""In the bowl is physics: within its walls, let go of, at rest, the right object and the right bowl."""

import math

import numpy as np
import pytest

from gear_vla_ros.contracts import Instruction
from gear_vla_ros.settings import load_robot
from gear_vla_ros.sim.randomise import random_scene
from gear_vla_ros.sim.task import HELD_S, PlaceTask, task_of
from gear_vla_ros.sim.world import World

SPEC = load_robot("franka")


@pytest.fixture
def world():
    return World(SPEC, scene=random_scene(SPEC, "place", 3))


@pytest.fixture
def task(world):
    found = task_of(Instruction(1, world.scene.instruction), world)
    assert isinstance(found, PlaceTask)
    return found


def put(world, name, xyz, quat=(1, 0, 0, 0)):
    joint = world.model.joint(f"{name}_joint")
    world.data.qpos[joint.qposadr[0] :][:7] = [*xyz, *quat]
    world.data.qvel[joint.dofadr[0] :][:6] = 0.0


def watch(world, task, seconds):
    said = []
    for _ in range(round(seconds / 0.02)):
        world.step(0.02)
        said += filter(None, [task.done(world)])
    return said


def over_bowl(world, task, up=0.06, aside=0.0):
    return world.position(task.goal) + np.array([aside, 0.0, up])


def test_dropped_into_the_bowl_it_is_done_when_it_rests(world, task):
    put(world, task.target, over_bowl(world, task))
    said = watch(world, task, 2.0)
    assert said and "in the" in said[0]
    assert task.inside(world)
    task.restart()
    assert watch(world, task, HELD_S - 0.1) == []


def test_beside_the_bowl_is_not_in_it(world, task):
    assert watch(world, task, 1.0) == []
    put(world, task.target, over_bowl(world, task, up=0.0, aside=0.12))
    assert watch(world, task, 1.5) == []


def test_another_object_in_the_bowl_does_not_count(world, task):
    other = next(thing.name for thing in world.scene.things[1:] if thing.kind != "bowl")
    put(world, other, over_bowl(world, task))
    assert watch(world, task, 1.5) == []


def test_above_the_bowl_is_not_in_it(world, task):
    for _ in range(60):
        put(world, task.target, over_bowl(world, task, up=0.12))
        assert task.done(world) is None
        world.step(0.02)


def test_in_the_bowl_but_still_held_does_not_count(world, task):
    put(world, task.target, world.data.body("fr3_hand_tcp").xpos)
    world.command("right", None, 0.0)
    world.step(0.3)
    assert world.touched_by_gripper(task.target)
    for _ in range(60):
        put(world, task.goal, world.position(task.target) + np.array([0.0, 0.0, 0.005]))
        world.step(0.01)
        assert task.done(world) is None


def test_a_bowl_that_is_tipped_over_holds_nothing(world, task):
    on_its_side = (math.cos(math.pi / 4), math.sin(math.pi / 4), 0, 0)
    xyz = [0.5, 0.35, 0.08]
    for _ in range(60):
        put(world, task.goal, xyz, on_its_side)
        put(world, task.target, xyz)
        assert task.done(world) is None
        world.step(0.01)
    assert np.isfinite(world.data.qpos).all()
