import os
import threading

from gear_vla_ros.ros.scheduling import ask_for_realtime


def in_thread(work):
    """Result of `work` in a thread of its own, whose scheduling ends with it."""
    results = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join()
    return results[0]


def test_zero_does_not_ask():
    assert in_thread(lambda: (ask_for_realtime(0), os.sched_getscheduler(0))) == (False, os.SCHED_OTHER)


def test_what_is_told_is_what_is_in_force():
    granted, policy = in_thread(lambda: (ask_for_realtime(1), os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK))
    assert policy == (os.SCHED_FIFO if granted else os.SCHED_OTHER)


def test_a_system_that_does_not_grant_it_is_no_fault(monkeypatch):
    def refuse(*_):
        raise PermissionError("not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    assert not ask_for_realtime(1)
