"""Handed over is physics: up, in the right gripper, and no longer in the left one."""

import dataclasses

import numpy as np
import pytest

from gear_vla_ros.contracts import Instruction
from gear_vla_ros.contracts.naming import understood
from gear_vla_ros.settings import load_robot
from gear_vla_ros.sim.randomise import random_scene
from gear_vla_ros.sim.task import HELD_S, HandoverTask, task_of
from gear_vla_ros.sim.world import World

SPEC = load_robot("agilex")


@pytest.fixture
def world():
    return World(SPEC, scene=random_scene(SPEC, "handover", 0))


@pytest.fixture
def task(world):
    found = task_of(Instruction(1, world.scene.instruction), world)
    assert isinstance(found, HandoverTask)
    return found


def hold(world, name, arm):
    """The bar by its middle in one gripper, the length along the fingers' width, and the fingers closed on it."""
    tool = world.data.body(SPEC.arm(arm).tcp_frame)
    joint = world.model.joint(f"{name}_joint")
    closing = tool.xmat.reshape(3, 3)[:, 1]
    yaw = np.arctan2(closing[1], closing[0])
    world.data.qpos[joint.qposadr[0] :][:7] = [*tool.xpos, np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)]
    world.data.qvel[joint.dofadr[0] :][:6] = 0.0
    world.command(arm, None, 0.0)
    world.step(0.4)


def watch(world, task, seconds):
    said = []
    for _ in range(round(seconds / 0.02)):
        world.step(0.02)
        said += filter(None, [task.done(world)])
    return said


def test_in_the_right_gripper_it_is_done(world, task):
    hold(world, task.target, "right")
    assert world.touched_by_gripper(task.target, "right") and not world.touched_by_gripper(task.target, "left")
    said = watch(world, task, HELD_S + 0.3)
    assert said and "in the right gripper" in said[0]


def test_in_the_left_gripper_it_is_not(world, task):
    hold(world, task.target, "left")
    assert world.touched_by_gripper(task.target, "left")
    assert watch(world, task, HELD_S + 0.5) == []


def test_on_the_table_it_is_not(world, task):
    assert watch(world, task, HELD_S + 0.5) == []


def test_one_arm_cannot():
    spec = load_robot("franka")
    bars = dataclasses.replace(random_scene(SPEC, "handover", 0), start={})
    with pytest.raises(ValueError, match="a handover needs two arms, robot franka has one"):
        task_of(Instruction(1, bars.instruction), World(spec, scene=bars))


@pytest.mark.parametrize("text", ["hand the red bar from the right arm to the left arm", "hand over the red cube"])
def test_what_is_not_done_is_refused(text):
    with pytest.raises(ValueError, match="hand the red bar from the left arm to the right arm"):
        understood(text, ["red_bar", "red_cube"])
