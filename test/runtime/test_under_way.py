"""What runs while the next chunk is made, seen from the new anchor."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from small_robot import HOME, state

from gear_vla_ros.contracts import ActionChunk, ArmChunk
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


def test_other_arms_and_a_chunk_that_is_over_give_nothing():
    now = state(10 * S, {"right": HOME})
    assert under_way(chunk(("left", "right")), now, 0.1, 12) == {}
    assert under_way(chunk(stamp_ns=8 * S), now, 0.1, 12) == {}


def test_steps_are_those_due_before_the_chunk_can_be_there():
    assert [steps_under_way(s, 30.0, 12) for s in (0.0, 0.01, 0.1, 0.101, 9.0)] == [0, 1, 3, 4, 12]
