"""Devices over DDS in front of the real teleop_node and the real target_node."""

import os
import signal
import time

import numpy as np
import pytest
import yaml
from geometry_msgs.msg import PoseStamped, Twist, TwistStamped
from peer import joint_state
from sensor_msgs.msg import Joy
from std_msgs.msg import Bool, Float64
from support import NodeProcess
from test_target_node import HOME, SPEC, Graph

from gear_vla_ros.contracts import Grade
from gear_vla_ros.geometry import se3
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.msg import EpisodeEvent
from gear_vla_ros.ros import convert
from gear_vla_ros.ros.poses import stamped_to_msg
from gear_vla_ros.ros.stamps import to_msg
from gear_vla_ros.ros.teleop_devices import CLUTCH_BOOL, JOY, LEADER, OPENING, PLAIN_TWIST, POSE, TWIST
from gear_vla_ros.ros.topics import CHUNK, EVENTS, JOINT_STATES

ARM = SPEC.arms[0]
MODEL = RobotModel(SPEC)
PERIOD_S = 0.02


class TeleopGraph(Graph):
    """The robot does what it is told; a device in the test's hands."""

    def __init__(self):
        super().__init__()
        self.under_test = "teleop_node"
        self.events, self.chunks = self.hear(EVENTS), self.hear(CHUNK)
        self.pressed, self.q = False, np.array(ARM.home)

    def robot_stands(self):
        """Joint states at home; targets stay within the tracking limit of it."""
        self.every(0.01, lambda: self.say(JOINT_STATES, joint_state(SPEC, {"right": self.q}), SPEC.joint_states_topic))

    def clutches(self):
        name = SPEC.teleop.clutch("right").topic
        self.every(PERIOD_S, lambda: self.say(CLUTCH_BOOL, Bool(data=self.pressed), name))

    def driver(self):
        return self.status[-1].driver if self.status else ""

    def moved(self):
        """The newest target, seen from home: translation and rotation vector."""
        target = convert.target_from_msg(self.targets[-1], SPEC)
        return se3.difference(HOME, target.arms["right"].base_T_tcp)

    def comes_to(self, expected):
        """The first numbers of `moved`, and stays there."""
        there = len(expected)
        self.until(lambda: np.allclose(self.moved()[:there], expected, atol=0.006), f"the tool's way to {expected}")
        self.spin(0.5)
        np.testing.assert_allclose(self.moved()[:there], expected, atol=0.006)

    def told(self, kind, source):
        return [event for event in self.events if event.kind == kind and event.source == source]


def begin(graph):
    graph.robot_stands()
    graph.until(lambda: graph.targets and graph.status, "targets")


def pad(graph, **axes):
    """A gamepad at rest but for these axes; the clutch is `graph.pressed`."""
    message = Joy(axes=[0.0] * 8, buttons=[0] * 11)
    message.axes[2] = message.axes[5] = 1.0
    for axis, value in axes.items():
        message.axes[getattr(SPEC.teleop.joy, axis).axis] = value
    message.buttons[SPEC.teleop.joy.clutch_button] = int(graph.pressed)
    message.header.stamp = to_msg(time.time_ns())
    return message


