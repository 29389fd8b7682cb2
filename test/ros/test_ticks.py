import time

import numpy as np
import pytest
import rclpy

from gear_vla_ros.ros.ticks import Ticks

HZ = 50.0


@pytest.fixture
def node():
    rclpy.init()
    made = rclpy.create_node("ticks")
    yield made
    made.destroy_node()
    rclpy.try_shutdown()


def spin(node, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        rclpy.spin_once(node, timeout_sec=0.01)


def test_ticks_come_at_their_rate(node):
    times = []
    ticks = Ticks(node, HZ, lambda: times.append(time.monotonic()))
    begun = time.monotonic()
    spin(node, 1.0)
    assert len(times) <= 1.05 * HZ * (time.monotonic() - begun) + 1
    assert np.median(np.diff(times)) == pytest.approx(1 / HZ, rel=0.2)
    assert ticks.late_p99_ms >= 0.0


def test_a_pause_of_several_periods_is_lateness_not_forgotten(node):
    times = []
    ticks = Ticks(node, HZ, lambda: times.append(time.monotonic()))
    spin(node, 0.3)
    before = len(times)
    time.sleep(0.2)
    spin(node, 0.03)
    assert 1 <= len(times) - before <= 3, "ticks that were missed are not caught up with"
    assert ticks.late_p99_ms > 100.0
