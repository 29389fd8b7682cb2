import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError
from small_robot import DT, HOME, LIMITS, arm, robot, state

from gear_vla_ros.contracts import Grade
from gear_vla_ros.geometry import se3
from gear_vla_ros.runtime.room import Room
from gear_vla_ros.runtime.safety import SafetyFilter
from gear_vla_ros.runtime.track import Desired
from gear_vla_ros.settings.safety import BoxSpec

BOX = BoxSpec(name="stand", min=(0.0, -0.1, 0.2), max=(0.2, 0.15, 0.6))
GUARDED = LIMITS.model_copy(update={"keep_out": (BOX,)})
LOW, HIGH = np.array(BOX.min), np.array(BOX.max)
points = arrays(np.float64, (3,), elements=st.floats(-0.4, 0.6))


def started():
    spec = robot("right").model_copy(update={"arms": (arm("right", GUARDED),)})
    safety = SafetyFilter(spec)
    safety.start(state(1, {"right": HOME}))
    return safety


def step(safety, xyz, grade=Grade.FULL):
    pose = se3.from_rotation_translation(HOME[:3, :3], xyz)
    targets, causes = safety.step({"right": Desired(pose, np.zeros(6), 1.0)}, grade, DT)
    return targets["right"].base_T_tcp[:3, 3], causes


def inside(xyz, margin=1e-8):
    return bool(np.all((xyz > LOW + margin) & (xyz < HIGH - margin)))


@given(points, points)
def test_a_way_is_allowed_when_none_of_its_points_is_in_the_box(begin, end):
    room = Room(GUARDED)
    begin, end = room.nearest(begin)[0], room.nearest(end)[0]
    way = begin + np.linspace(0, 1, 401)[:, None] * (end - begin)
    if any(inside(point) for point in way):
        assert not room.allows(begin, end)
    elif not any(inside(point, -2e-3) for point in way):
        assert room.allows(begin, end)


@given(points)
def test_the_nearest_point_is_allowed_and_not_far(point):
    nearest, why = Room(GUARDED).nearest(point)
    assert not inside(nearest)
    if inside(point, 0):
        faces = np.minimum(point - LOW, HIGH - point)
        assert why == "keep_out" and np.linalg.norm(nearest - point) <= faces.min() + 1e-12


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(points, st.integers(1, 25), st.sampled_from(Grade)), min_size=1, max_size=8))
def test_the_tool_never_enters_whatever_is_wanted(goals):
    safety, before = started(), HOME[:3, 3]
    for goal, ticks, grade in goals:
        for _ in range(ticks):
            xyz, _ = step(safety, goal, grade)
            for part in np.linspace(0, 1, 9):
                assert not inside(before + part * (xyz - before))
            before = xyz


@settings(max_examples=30, deadline=None)
@given(points)
def test_what_lies_in_sight_is_reached(goal):
    room = Room(GUARDED)
    goal, _ = room.nearest(goal)
    assume(room.allows(HOME[:3, 3], goal))
    safety = started()
    for _ in range(300):
        xyz, _ = step(safety, goal)
    np.testing.assert_allclose(xyz, goal, atol=1e-3)


def test_a_goal_behind_the_box_stops_the_arm_before_it():
    safety = started()
    for _ in range(200):
        xyz, causes = step(safety, np.array([-0.3, 0.0, 0.4]))
    assert xyz[0] == pytest.approx(HIGH[0], abs=2e-3)
    assert causes == ("limited_right",)


def test_a_goal_in_the_box_is_said():
    assert "keep_out_right" in step(started(), np.array([0.15, 0.0, 0.4]))[1]


def test_an_arm_that_begins_in_the_box_may_leave():
    spec = robot("right").model_copy(update={"arms": (arm("right", GUARDED),)})
    safety = SafetyFilter(spec)
    safety.start(state(1, {"right": se3.from_rotation_translation(HOME[:3, :3], np.array([0.1, 0.0, 0.4]))}))
    for _ in range(100):
        xyz, _ = step(safety, HOME[:3, 3])
    np.testing.assert_allclose(xyz, HOME[:3, 3], atol=1e-4)


def test_a_box_without_volume_is_refused():
    with pytest.raises(ValidationError, match="not below"):
        BoxSpec(name="flat", min=(0, 0, 0), max=(1, 1, 0))
