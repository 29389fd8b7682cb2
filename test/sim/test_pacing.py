"""Rates and latencies in simulated time: one call at a time, each result when its time is over."""

import itertools

import pytest

from gear_vla_ros.sim.pacing import Repeated, Worker
from gear_vla_ros.sim.running import SECOND_NS

STEP_NS = 5_000_000


def run(worker_hz, takes_s, seconds, ready=lambda now_ns: True):
    begun, done, now = [], [], [SECOND_NS]

    def do():
        if not ready(now[0]):
            return None
        begun.append(now[0])
        return now[0]

    worker = Worker(worker_hz, takes_s, do, lambda result: done.append((result, now[0])))
    while now[0] < SECOND_NS + round(seconds * 1e9):
        worker.run(now[0])
        now[0] += STEP_NS
    return begun, done


@pytest.mark.parametrize("takes_s", [0.0, 0.03, 0.08])
def test_it_keeps_its_rate_while_it_takes_less_than_a_period(takes_s):
    begun, done = run(10.0, takes_s, 2.0)
    assert len(begun) == 20
    assert {ended - started for started, ended in done} == {round(takes_s * 1e9)}


def test_what_takes_longer_than_a_period_is_done_one_after_the_other():
    begun, done = run(10.0, 0.53, 2.0)
    assert [later - former for former, later in itertools.pairwise(begun)] == [530_000_000] * 3
    assert all(ended - started == 530_000_000 for started, ended in done)


def test_with_nothing_to_begin_with_it_begins_as_soon_as_there_is():
    begun, _ = run(10.0, 0.0, 1.0, ready=lambda now_ns: now_ns >= SECOND_NS + 85_000_000)
    assert begun[0] == SECOND_NS + 85_000_000
    assert begun[1] - begun[0] == pytest.approx(100_000_000, abs=STEP_NS)


def test_something_repeated_keeps_its_rate():
    times = []
    repeated = Repeated(30.0, lambda: times.append(1))
    for step in range(200):
        repeated.run_if_due(SECOND_NS + step * STEP_NS)
    assert len(times) == 30
