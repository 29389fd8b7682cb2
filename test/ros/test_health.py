"""Rates, refusals and figures, as an operator sees them on /diagnostics."""

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus

from gear_vla_ros.ros.health import Health


class Logged:
    """The node's logger, remembered."""

    def __init__(self):
        self.lines = []

    def warning(self, line):
        self.lines.append(line)


class Bench:
    """A Health whose clock, publisher and logger are in the hands of the test."""

    def __init__(self, node):
        self.now_s = 100.0
        self.logged = Logged()
        self.published = []
        node.get_logger = lambda: self.logged
        self.health = Health(node, "franka", lambda: self.now_s)
        self.health._publisher.publish = self.published.append

    def after(self, seconds):
        """The status published that much later."""
        self.now_s += seconds
        self.health.publish()
        return self.published[-1].status[0]


@pytest.fixture
def bench():
    rclpy.init()
    node = rclpy.create_node("patient")
    yield Bench(node)
    node.destroy_node()
    rclpy.try_shutdown()


def figures(status):
    return {pair.key: pair.value for pair in status.values}


def test_a_node_with_nothing_to_say_is_ok(bench):
    status = bench.after(1.0)
    assert (status.level, status.message) == (DiagnosticStatus.OK, "ok")
    assert (status.name, status.hardware_id) == ("patient", "franka")


def test_a_rate_is_of_the_time_since_the_last_message(bench):
    for _ in range(20):
        bench.health.count("/joint_states")
    assert figures(bench.after(2.0))["rate /joint_states [Hz]"] == "10.0"
    assert figures(bench.after(1.0))["rate /joint_states [Hz]"] == "0.0"


@pytest.mark.parametrize(("count", "level"), [(6, DiagnosticStatus.WARN), (7, DiagnosticStatus.OK)])
def test_a_rate_below_seven_tenths_of_what_is_expected_is_warned_about(bench, count, level):
    bench.health.expect("/head", 10.0)
    for _ in range(count):
        bench.health.count("/head")
    assert bench.after(1.0).level == level


def test_what_never_came_is_warned_about_by_name(bench):
    bench.health.expect("/head", 15.0)
    assert bench.after(1.0).message == "/head at 0.0 Hz, expected 15"


def test_every_refusal_is_counted_and_logged_once_a_second_a_cause(bench):
    for i in range(50):
        bench.health.refuse("bad_image", f"line {i}")
    bench.health.refuse("bad_state", "another cause")
    assert bench.logged.lines == ["bad_image: line 0", "bad_state: another cause"]
    assert bench.health.refused == {"bad_image": 50, "bad_state": 1}
    bench.now_s += 1.0
    bench.health.refuse("bad_image", "later")
    assert bench.logged.lines[2:] == ["bad_image: later"]


def test_a_refusal_warns_in_the_message_after_it_and_stays_counted(bench):
    bench.health.refuse("bad_image", "line")
    status = bench.after(1.0)
    assert (status.level, status.message) == (DiagnosticStatus.WARN, "1 refused")
    status = bench.after(1.0)
    assert (status.level, status.message) == (DiagnosticStatus.OK, "ok")
    assert figures(status)["refused bad_image"] == "1"


def test_the_newest_figure_stays(bench):
    bench.health.set("latency [ms]", 1.0)
    bench.health.set("latency [ms]", 12.34567)
    bench.health.set("policy", "expert")
    bench.after(1.0)
    assert figures(bench.after(1.0)) == {"latency [ms]": "12.346", "policy": "expert"}