class TestGamepad:
    @pytest.fixture(scope="class")
    def graph(self):
        target = NodeProcess("target_node", robot="franka", hold_to_run=False)
        with target, NodeProcess("teleop_node", robot="franka", device="joy"), TeleopGraph() as made:
            begin(made)
            made.deflection = {}
            made.every(PERIOD_S, lambda: made.say(JOY, pad(made, **made.deflection), "/joy"))
            yield made

    def test_the_arm_follows_while_the_clutch_is_pressed(self, graph):
        graph.spin(0.5)
        assert graph.driver() == "" and np.linalg.norm(graph.moved()) < 1e-6
        graph.pressed = True
        graph.wait_grade(Grade.FULL)
        graph.deflection = {"y": 1.0}
        graph.until(lambda: graph.moved()[1] > 0.03, "3 cm to the left")
        assert graph.driver() == "teleop/joy"
        assert graph.targets[-1].driver == "teleop/joy"
        assert abs(graph.moved()[0]) < 1e-3
        graph.deflection = {}
        graph.pressed = False
        graph.wait_grade(Grade.HOLD)
        assert list(graph.status[-1].causes) == ["no_instruction"]
        assert [e.message for e in graph.told(EpisodeEvent.TAKEOVER, "teleop/joy")] == ["right arm"]
        graph.until(lambda: graph.told(EpisodeEvent.RELEASE, "teleop/joy"), "the release")

    def test_a_person_takes_over_from_a_policy_and_gives_back(self, graph):
        graph.instruct(1)
        graph.every(0.3, graph.chunk)
        graph.until(lambda: graph.driver() == "test", "the policy")
        graph.pressed = True
        graph.until(lambda: graph.driver() == "teleop/joy", "the takeover")
        graph.until(lambda: self.counted(graph, "chunk_operator"), "the refusal of the policy's chunks")
        assert "teleop/joy drives" in self.counted(graph, "chunk_operator").last
        graph.targets.clear()
        graph.spin(0.5)
        assert {target.driver for target in graph.targets} == {"teleop/joy"}
        graph.pressed = False
        graph.until(lambda: graph.driver() == "test", "the policy again")
        graph.wait_grade(Grade.FULL)

    @staticmethod
    def counted(graph, cause):
        return next((fault for fault in graph.status[-1].faults if fault.cause == cause), None)

    def test_a_pad_that_is_switched_off_holds_and_does_not_give_back(self, graph):
        graph.pressed = True
        graph.until(lambda: graph.driver() == "teleop/joy", "the takeover")
        releases = len(graph.told(EpisodeEvent.RELEASE, "teleop/joy"))
        graph.still()
        graph.robot_stands()
        graph.every(0.3, graph.chunk)
        status = graph.wait_grade(Grade.HOLD)
        assert list(status.causes) == ["teleop_silent"]
        graph.until(lambda: graph.refused().get("device_silent"), "the count")
        graph.spin(0.7)
        assert graph.status[-1].grade == Grade.HOLD and graph.driver() == "teleop/joy"
        assert len(graph.told(EpisodeEvent.RELEASE, "teleop/joy")) == releases

    def test_a_pad_with_too_few_buttons_or_nan_is_refused_and_counted(self, graph):
        short = Joy(axes=[0.0] * 8, buttons=[0] * 2)
        odd = pad(graph, x=float("nan"))
        before = graph.settled_refused().get("bad_message /joy", 0)
        graph.say(JOY, short, "/joy")
        graph.say(JOY, odd, "/joy")
        graph.until(lambda: graph.refused().get("bad_message /joy", 0) >= before + 2, "the counts")


def test_a_twist_in_the_tools_axes_moves_along_the_tool_and_the_gripper_follows():
    target = NodeProcess("target_node", robot="franka", hold_to_run=False)
    with target, NodeProcess("teleop_node", robot="franka", device="twist"), TeleopGraph() as graph:
        begin(graph)
        frame = [ARM.tcp_frame]

        def twist():
            message = TwistStamped()
            message.header.frame_id, message.header.stamp = frame[0], to_msg(time.time_ns())
            message.twist.linear.z = -0.1
            graph.say(TWIST, message, SPEC.teleop.twist.topic("right"))

        graph.clutches()
        graph.every(PERIOD_S, twist)
        graph.every(PERIOD_S, lambda: graph.say(OPENING, Float64(data=0.0), SPEC.teleop.gripper("right")))
        graph.pressed = True
        graph.until(lambda: np.linalg.norm(graph.moved()[:3]) > 0.03, "3 cm")
        moved = graph.moved()[:3]
        np.testing.assert_allclose(moved / np.linalg.norm(moved), -HOME[:3, 2], atol=0.02)
        assert graph.targets[-1].arms[0].gripper == pytest.approx(1.0), "a closed device may not close an open gripper"
        frame[0] = "camera"
        graph.until(lambda: graph.refused().get("bad_message /teleop/right/twist"), "the refusal")
        graph.wait_grade(Grade.HOLD)


