"""`gear-vla teleop` in a terminal, with the real teleop_node and target_node."""

import signal
import subprocess
import sys

import numpy as np
import pytest
from pseudo_terminal import PseudoTerminal
from support import NodeProcess
from test_teleop_node import TeleopGraph, begin

from gear_vla_ros.contracts import Grade
from gear_vla_ros.msg import EpisodeEvent
from gear_vla_ros.ros.topics import RESET
from gear_vla_ros.srv import Reset

DRIVER = "teleop/keyboard"


@pytest.fixture(scope="module")
def graph():
    with NodeProcess("target_node", robot="franka", hold_to_run=False), TeleopGraph() as made:
        begin(made)
        yield made


def driven(graph, terminal, keys, true, what):
    """Keys as they are repeated while held."""
    graph.every(0.05, lambda: terminal.type(keys))
    graph.every(0.1, terminal.read)
    graph.until(true, what)
    graph.still()
    graph.robot_stands()


def test_keys_drive_the_arm_and_q_gives_back(graph):
    with PseudoTerminal("teleop", "--robot", "franka") as terminal:
        terminal.shows("c clutch", lambda: graph.spin(0.05))
        terminal.shows("clutch open", lambda: graph.spin(0.05))
        driven(graph, terminal, "a", lambda: len(graph.targets) > 30, "some targets")
        assert np.linalg.norm(graph.moved()) < 1e-6, "it moved with the clutch open"
        terminal.type("c")
        terminal.shows("CLUTCHED", lambda: graph.spin(0.05))
        driven(graph, terminal, "a\x1b[A", lambda: graph.moved()[1] > 0.02, "2 cm to the left")
        assert graph.driver() == DRIVER and abs(graph.moved()[0]) < 2e-3
        terminal.type(" ")
        graph.until(lambda: (terminal.read(), graph.targets[-1].arms[0].gripper < 0.1)[1], "the closed gripper")
        terminal.shows(f"{DRIVER} FULL", lambda: graph.spin(0.05))
        terminal.type("q")
        graph.until(lambda: graph.told(EpisodeEvent.RELEASE, DRIVER), "the release")
        assert terminal.wait_end() == 0
    graph.wait_grade(Grade.HOLD)
    graph.until(lambda: graph.driver() == "", "nobody driving")


@pytest.mark.parametrize("how", ["key", signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_ends_cleanly_and_the_robot_is_held_until_a_reset(graph, how):
    releases = len(graph.told(EpisodeEvent.RELEASE, DRIVER))
    with PseudoTerminal("teleop", "--robot", "franka") as terminal:
        terminal.shows("clutch open", lambda: graph.spin(0.05))
        terminal.type("c")
        terminal.shows("CLUTCHED", lambda: graph.spin(0.05))
        graph.until(lambda: graph.driver() == DRIVER, "the takeover")
        if how == "key":
            terminal.type("\x03")
        else:
            terminal.signal(how)
        assert terminal.wait_end() == 0
        assert "the robot holds" in terminal.output and "Traceback" not in terminal.output
    graph.until(lambda: list(graph.status[-1].causes) == ["teleop_silent"], "the hold")
    assert graph.driver() == DRIVER and len(graph.told(EpisodeEvent.RELEASE, DRIVER)) == releases
    assert graph.call(RESET, Reset.Request()).accepted
    graph.until(lambda: graph.driver() == "", "nobody driving")


def test_x_stops_the_robot(graph):
    with PseudoTerminal("teleop", "--robot", "franka") as terminal:
        terminal.shows("clutch open", lambda: graph.spin(0.05))
        terminal.type("x")
        graph.wait_grade(Grade.STOP)
        terminal.shows("STOP: operator", lambda: graph.spin(0.05))
        terminal.type("q")
        assert terminal.wait_end() == 0


def test_a_teleop_node_of_another_device_is_named(graph):
    with NodeProcess("teleop_node", robot="franka", device="vr") as node:
        graph.until(lambda: graph.node.count_subscribers("/teleop/right/pose"), "the node")
        with PseudoTerminal("teleop", "--robot", "franka") as terminal:
            assert terminal.wait_end() == 1
        assert "the teleop_node that runs is for another device" in terminal.output and node.output() == ""


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["teleop", "--device", "keybord"], "device: found 'keybord'; did you mean 'keyboard'?"),
        (["teleop"], "keyboard: no terminal at standard input and output"),
        (["record"], "keyboard: no terminal at standard input and output"),
        (["teleop", "--network", "wifi"], "network: found 'wifi'; allowed loopback, two_machines, inherit"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(arguments, line):
    command = [sys.executable, "-m", "gear_vla_ros.cli.main", *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and line in done.stderr and done.stderr.count("\n") == 1
