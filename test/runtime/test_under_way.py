"""What runs while the next chunk is made, seen from the new anchor."""

import dataclasses

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from small_robot import HOME, state

from gear_vla_ros.contracts import ActionChunk, ArmChunk, ArmTarget, CartesianTarget, Grade
from gear_vla_ros.geometry import se3
from gear_vla_ros.runtime.track import Track
from gear_vla_ros.runtime.under_way import steps_under_way, under_way

S = 1_000_000_000
TWIST = np.array([0.1, -0.05, 0.02, 0.3, 0.0, -0.4])


def chunk(arms=("right",), stamp_ns=10 * S):
    steps = se3.exp(TWIST * (np.arange(1, 31) / 30)[:, None])
    gripper = np.linspace(1.0, 0.0, 30)
    return ActionChunk(stamp_ns, 1, "test", 1, 1, {arm: ArmChunk(HOME, steps, gripper) for arm in arms})


@given(st.integers(0, S - 1), st.integers(1, 29))
def test_it_is_the_same_motion_in_space(late_ns, steps):
    running, measured = chunk(), se3.advance(HOME, np.array([0.01, 0.02, -0.01, 0.1, 0.0, 0.1]))
    now = state(10 * S + late_ns, {"right": measured})
    found = under_way(running, now, (steps - 0.5) / 30, 29)
    times = [now.stamp_ns + round(i / 30 * 1e9) for i in range(1, steps + 1)]
    kept = [t for t in times if t <= running.end_ns]
    if not kept:
        assert found == {}
        return
    assert len(found["right"].gripper) == len(kept)
    np.testing.assert_allclose(found["right"].base_T_anchor, measured)
    for pose, gripper, t in zip(found["right"].base_T_tcp(), found["right"].gripper, kept, strict=True):
        wanted = Track(running).at(t)["right"]
        np.testing.assert_allclose(pose, wanted.base_T_tcp, atol=1e-9)
        assert abs(gripper - wanted.gripper) < 1e-9


APART = np.array([0.02, -0.01, 0.03, 0.2, 0.0, -0.1])


def target(running, at_ns, grade=Grade.FULL, driver="test"):
    """Behind the chunk by APART."""
    wanted = Track(running).at(at_ns)["right"]
    behind = ArmTarget(se3.advance(wanted.base_T_tcp, APART), wanted.twist, wanted.gripper)
    return CartesianTarget(at_ns, 1, {"right": behind}, grade, running.stamp_ns, running.sequence, driver)


@given(st.integers(0, S // 2), st.sampled_from([Grade.FULL, Grade.SLOW]))
def test_it_begins_where_the_targets_are_when_they_are_not_where_the_chunk_is(at_ns, grade):
    running, now = chunk(), state(10 * S + at_ns + S // 20, {"right": HOME})
    plain = under_way(running, now, 0.2, 12)["right"]
    found = under_way(running, now, 0.2, 12, target(running, 10 * S + at_ns, grade))["right"]
    moved = se3.difference(plain.base_T_tcp(), found.base_T_tcp())
    np.testing.assert_allclose(moved, np.tile(APART, (len(moved), 1)), atol=1e-9)
    np.testing.assert_array_equal(found.gripper, plain.gripper)


def test_targets_that_hold_or_are_of_another_chunk_driver_or_time_move_nothing():
    running, now = chunk(), state(10 * S + S // 2, {"right": HOME})
    plain = under_way(running, now, 0.2, 12)["right"]
    for other in (
        dataclasses.replace(target(running, 10 * S + S // 3), source_stamp_ns=9 * S),
        dataclasses.replace(target(running, 10 * S + S // 3), source_sequence=running.sequence + 1),
        target(running, 10 * S + S // 3, Grade.HOLD),
        target(running, 10 * S + S // 3, driver="teleop"),
        target(running, 10 * S - 1),
        target(running, running.end_ns + 1),
    ):
        found = under_way(running, now, 0.2, 12, other)["right"]
        np.testing.assert_allclose(found.base_T_tcp(), plain.base_T_tcp(), atol=1e-12)


def test_other_arms_and_a_chunk_that_is_over_give_nothing():
    now = state(10 * S, {"right": HOME})
    assert under_way(chunk(("left", "right")), now, 0.1, 12) == {}
    assert under_way(chunk(stamp_ns=8 * S), now, 0.1, 12) == {}


def test_steps_are_those_due_before_the_chunk_can_be_there():
    assert [steps_under_way(s, 30.0, 12) for s in (0.0, 0.01, 0.1, 0.101, 9.0)] == [0, 1, 3, 4, 12]