@pytest.fixture
def spacemouse(tmp_path):
    """franka with a SpaceMouse as spacenav_node publishes it: plain twists from -1 to 1, clutch and gripper buttons."""
    buttons = [{"kind": "joy", "topic": "/spacenav/joy", "button": i} for i in (0, 1)]
    twist = {"stamped": False, "topics": {"right": "/spacenav/twist"}, "linear_scale": 0.15, "angular_scale": 0.6}
    data = SPEC.model_dump(mode="json")
    data["teleop"] = {"twist": twist | {"gripper_buttons": {"right": buttons[1]}}, "clutches": {"right": buttons[0]}}
    path = tmp_path / "spacemouse.yaml"
    path.write_text(yaml.safe_dump(data))
    return str(path)


def test_a_spacemouse_moves_the_tool_by_plain_twists_and_its_buttons(spacemouse):
    target = NodeProcess("target_node", robot=spacemouse, hold_to_run=False)
    with target, NodeProcess("teleop_node", robot=spacemouse, device="twist"), TeleopGraph() as graph:
        begin(graph)
        cap, buttons = Twist(), [[]]
        graph.every(PERIOD_S, lambda: graph.say(PLAIN_TWIST, cap, "/spacenav/twist"))
        graph.every(PERIOD_S, lambda: graph.say(JOY, Joy(axes=[0.0] * 6, buttons=buttons[0]), "/spacenav/joy"))
        graph.spin(0.5)
        assert graph.driver() == "" and "bad_message /spacenav/joy" not in graph.settled_refused()
        buttons[0] = [1, 0]
        graph.wait_grade(Grade.FULL)
        assert graph.driver() == "teleop/twist"
        cap.linear.x = 1.0
        graph.until(lambda: graph.moved()[0] > 0.03, "3 cm forward")
        assert abs(graph.moved()[1]) < 1e-3
        cap.linear.x = 0.0
        buttons[0] = [1, 1]
        graph.until(lambda: graph.targets[-1].arms[0].gripper < 0.05, "a closed gripper")
        buttons[0] = [1, 0]
        graph.spin(0.3)
        assert graph.targets[-1].arms[0].gripper < 0.05, "releasing the button is nothing"
        buttons[0] = [1, 1]
        graph.until(lambda: graph.targets[-1].arms[0].gripper > 0.95, "an open gripper")
        cap.linear.y = float("nan")
        graph.until(lambda: graph.refused().get("bad_message /spacenav/twist"), "the refusal")
        cap.linear.y = 0.0
        graph.wait_grade(Grade.FULL)
        buttons[0] = [0, 0]
        graph.until(lambda: graph.told(EpisodeEvent.RELEASE, "teleop/twist"), "the release")


@pytest.fixture
def fine(tmp_path):
    """franka with leaders and hands at half scale, seen from a device that is turned by a quarter."""
    data = SPEC.model_dump(mode="json")
    data["teleop"] = {"scale": 0.5, "vr": {"base_rpy_device": [0.0, 0.0, np.pi / 2]}}
    path = tmp_path / "fine.yaml"
    path.write_text(yaml.safe_dump(data))
    return str(path)


def test_a_hand_moves_the_tool_by_its_scale_in_the_robots_axes(fine):
    target = NodeProcess("target_node", robot=fine, hold_to_run=False)
    with target, NodeProcess("teleop_node", robot=fine, device="vr"), TeleopGraph() as graph:
        begin(graph)
        hand = [se3.from_xyz_rpy(np.array([3.0, 1.0, -2.0]), np.array([0.4, 1.0, -2.0])), np.zeros(3)]

        def pose():
            moved = se3.advance(hand[0], np.concatenate([hand[1], np.zeros(3)]))
            graph.say(POSE, stamped_to_msg(moved, "vr", time.time_ns()), SPEC.teleop.vr.topic("right"))
            if graph.status and graph.status[-1].grade == Grade.FULL:
                hand[1] = hand[1] + np.array([0.001, 0, 0]) if hand[1][0] < 0.08 else hand[1]

        graph.clutches()
        graph.every(PERIOD_S, pose)
        graph.pressed = True
        graph.until(lambda: hand[1][0] >= 0.08, "the hand's way")
        graph.comes_to([0, 0.04, 0, 0, 0, 0])
        graph.until(lambda: graph.status[-1].grade == Grade.FULL, "following")
        message = PoseStamped()
        message.header.stamp = to_msg(time.time_ns())
        before = graph.settled_refused().get("bad_message /teleop/right/pose", 0)
        message.pose.position.x = float("nan")
        graph.say(POSE, message, SPEC.teleop.vr.topic("right"))
        graph.until(lambda: graph.refused().get("bad_message /teleop/right/pose", 0) > before, "the refusal")


