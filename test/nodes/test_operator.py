"""The operator's side of the target_node, over DDS."""

import pytest
from sensor_msgs.msg import Joy
from std_srvs.srv import Trigger
from support import NodeProcess
from test_target_node import Graph

from gear_vla_ros.contracts import Grade
from gear_vla_ros.ros.operator_panel import HOLD_JOY, STOP_NOW
from gear_vla_ros.ros.topics import RESET
from gear_vla_ros.srv import Reset

BUTTONS = 8


@pytest.fixture(scope="module")
def graph():
    with NodeProcess("target_node", robot="franka"), Graph() as made:
        made.robot_runs()
        made.instruct(1)
        made.until(lambda: made.targets and made.status, "targets")
        yield made


def holds(graph, pressed, buttons=BUTTONS):
    graph.still()
    graph.robot_runs()
    graph.every(0.2, graph.chunk)
    if pressed is not None:
        message = Joy(buttons=[0] * buttons)
        if buttons > 4:
            message.buttons[4] = int(pressed)
        graph.every(0.05, lambda: graph.say(HOLD_JOY, message, "/joy"))


def caused(graph, cause):
    graph.until(lambda: cause in graph.status[-1].causes, cause)
    assert graph.status[-1].grade == Grade.HOLD


def test_nothing_moves_until_somebody_holds_the_button(graph):
    holds(graph, None)
    caused(graph, "hold_to_run_absent")
    holds(graph, True)
    graph.wait_grade(Grade.FULL)
    holds(graph, False)
    caused(graph, "hold_to_run_released")
    holds(graph, True)
    graph.wait_grade(Grade.FULL)
    holds(graph, None)
    caused(graph, "hold_to_run_stale")


def test_a_pad_without_that_button_is_refused_and_holds(graph):
    holds(graph, True, buttons=2)
    graph.until(lambda: graph.refused().get("bad_message /joy"), "the count")
    caused(graph, "hold_to_run_stale")


def test_the_stop_service_latches_until_a_reset(graph):
    holds(graph, True)
    graph.wait_grade(Grade.FULL)
    answer = graph.call(STOP_NOW, Trigger.Request())
    assert answer.success and "/gear_vla/reset" in answer.message
    graph.wait_grade(Grade.STOP)
    graph.spin(0.3)
    assert graph.status[-1].grade == Grade.STOP
    assert graph.call(RESET, Reset.Request()).accepted
    graph.wait_grade(Grade.FULL)
