import threading

import pytest

from gear_vla_ros.ros.workers import NewestOnly

LIMIT_S = 5.0


@pytest.fixture
def gate():
    """A worker whose work takes until it is let go: (worker, started, go, done, failures)."""
    started, go = threading.Semaphore(0), threading.Semaphore(0)
    done, failures, delivered = [], [], threading.Semaphore(0)

    def work(item):
        started.release()
        assert go.acquire(timeout=LIMIT_S)
        if item == "bad":
            raise ValueError("cannot use this")
        return item

    def deliver(result):
        done.append(result)
        delivered.release()

    def failed(error):
        failures.append(str(error))
        delivered.release()

    worker = NewestOnly("work", work, deliver, failed)
    yield worker, started, go, delivered, done, failures
    go.release(100)
    assert worker.close(LIMIT_S)


def test_what_comes_while_it_is_busy_is_replaced_and_counted(gate):
    worker, started, go, delivered, done, _ = gate
    worker.offer(0)
    assert started.acquire(timeout=LIMIT_S)
    assert not worker.idle
    for item in (1, 2, 3):
        worker.offer(item)
    go.release(2)
    assert delivered.acquire(timeout=LIMIT_S) and delivered.acquire(timeout=LIMIT_S)
    assert done == [0, 3]
    assert worker.skipped == 2


def test_a_failure_is_told_and_the_thread_goes_on(gate):
    worker, _, go, delivered, done, failures = gate
    go.release(2)
    worker.offer("bad")
    assert delivered.acquire(timeout=LIMIT_S)
    worker.offer("good")
    assert delivered.acquire(timeout=LIMIT_S)
    assert (done, failures) == (["good"], ["cannot use this"])


def test_nothing_is_delivered_after_close(gate):
    worker, started, go, _, done, _ = gate
    worker.offer(0)
    assert started.acquire(timeout=LIMIT_S)
    assert not worker.close(0.01)
    go.release()
    assert worker.close(LIMIT_S)
    assert done == []
