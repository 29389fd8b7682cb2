import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from small_robot import DT, HOME, chunk

from gear_vla_ros.geometry import se3, so3
from gear_vla_ros.runtime.refused import Refused
from gear_vla_ros.runtime.timeline import Timeline

S, MS = 1_000_000_000, 1_000_000
twists = arrays(np.float64, (6,), elements=st.floats(-0.8, 0.8))
anchors = arrays(np.float64, (6,), elements=st.floats(-2, 2)).map(se3.exp)


def running(given, now_ns=S):
    timeline = Timeline(arms=("left", "right"))
    timeline.accept(given, now_ns)
    return timeline


@given(anchors, twists, st.integers(0, 29))
def test_at_the_time_of_a_step_the_sample_is_that_step_however_the_anchor_is_turned(anchor, twist, step):
    timeline = running(chunk(S, twist=twist, anchor=anchor))
    sample = timeline.sample(S + round(step * S / 30))
    expected = anchor @ se3.exp(twist * step * DT)
    np.testing.assert_allclose(sample.arms["left"].base_T_tcp, expected, atol=1e-6)


@given(anchors, twists, st.floats(0.01, 0.95))
def test_the_twist_is_the_derivative_of_the_pose(anchor, twist, at_s):
    timeline = running(chunk(S, twist=twist, anchor=anchor))
    at_ns = S + round(at_s * 1e9)
    if (at_ns - S) * 30 % S > S - 3 * 30 * 10_000:
        at_ns += MS
    before, after = timeline.sample(at_ns), timeline.sample(at_ns + 10_000)
    moved = se3.difference(before.arms["right"].base_T_tcp, after.arms["right"].base_T_tcp)
    np.testing.assert_allclose(moved / 1e-5, before.arms["right"].twist, atol=1e-4)


@given(st.floats(0, 0.99))
def test_a_late_chunk_is_entered_where_its_time_is(late_s):
    late_ns = round(late_s * 1e9)
    prompt, late = running(chunk(S)), running(chunk(S), S + late_ns)
    a, b = prompt.sample(S + late_ns), late.sample(S + late_ns)
    np.testing.assert_array_equal(a.arms["left"].base_T_tcp, b.arms["left"].base_T_tcp)


def test_before_the_anchors_stamp_it_waits_at_the_anchor():
    desired = running(chunk(S + 40 * MS)).sample(S).arms["left"]
    np.testing.assert_allclose(desired.base_T_tcp, HOME, atol=1e-9)
    assert not desired.twist.any() and desired.gripper == 1.0


def test_after_the_end_there_is_nothing():
    timeline = running(chunk(S))
    assert timeline.sample(2 * S - 1) is not None
    assert timeline.sample(2 * S) is None
    assert timeline.remaining_s(S + 250 * MS) == pytest.approx(0.75)
    assert timeline.remaining_s(3 * S) == 0.0


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        (chunk(S // 2, sequence=9, steps=10), "past"),
        (chunk(S + 51 * MS, sequence=9), "future"),
        (chunk(S, sequence=5), "sequence"),
        (chunk(S, sequence=4), "sequence"),
        (chunk(S, sequence=9, arms=("left",)), "arms"),
        (chunk(S, sequence=9, rate_hz=5.0), "rate"),
    ],
)
def test_what_does_not_fit_is_refused_and_the_running_chunk_goes_on(given, cause):
    timeline = running(chunk(S, sequence=5))
    with pytest.raises(Refused, match=cause) as refused:
        timeline.accept(given, S)
    assert refused.value.cause == cause
    assert timeline.sample(S + 1).chunk.sequence == 5


def test_once_the_running_chunk_is_over_a_restarted_policy_may_count_from_one():
    timeline = running(chunk(S, sequence=500))
    timeline.accept(chunk(2 * S, sequence=1), 2 * S + MS)
    assert timeline.chunk.sequence == 1


def test_switch_follows_the_newest_by_time():
    timeline = running(chunk(S))
    timeline.accept(chunk(S + 200 * MS, sequence=2, twist=(0, 0.1, 0, 0, 0, 0)), S + 300 * MS)
    desired = timeline.sample(S + 300 * MS).arms["left"]
    np.testing.assert_allclose(desired.base_T_tcp, HOME @ se3.exp(np.array([0, 0.01, 0, 0, 0, 0])), atol=1e-9)


def test_cleared_it_is_empty():
    timeline = running(chunk(S))
    timeline.clear()
    assert timeline.sample(S) is None and timeline.chunk is None


@given(st.floats(0, 0.999))
def test_poses_stay_rigid(at_s):
    pose = running(chunk(S, twist=(0.1, 0, 0, 2.0, 1.0, -1.0))).sample(S + round(at_s * 1e9)).arms["left"].base_T_tcp
    assert so3.is_rotation(pose[:3, :3], 1e-9)
