"""Services and actions of robots' drivers, in front of stand-ins by their published definitions: who must say yes
before an arm moves, and grippers by `control_msgs/GripperCommand`."""

import importlib.util
import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import yaml
from built_interfaces import environment
from support import NodeProcess
from test_ik_node import Graph as IkGraph

from gear_vla_ros.contracts import ArmTarget, CartesianTarget, Grade
from gear_vla_ros.ros import convert
from gear_vla_ros.settings import load_robot

ACTION = "/franka_gripper/gripper_action"


class Driver:
    """A stand-in in a process of its own; `told` is what it was told, oldest first."""

    def __init__(self, *words):
        self._words, self.told = words, []

    def __enter__(self):
        script = str(Path(__file__).with_name("driver.py"))
        self._process = subprocess.Popen([sys.executable, script, *self._words], stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait(10.0)
        self._reader.join(10.0)

    def _read(self):
        for line in self._process.stdout:
            if "ready" not in (said := json.loads(line)):
                self.told.append(said)


class Graph(IkGraph):
    """Targets whose gripper opens and closes."""

    opening = 0.5

    def target_message(self):
        self.sequence += 1
        arms = {name: ArmTarget(goal, np.zeros(6), self.opening) for name, goal in self.goals.items()}
        return convert.target_to_msg(CartesianTarget(self.now_ns(), self.sequence, arms, Grade.FULL), self.spec)


def written(tmp_path, robot, change):
    data = load_robot(robot).model_dump(mode="json")
    for arm in data["arms"]:
        change(arm)
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(data))
    return str(path)


@pytest.fixture
def by_action(tmp_path):
    return written(
        tmp_path, "franka", lambda arm: arm["gripper"].update(kind="gripper_command", topic=ACTION, max_effort=12.5)
    )


@pytest.fixture
def control_msgs(monkeypatch):
    for key, value in environment("control_msgs").items():
        monkeypatch.setenv(key, value)


@pytest.fixture
def piper_msgs(monkeypatch):
    for key, value in environment("piper_msgs").items():
        monkeypatch.setenv(key, value)


def test_a_gripper_follows_by_goals_with_the_force_of_the_yaml(by_action, control_msgs):
    spec = load_robot(by_action)
    with Driver("gripper", ACTION, "good") as driver, NodeProcess("ik_node", robot=by_action), Graph(spec) as graph:
        graph.joints()
        graph.targets()
        graph.until(lambda: driver.told, "a goal")
        assert driver.told[-1] == {"position": pytest.approx(0.02), "max_effort": 12.5}
        graph.spin(1.0)
        refused = graph.settled_refused().get("gripper_right", 0)  # 1 where the driver was not up yet
        still = len(driver.told)
        graph.spin(0.5)
        assert len(driver.told) == still, "a goal without a change"
        graph.opening = 1.0
        graph.until(lambda: driver.told[-1]["position"] == pytest.approx(0.04), "the goal to open")
        graph.opening = 0.0
        graph.until(lambda: driver.told[-1]["position"] == pytest.approx(0.0), "the goal to close")
        assert graph.settled_refused().get("gripper_right", 0) == refused


@pytest.mark.parametrize("manner", ["reluctant", "silent"])
def test_a_goal_that_is_refused_or_not_answered_is_told_and_sent_again(by_action, control_msgs, manner):
    spec = load_robot(by_action)
    with Driver("gripper", ACTION, manner) as driver, NodeProcess("ik_node", robot=by_action), Graph(spec) as graph:
        graph.joints()
        graph.targets()
        graph.until(lambda: graph.refused().get("gripper_right"), "the count")
        graph.until(lambda: any("position" in told for told in driver.told), "another goal")


def test_fingers_that_stall_at_an_object_are_no_refusal(by_action, control_msgs):
    spec = load_robot(by_action)
    with Driver("gripper", ACTION, "stalls"), NodeProcess("ik_node", robot=by_action), Graph(spec) as graph:
        graph.joints()
        graph.until(lambda: graph.received["/diagnostics"], "diagnostics")
        graph.spin(2.0)
        graph.targets()
        graph.until(lambda: graph.value("rate gripper_right stalled [Hz]"), "a stall")
        assert "gripper_right" not in graph.settled_refused()


def test_without_a_server_arms_go_on_and_the_gripper_is_told_missing(by_action, control_msgs):
    spec = load_robot(by_action)
    with NodeProcess("ik_node", robot=by_action), Graph(spec) as graph:
        graph.joints()
        graph.targets()
        graph.until(lambda: graph.refused().get("gripper_right", 0) > 2 and graph.commands() > 20, "the count")


@pytest.mark.skipif(importlib.util.find_spec("control_msgs") is not None, reason="control_msgs is installed")
def test_without_the_package_the_node_says_what_to_install(by_action):
    with NodeProcess("ik_node", robot=by_action) as process:
        assert process.wait_end(20.0) == 2
    line = "arms.right.gripper.kind gripper_command needs control_msgs/action/GripperCommand, which is not installed"
    assert line in process.output()


def piper(tmp_path, limit_s):
    return written(tmp_path, "agilex", lambda arm: arm["command"]["enable"].update(limit_s=limit_s))


def test_nothing_is_commanded_before_every_driver_has_said_yes(tmp_path, piper_msgs):
    robot = piper(tmp_path, 10.0)
    spec = load_robot(robot)
    with NodeProcess("ik_node", robot=robot, enable=True), Graph(spec) as graph:
        graph.joints()
        graph.targets()
        with Driver("enable", "/left/enable_srv", "good") as left:
            graph.until(lambda: left.told, "the left arm's request")
            assert graph.settled_refused().get("not_enabled") and graph.commands() == 0
            with Driver("enable", "/right/enable_srv", "reluctant") as right:
                graph.until(lambda: len(right.told) > 1, "another request")
                assert right.told == [{"asked": True, "answer": False}, {"asked": True, "answer": True}]
                graph.until(lambda: graph.commands() > 20, "commands")
                assert left.told == [{"asked": True, "answer": True}], "asked again after a yes"
                assert graph.settled_refused()["enable_right"] == 1
        efforts = [list(message.effort) for message in graph.received["/left/joint_ctrl_single"]]
        assert efforts[-1] == [0.0] * 6 + [1.0], "the gripper's force is the seventh value"


@pytest.mark.parametrize("silent", [True, False])
def test_each_wait_for_a_driver_has_its_limit(tmp_path, piper_msgs, silent):
    """A service that does not answer, or is not there."""
    robot = piper(tmp_path, 0.6)
    spec = load_robot(robot)
    name = "/left/enable_srv" if silent else "/elsewhere"
    with (
        Driver("enable", name, "silent") as left,
        Driver("enable", "/right/enable_srv", "good"),
        NodeProcess("ik_node", robot=robot, enable=True),
        Graph(spec) as graph,
    ):
        graph.joints()
        graph.targets()
        graph.until(lambda: graph.refused().get("enable_left"), "the count")
        assert graph.commands() == 0
        if silent:
            graph.until(lambda: len(left.told) > 1 and graph.commands() > 20, "commands after another request")
