"""Success is physics: high enough, long enough, held by the gripper, the right object."""

import numpy as np
import pytest

from gear_vla_ros.contracts import Instruction
from gear_vla_ros.settings import load_robot
from gear_vla_ros.sim.task import HELD_S, LIFTED_M, Judge, task_of
from gear_vla_ros.sim.world import World

RED = Instruction(4, "Pick up the red cube.")


@pytest.fixture
def world():
    return World(load_robot("franka"), seed=1)


def put(world, name, xyz):
    """The object at a place, at rest."""
    joint = world.model.joint(f"{name}_joint")
    world.data.qpos[joint.qposadr[0] :][:7] = [*xyz, 1, 0, 0, 0]
    world.data.qvel[joint.dofadr[0] :][:6] = 0.0


def put_between_fingers(world, name):
    """The object at the tool, and the fingers closed on it."""
    put(world, name, world.data.body("fr3_hand_tcp").xpos)
    world.command("right", None, 0.0)
    world.step(0.2)


def watch(world, judge, seconds):
    """What the judge said within that time."""
    said = []
    for _ in range(round(seconds / 0.02)):
        world.step(0.02)
        said += filter(None, [judge.news(world)])
    return said


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("pick up the red cube", "red_cube"),
        ("Lift the BLUE cube, please", "blue_cube"),
        ("grasp green cube", "green_cube"),
    ],
)
def test_the_sentence_names_the_object(world, text, target):
    assert task_of(Instruction(1, text), world).target == target


@pytest.mark.parametrize(
    "text", ["make coffee", "pick up the yellow cube", "push the red cube", "lift red and blue cube"]
)
def test_what_cannot_be_done_is_refused_with_what_can_be_said(world, text):
    with pytest.raises(ValueError, match="'pick up the green cube'"):
        task_of(Instruction(1, text), world)


def test_a_held_object_is_lifted_once_and_told_once(world):
    judge = Judge()
    judge.instruct(RED, world)
    put_between_fingers(world, "red_cube")
    said = watch(world, judge, HELD_S + 0.3)
    assert len(said) == 1 and "red cube lifted" in said[0]
    assert judge.instruction_id == 4
    judge.restart()
    assert watch(world, judge, HELD_S - 0.1) == [], "the time held before the reset must not count"
    assert len(watch(world, judge, 0.3)) == 1


def test_too_short_is_not_held(world):
    judge = Judge()
    judge.instruct(RED, world)
    put_between_fingers(world, "red_cube")
    assert watch(world, judge, HELD_S - 0.1) == []
    world.command("right", None, 1.0)
    assert watch(world, judge, 1.0) == []


def test_another_object_does_not_count(world):
    judge = Judge()
    judge.instruct(RED, world)
    put_between_fingers(world, "blue_cube")
    assert world.touched_by_gripper("blue_cube") and not world.touched_by_gripper("red_cube")
    assert watch(world, judge, HELD_S + 0.5) == []


def test_high_but_untouched_does_not_count(world):
    judge = Judge()
    judge.instruct(RED, world)
    for _ in range(50):
        put(world, "red_cube", [0.5, 0.3, LIFTED_M + 0.1])
        world.step(0.02)
        assert judge.news(world) is None
    assert not world.touched_by_gripper("red_cube")


def test_held_on_the_table_does_not_count(world):
    judge = Judge()
    judge.instruct(RED, world)
    for _ in range(50):
        assert judge.news(world) is None
        world.step(0.02)


def test_an_instruction_given_while_the_object_is_up_measures_from_the_table(world):
    put_between_fingers(world, "red_cube")
    height = world.objects()["red_cube"].world_T_object[2, 3]
    assert task_of(RED, world).lifted_m(world) == pytest.approx(height - 0.02)


def test_a_refused_instruction_ends_the_task_before(world):
    judge = Judge()
    judge.instruct(RED, world)
    with pytest.raises(ValueError, match="coffee"):
        judge.instruct(Instruction(5, "make coffee"), world)
    put_between_fingers(world, "red_cube")
    assert watch(world, judge, HELD_S + 0.5) == []
    assert np.isfinite(world.data.qpos).all()
