import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_robot import HOME, state

from gear_vla_ros.contracts import ArmState, ContractError, RobotState
from gear_vla_ros.geometry import se3, so3
from gear_vla_ros.runtime.history import StateHistory

S = 1_000_000_000


def moved(stamp_ns, displacement, q=(0.0, 0.0)):
    pose = se3.advance(HOME, np.asarray(displacement, dtype=float))
    return RobotState(stamp_ns, {"right": ArmState(pose, np.array(q), np.zeros(2), 0.5)})


@given(st.floats(0, 1))
def test_between_two_states_everything_moves_in_proportion(fraction):
    history = StateHistory()
    history.add(moved(S, np.zeros(6)))
    history.add(moved(S + 50_000_000, [0.2, 0, 0, 0, 0, 1.0], q=(1.0, -2.0)))
    stamp_ns = S + round(fraction * 50_000_000)
    exact = (stamp_ns - S) / 50_000_000
    found = history.at(stamp_ns)
    displacement = se3.difference(HOME, found.arms["right"].base_T_tcp)
    np.testing.assert_allclose(displacement, exact * np.array([0.2, 0, 0, 0, 0, 1.0]), atol=1e-9)
    np.testing.assert_allclose(found.arms["right"].q, exact * np.array([1.0, -2.0]), atol=1e-12)
    assert found.stamp_ns == stamp_ns


def test_the_rotation_takes_the_short_way():
    history = StateHistory()
    history.add(moved(S, [0, 0, 0, 0, 0, 3.0]))
    history.add(moved(S + 100_000_000, [0, 0, 0, 0, 0, -3.0]))
    middle = history.at(S + 50_000_000).arms["right"].base_T_tcp
    assert so3.angle_between(middle[:3, :3], HOME[:3, :3]) == pytest.approx(np.pi, abs=1e-6)


@pytest.mark.parametrize("stamp_ns", [S - 1, S + 1, S + 150_000_000, S + 200_000_001])
def test_no_state_outside_the_history_or_over_a_gap(stamp_ns):
    history = StateHistory(max_gap_s=0.1)
    history.add(state(S))
    history.add(state(S + 200_000_000))
    assert history.at(stamp_ns) is None
    assert history.at(S).stamp_ns == S


@pytest.mark.parametrize("stamp_ns", [S, S - 1])
def test_duplicates_and_stamps_going_back_are_refused(stamp_ns):
    history = StateHistory()
    history.add(state(S))
    with pytest.raises(ContractError, match=r"state.stamp_ns"):
        history.add(state(stamp_ns))
    assert history.newest.stamp_ns == S


def test_other_arms_are_refused():
    history = StateHistory()
    history.add(state(S))
    with pytest.raises(ContractError, match="joints"):
        history.add(state(S + 1, {"left": HOME}))


def test_old_states_are_dropped():
    history = StateHistory(max_age_s=0.5)
    for i in range(200):
        history.add(state(S + i * 10_000_000))
    assert history.at(S + 100 * 10_000_000) is None
    assert history.at(S + 150 * 10_000_000) is not None


def test_nothing_yet_and_cleared():
    history = StateHistory()
    assert history.newest is None and history.at(S) is None
    history.add(state(S))
    history.clear()
    history.add(state(S - 5))
    assert history.newest_ns == S - 5