def test_a_leader_arm_moves_the_follower_by_the_robots_kinematics():
    target = NodeProcess("target_node", robot="franka", hold_to_run=False)
    with target, NodeProcess("teleop_node", robot="franka", device="leader"), TeleopGraph() as graph:
        begin(graph)
        topic = SPEC.teleop.leader.topic("right")
        leader = [np.array(ARM.home) + 0.3, 0.0]

        def states():
            q = leader[0].copy()
            q[0] += leader[1]
            graph.say(LEADER, joint_state(SPEC, {"right": q}), topic)
            if graph.status and graph.status[-1].grade == Grade.FULL and leader[1] < 0.1:
                leader[1] += 0.002

        wrong = joint_state(SPEC)
        wrong.name = [f"x_{name}" for name in wrong.name]
        graph.every(0.1, lambda: graph.say(LEADER, wrong, topic))
        graph.every(0.1, lambda: graph.say(LEADER, joint_state(SPEC, stamp_ns=time.time_ns() - 10**9), topic))
        graph.until(lambda: graph.refused().get(f"bad_message {topic}"), "the refusal of wrong names")
        graph.until(lambda: graph.refused().get("device_stale"), "the refusal of a stale stamp")
        graph.still()
        graph.robot_stands()
        graph.clutches()
        graph.every(PERIOD_S, states)
        graph.pressed = True
        graph.until(lambda: leader[1] >= 0.1, "the leader's way")
        q = leader[0].copy()
        expected = MODEL.fk("right", q + np.eye(7)[0] * leader[1])[:3, 3] - MODEL.fk("right", q)[:3, 3]
        graph.comes_to(expected)


def test_a_clutch_without_a_device_takes_over_nothing():
    target = NodeProcess("target_node", robot="franka", hold_to_run=False)
    with target, NodeProcess("teleop_node", robot="franka", device="vr") as process, TeleopGraph() as graph:
        begin(graph)
        graph.clutches()
        graph.pressed = True
        graph.until(lambda: graph.refused().get("device_absent"), "the count")
        assert "nothing was heard of the device yet" in process.output()
        assert graph.chunks == [] and graph.driver() == ""


def test_a_teleop_node_that_is_killed_holds_until_somebody_takes_over_and_gives_back():
    with NodeProcess("target_node", robot="franka", hold_to_run=False), TeleopGraph() as graph:
        begin(graph)
        graph.instruct(1)
        graph.every(0.3, graph.chunk)
        graph.every(PERIOD_S, lambda: graph.say(JOY, pad(graph, y=1.0), "/joy"))
        with NodeProcess("teleop_node", robot="franka", device="joy") as process:
            graph.pressed = True
            graph.until(lambda: graph.driver() == "teleop/joy" and graph.moved()[1] > 0.01, "a person who drives")
            os.kill(process.pid, signal.SIGKILL)
            assert process.wait_end(10.0) == -signal.SIGKILL
        graph.until(lambda: list(graph.status[-1].causes) == ["teleop_silent"], "the hold")
        graph.spin(0.7)
        assert graph.status[-1].grade == Grade.HOLD, "the policy took over by itself"
        graph.pressed = False
        with NodeProcess("teleop_node", robot="franka", device="joy"):
            graph.until(lambda: graph.node.count_publishers(CHUNK.name) > 1, "the next teleop_node")
            graph.spin(0.5)
            assert graph.status[-1].grade == Grade.HOLD, "a node that starts gives nothing back"
            graph.pressed = True
            graph.until(lambda: graph.status[-1].grade == Grade.FULL, "the second takeover")
            graph.pressed = False
            graph.until(lambda: graph.driver() == "test", "the policy")
