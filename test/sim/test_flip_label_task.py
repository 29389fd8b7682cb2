"""Turned is physics: the label up, let go of, at rest. And the expert does it by the arm behind the label."""

import numpy as np
import pytest

from gear_vla_ros.contracts import Instruction
from gear_vla_ros.contracts.naming import understood
from gear_vla_ros.policies.expert import ExpertPolicy
from gear_vla_ros.policies.flip_label import arm_behind, label_up_rad
from gear_vla_ros.settings import load_robot
from gear_vla_ros.sim.disturbance import Disturber, random_spans
from gear_vla_ros.sim.episode import Episode
from gear_vla_ros.sim.randomise import random_scene
from gear_vla_ros.sim.renderer import Renderer
from gear_vla_ros.sim.task import HELD_S, FlipLabelTask, task_of
from gear_vla_ros.sim.world import World

SPEC = load_robot("agilex")
ON_ITS_BACK, ON_ITS_LABEL = (np.cos(np.pi / 4), 0, -np.sin(np.pi / 4), 0), (np.cos(np.pi / 4), 0, np.sin(np.pi / 4), 0)


@pytest.fixture
def world():
    return World(SPEC, scene=random_scene(SPEC, "flip_label", 0))


@pytest.fixture
def task(world):
    found = task_of(Instruction(1, world.scene.instruction), world)
    assert isinstance(found, FlipLabelTask)
    return found


def lay(world, name, quat, z=None):
    joint = world.model.joint(f"{name}_joint")
    size = world.scene.things[0].size
    position = [*SPEC.sim.table_center, size[0] / 2 if z is None else z]
    world.data.qpos[joint.qposadr[0] :][:7] = [*position, *quat]
    world.data.qvel[joint.dofadr[0] :][:6] = 0.0


def watch(world, task, seconds=HELD_S + 0.3):
    said = []
    for _ in range(round(seconds / 0.02)):
        world.step(0.02)
        said += filter(None, [task.done(world)])
    return said


def test_on_its_back_it_is_done(world, task):
    lay(world, task.target, ON_ITS_BACK)
    assert watch(world, task)[0].endswith("faces up")


def test_upright_or_on_its_label_it_is_not(world, task):
    assert watch(world, task) == []
    lay(world, task.target, ON_ITS_LABEL)
    assert watch(world, task) == []


def test_in_the_gripper_it_is_not(world, task):
    tool = world.data.body(SPEC.arm("left").tcp_frame).xpos
    lay(world, task.target, ON_ITS_BACK)
    joint = world.model.joint(f"{task.target}_joint")
    world.data.qpos[joint.qposadr[0] :][:3] = tool
    world.command("left", None, 0.0)
    world.step(0.4)
    assert world.touched_by_gripper(task.target, "left")
    assert watch(world, task) == []


def test_the_label_is_seen(world, task):
    lay(world, task.target, ON_ITS_BACK)
    renderer = Renderer(world, 640, 480)
    try:
        renderer.take(world)
        up = renderer.render("head").astype(int)
        lay(world, task.target, ON_ITS_LABEL)
        renderer.take(world)
        down = renderer.render("head").astype(int)
    finally:
        renderer.close()
    changed = np.abs(up - down).sum(axis=2) > 60
    assert changed.sum() > 50
    assert up[changed].min(axis=1).mean() > down[changed].min(axis=1).mean() + 40, "white on top of the parcel"


@pytest.mark.parametrize("robot", ["agilex", "ldt01"])
def test_the_arm_behind_the_label_turns_it(robot):
    spec, arms = load_robot(robot), set()
    for seed in range(1000, 1004):
        scene = random_scene(spec, "flip_label", seed)
        world, policy = World(spec, scene=scene), ExpertPolicy(spec)
        ((name, parcel),) = world.objects().items()
        assert abs(label_up_rad(parcel.world_T_object)) < 0.02
        arm = arm_behind(parcel.world_T_object)
        assert (arm == "left") == (parcel.world_T_object[1, 3] > 0)
        outcome = Episode(world, policy, Instruction(seed, scene.instruction)).run()
        assert outcome.success, f"seed {seed}: {outcome.reason}"
        assert outcome.reason == f"label of the {name.replace('_', ' ')} faces up"
        arms.add(arm)
    assert arms == {"left", "right"}


def test_kicks_and_false_gripper_moves_are_mostly_recovered_from():
    done = 0
    for seed in range(6):
        scene = random_scene(SPEC, "flip_label", seed)
        disturb = Disturber(random_spans(np.random.default_rng([seed, 1])))
        world = World(SPEC, scene=scene)
        done += Episode(world, ExpertPolicy(SPEC), Instruction(1, scene.instruction), disturb=disturb).run().success
    assert done >= 4


def test_one_arm_cannot():
    franka = load_robot("franka")
    with pytest.raises(ValueError, match="turning a parcel needs two arms, robot franka has one"):
        ExpertPolicy(franka).accepts(Instruction(1, "turn the red parcel so that its label faces up"))


@pytest.mark.parametrize("text", ["turn the label up", "turn the red cube so that its label faces up"])
def test_what_is_no_parcel_has_no_label(text):
    with pytest.raises(ValueError, match="turn the red parcel so that its label faces up"):
        understood(text, ["red_parcel", "red_cube"])
