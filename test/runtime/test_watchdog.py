import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gear_vla_ros.contracts import Grade, ManualClock
from gear_vla_ros.runtime.latency import Percentiles
from gear_vla_ros.runtime.watchdog import Watchdogs


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def dogs(clock):
    dogs = Watchdogs(clock)
    dogs.expect("state", 0.1)
    return dogs


@pytest.mark.parametrize(
    ("age_s", "grade"), [(0.1, Grade.FULL), (0.15, Grade.SLOW), (0.2, Grade.SLOW), (0.21, Grade.HOLD)]
)
def test_the_absence_of_the_first_message_counts(clock, dogs, age_s, grade):
    clock.advance(age_s)
    assert dogs.grade() == (grade, ("state_stale",) if grade else ())


def test_feeding_restores_full_speed(clock, dogs):
    clock.advance(1.0)
    dogs.fed("state")
    assert dogs.grade() == (Grade.FULL, ())


def test_an_old_capture_does_not_feed(clock, dogs):
    clock.advance(1.0)
    dogs.fed("state", clock.now_ns() - 150_000_000)
    assert dogs.grade() == (Grade.SLOW, ("state_stale",))


def test_a_capture_ahead_of_now_buys_no_time(clock, dogs):
    dogs.fed("state", clock.now_ns() + 10**9)
    clock.advance(0.15)
    assert dogs.grade()[0] is Grade.SLOW


def test_the_worst_comes_first(clock, dogs):
    dogs.expect("chunk", 0.05)
    clock.advance(0.15)
    assert dogs.grade() == (Grade.HOLD, ("chunk_stale", "state_stale"))
    dogs.restart()
    assert dogs.grade() == (Grade.FULL, ())


def test_unknown_names_and_senseless_limits(dogs):
    with pytest.raises(KeyError, match="never expected"):
        dogs.fed("stat")
    with pytest.raises(ValueError, match="more than 0"):
        dogs.expect("x", 0.0)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40), st.integers(1, 20))
def test_percentiles_are_those_of_the_window(values, window):
    figures = Percentiles(window)
    for value in values:
        figures.add(value)
    last = values[-window:]
    assert figures.p(50) == pytest.approx(np.median(last))
    assert figures.p(100) == figures.max == max(last)


def test_no_figures_yet():
    assert Percentiles(5).p(99) == Percentiles(5).max == 0.0
    with pytest.raises(ValueError, match="window"):
        Percentiles(0)
