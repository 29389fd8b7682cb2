import dataclasses
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from small_robot import HOME, chunk

from gear_vla_ros.contracts import ArmChunk
from gear_vla_ros.geometry import se3, so3
from gear_vla_ros.runtime.timeline import Timeline

S, MS = 1_000_000_000, 1_000_000
WINDOW_S = 0.2
SMOOTH = ("blend", "ensemble")
twists = arrays(np.float64, (6,), elements=st.floats(-0.5, 0.5))
offsets = arrays(np.float64, (6,), elements=st.floats(-0.2, 0.2))


def two_chunks(seam, first, second, offset, late_ms=100):
    """Chunk 2 begins 300 ms after chunk 1, elsewhere, and arrives late."""
    timeline = Timeline(seam, window_s=WINDOW_S)
    timeline.accept(chunk(S, twist=first), S)
    arrival = S + (300 + late_ms) * MS
    before = timeline.sample(arrival)
    timeline.accept(chunk(S + 300 * MS, 2, twist=second, anchor=se3.advance(HOME, offset)), arrival)
    return timeline, arrival, before.arms["left"]


@pytest.mark.parametrize("seam", SMOOTH)
@given(twists, twists, offsets)
def test_the_seam_begins_where_the_running_chunk_is(seam, first, second, offset):
    timeline, arrival, before = two_chunks(seam, first, second, offset)
    after = timeline.sample(arrival).arms["left"]
    np.testing.assert_allclose(after.base_T_tcp, before.base_T_tcp, atol=1e-6)
    np.testing.assert_allclose(after.twist, before.twist, atol=1e-6)


@settings(deadline=None, max_examples=20)
@pytest.mark.parametrize("seam", SMOOTH)
@given(twists, twists, offsets)
def test_no_seam_and_no_end_of_an_old_chunk_makes_a_step(seam, first, second, offset):
    timeline, arrival, _ = two_chunks(seam, first, second, offset)
    fastest = max(np.linalg.norm(first[:3]), np.linalg.norm(second[:3]))
    apart = np.linalg.norm(offset[:3]) + fastest * 1.3
    previous = timeline.sample(arrival).arms["left"]
    for at_ns in range(arrival + 4 * MS, S + 1299 * MS, 4 * MS):
        now = timeline.sample(at_ns).arms["left"]
        step = np.linalg.norm(now.base_T_tcp[:3, 3] - previous.base_T_tcp[:3, 3])
        assert step <= 0.004 * (fastest + 3.0 * apart / WINDOW_S) + 1e-9
        previous = now


@given(twists, twists, offsets)
def test_a_blend_is_over_after_its_window(first, second, offset):
    timeline, arrival, _ = two_chunks("blend", first, second, offset)
    alone = Timeline()
    alone.accept(chunk(S + 300 * MS, 2, twist=second, anchor=se3.advance(HOME, offset)), arrival)
    for after_ms in (200, 400):
        a, b = (line.sample(arrival + after_ms * MS).arms["right"] for line in (timeline, alone))
        np.testing.assert_array_equal(a.base_T_tcp, b.base_T_tcp)


@given(twists, twists, offsets, st.floats(0.01, 0.18))
def test_the_twist_of_a_blend_is_its_derivative(first, second, offset, at_s):
    timeline, arrival, _ = two_chunks("blend", first, second, offset)
    at_ns = arrival + round(at_s * 1e9)
    if (at_ns - S) * 30 % S > S - 3 * 30 * 10_000:
        at_ns += MS
    before, after = timeline.sample(at_ns).arms["left"], timeline.sample(at_ns + 10_000).arms["left"]
    moved = se3.difference(before.base_T_tcp, after.base_T_tcp) / 1e-5
    np.testing.assert_allclose(moved[:3], before.twist[:3], atol=2e-3)
    np.testing.assert_allclose(moved[3:], before.twist[3:], atol=0.05)


@given(twists, offsets, st.floats(0.21, 0.49))
def test_an_ensemble_lies_between_its_chunks_and_nearer_to_the_newest(twist, offset, at_s):
    timeline, arrival, _ = two_chunks("ensemble", twist, twist, offset)
    at_ns = arrival - 100 * MS + round(at_s * 1e9) + 100 * MS
    alone = []
    for sequence, stamp, anchor in ((1, S, HOME), (2, S + 300 * MS, se3.advance(HOME, offset))):
        line = Timeline()
        line.accept(chunk(stamp, sequence, twist=twist, anchor=anchor), stamp)
        sample = line.sample(at_ns)
        if sample is None:
            return
        alone.append(sample.arms["left"].base_T_tcp)
    mean = timeline.sample(at_ns).arms["left"].base_T_tcp
    apart = np.linalg.norm(alone[1][:3, 3] - alone[0][:3, 3])
    to_old, to_new = (np.linalg.norm(mean[:3, 3] - pose[:3, 3]) for pose in alone)
    assert to_old + to_new == pytest.approx(apart, abs=1e-9) and to_new <= to_old + 1e-9
    angle = so3.angle_between(alone[0][:3, :3], alone[1][:3, :3])
    turns = [so3.angle_between(mean[:3, :3], pose[:3, :3]) for pose in alone]
    assert sum(turns) == pytest.approx(angle, abs=1e-6)
    assert turns[0] * apart == pytest.approx(to_old * angle, abs=1e-6)


@pytest.mark.parametrize("seam", SMOOTH)
def test_chunks_at_any_rate_do_not_pile_up(seam):
    timeline = Timeline(seam, window_s=WINDOW_S)
    spent = []
    for i in range(1, 200):
        now_ns = S + i * 10 * MS
        timeline.accept(chunk(now_ns, i), now_ns)
        begun = time.perf_counter()
        timeline.sample(now_ns + 5 * MS)
        spent.append(time.perf_counter() - begun)
    assert min(spent[100:]) < 3 * min(spent[2:20])


@pytest.mark.parametrize("seam", SMOOTH)
def test_chunks_of_one_motion_are_that_motion_even_when_they_come_within_the_window(seam):
    timeline, velocity = Timeline(seam, window_s=WINDOW_S), np.array([0.1, 0.05, 0.0, 0.0, 0.0, 0.3])
    for i in range(1, 20):
        now_ns = S + i * 100 * MS
        anchor = se3.advance(HOME, velocity * (now_ns - 50 * MS - S) * 1e-9)
        straight = chunk(now_ns - 50 * MS, i, anchor=anchor)
        steps = se3.inverse(anchor) @ np.stack([se3.advance(anchor, velocity * k / 30) for k in range(1, 31)])
        arms = {name: ArmChunk(anchor, steps, straight.arms[name].gripper) for name in straight.arms}
        timeline.accept(dataclasses.replace(straight, arms=arms), now_ns)
        found = timeline.sample(now_ns + 60 * MS).arms["left"].base_T_tcp
        np.testing.assert_allclose(found, se3.advance(HOME, velocity * (now_ns + 60 * MS - S) * 1e-9), atol=1e-6)
