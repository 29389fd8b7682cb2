import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from small_robot import DT

from gear_vla_ros.runtime.smoothing import Motion, Smoother

SPEED, ACCELERATION, JERK = 0.5, 2.0, 60.0
steps = arrays(np.float64, (3,), elements=st.floats(-1, 1))
ticks = st.lists(st.tuples(steps, st.booleans(), st.floats(0.05, 1.25)), min_size=1, max_size=60)


def within(vector, length):
    norm = np.linalg.norm(vector)
    return vector * (length / norm) if norm > length else vector


@settings(max_examples=200, deadline=None)
@given(ticks)
def test_no_leads_and_no_lengths_of_ticks_exceed_a_limit(sequence):
    smoother, motion, acceleration = Smoother(ACCELERATION, JERK), Motion(np.zeros(3), np.zeros(3)), np.zeros(3)
    for step, brake, pace in sequence:
        dt = pace * DT
        if brake:
            after = smoother.braked(motion, dt)
        else:
            lead = motion.lead + within(within(motion.lead + step, SPEED) - motion.lead, ACCELERATION * dt)
            after = smoother.towards(motion, lead, dt)
        now = (after.velocity - motion.velocity) / dt
        assert np.linalg.norm(after.velocity) <= SPEED + 1e-9
        assert np.linalg.norm(now) <= ACCELERATION + 1e-6
        assert np.linalg.norm(now - acceleration) <= JERK * dt + 1e-6
        motion, acceleration = after, now


@settings(max_examples=100, deadline=None)
@given(arrays(np.float64, (3,), elements=st.floats(-0.28, 0.28)), steps, st.floats(0.2, 1.25))
def test_braking_ends_in_a_bounded_time_inside_of_the_triangle_that_was_foreseen(velocity, turn, pace):
    smoother, dt = Smoother(ACCELERATION, JERK), pace * DT
    lead = within(velocity + within(turn, ACCELERATION * smoother.lag_s), SPEED)
    motion, position, spent = Motion(velocity, lead), np.zeros(3), 0.0
    ahead = velocity * smoother.lag_s
    stop = ahead + lead * np.linalg.norm(lead) / (2 * ACCELERATION)
    while motion.velocity.any():
        motion = smoother.braked(motion, dt)
        position, spent = position + motion.velocity * dt, spent + dt
        shares, *_ = np.linalg.lstsq(np.stack([ahead, stop], axis=1), position, rcond=None)
        if np.linalg.matrix_rank(np.stack([ahead, stop], axis=1), tol=1e-6) == 2:
            assert np.all(shares >= -1e-6) and shares.sum() <= 1 + 1e-6
        assert spent < SPEED / ACCELERATION + 2.5 * ACCELERATION / JERK + 3 * dt


def test_from_a_steady_speed_it_brakes_as_fast_as_the_limits_let_it():
    """Against the least time of the continuous problem, speed / acceleration + acceleration / jerk."""
    smoother, dt = Smoother(ACCELERATION, JERK), 1e-3
    motion, spent = Motion(np.array([0.5, 0, 0]), np.array([0.5, 0, 0])), 0.0
    while motion.velocity.any():
        motion, spent = smoother.braked(motion, dt), spent + dt
    assert spent == pytest.approx(SPEED / ACCELERATION + ACCELERATION / JERK, abs=0.02)
