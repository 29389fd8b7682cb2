"""recorder_node as a process: every message of a whole episode, and what a killed one leaves."""

import os
import signal

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from peer import Peer, image, joint_state
from std_msgs.msg import String
from support import NodeProcess

from gear_vla_ros.nodes.recorder_node import CONTROL
from gear_vla_ros.recording.pictures import PictureStream
from gear_vla_ros.recording.reader import EpisodeReader
from gear_vla_ros.recording.sealing import complete_bytes, seal
from gear_vla_ros.recording.topics import picture_topics
from gear_vla_ros.ros import qos
from gear_vla_ros.ros.interface import Topic
from gear_vla_ros.ros.stamps import to_ns
from gear_vla_ros.ros.topics import CAMERA, JOINT_STATES
from gear_vla_ros.settings import load_robot
from gear_vla_ros.srv import ControlEpisode

SPEC = load_robot("franka")
HEAD = SPEC.cameras[0]
DESCRIPTION = Topic("/robot_description", String, qos.LATCHED, "the robot's URDF")
DIAGNOSTICS = Topic("/diagnostics", DiagnosticArray, qos.RESULT, "of every node")
JOINTS = SPEC.joint_states_topic
LIMIT_S = 20.0


def recorder(folder, **parameters):
    """The node as its own process, recording from the start."""
    values = {"robot": "franka", "folder": str(folder), "autostart": True, "reserve_mib": 0} | parameters
    return NodeProcess("recorder_node", **values)


class Robot(Peer):
    """Head camera and joints, with what was sent."""

    def __init__(self):
        super().__init__("recorder_node")
        self.pictures, self.joints, self.sent = [], [], 0
        self.diagnostics = self.hear(DIAGNOSTICS)

    def run(self):
        """Publish until `still`; returns when the recorder gets both, with what was sent before that forgotten."""
        self.every(0.05, self._picture)
        self.every(0.01, self._joints)
        self.until(lambda: all(self._rate(name) > 0 for name in (HEAD.topic, JOINTS)), "the recorder's rates")
        self.pictures.clear()
        self.joints.clear()

    def _rate(self, name):
        found = [pair.value for array in self.diagnostics[-3:] for status in array.status for pair in status.values
                 if status.name == "recorder_node" and pair.key == f"rate {name} [Hz]"]  # fmt: skip
        return float(found[-1]) if found else 0.0

    def _picture(self):
        pixels = np.full((120, 160, 3), len(self.pictures) % 256, np.uint8)
        message = image(pixels, HEAD.frame, encoding=HEAD.encoding)
        self.say(CAMERA, message, HEAD.topic)
        self.pictures.append((to_ns(message.header.stamp), pixels[0, 0, 0]))

    def _joints(self):
        self.sent += 1
        message = joint_state(SPEC, {"right": [0.01 * self.sent, *SPEC.arms[0].home[1:]]})
        self.say(JOINT_STATES, message, JOINTS)
        self.joints.append(message.position[0])


def read(folder):
    """The reader of the only episode, and its messages by topic."""
    reader = EpisodeReader(folder / "episode_0001")
    messages = {}
    for topic, _, message in reader.messages():
        messages.setdefault(topic, []).append(message)
    return reader, messages


def tail(found, wanted):
    """The last of what was found, as many as are wanted."""
    return found[-len(wanted) :]


def test_an_interrupted_episode_has_every_message(tmp_path):
    with recorder(tmp_path) as node, Robot() as robot:
        robot.say(DESCRIPTION, String(data="<robot/>"))
        robot.run()
        robot.until(lambda: len(robot.pictures) > 20 and len(robot.joints) > 100, "messages sent")
        robot.still()
        robot.spin(0.5)
        os.kill(node.pid, signal.SIGINT)
        assert node.wait_end(LIMIT_S) == 0
    reader, messages = read(tmp_path)
    assert reader.problem == ""
    assert reader.about["outcome"] == "interrupted"
    assert reader.about["dropped"] == "0"
    assert [message.data for message in messages["/robot_description"]] == ["<robot/>"]
    assert tail([message.position[0] for message in messages[JOINTS]], robot.joints) == robot.joints
    found = [(to_ns(m.header.stamp), m.data.reshape(m.height, m.step)[0, 0]) for m in messages[HEAD.topic]]
    assert tail(found, robot.pictures) == robot.pictures
    assert "joint1" in reader.attachments["robot.json"].decode()


@pytest.mark.parametrize("kind", ["jpeg", "h264"])
def test_compressed_pictures_have_all_stamps_and_the_last_is_there(tmp_path, kind):
    with recorder(tmp_path, pictures=kind) as node, Robot() as robot:
        robot.run()
        robot.until(lambda: len(robot.pictures) > 40, "pictures sent")
        robot.still()
        robot.spin(0.3)
        os.kill(node.pid, signal.SIGINT)
        assert node.wait_end(LIMIT_S) == 0
    reader = EpisodeReader(tmp_path / "episode_0001")
    stream, found = PictureStream(reader), []
    for raw in reader.raw({written for written in picture_topics(HEAD) if written != HEAD.topic}):
        stream.take(raw)
        found.append((stream.header()[0], stream.rgb().mean()))
    assert reader.about["dropped"] == "0"
    assert [stamp for stamp, _ in tail(found, robot.pictures)] == [stamp for stamp, _ in robot.pictures]
    for (_, grey), (_, sent) in zip(tail(found, robot.pictures), robot.pictures, strict=True):
        assert abs(grey - sent) < 3


def test_a_killed_recorder_leaves_a_file_that_sealing_repairs(tmp_path):
    with recorder(tmp_path) as node, Robot() as robot:
        robot.run()
        robot.until(lambda: len(robot.pictures) > 60 and len(robot.joints) > 300, "three seconds of messages")
        before = len(robot.joints)
        os.kill(node.pid, signal.SIGKILL)
        assert node.wait_end(LIMIT_S) == -signal.SIGKILL
    reader, messages = read(tmp_path)
    assert reader.problem
    survived = {message.position[0] for message in messages[JOINTS]}
    lost = [position for position in robot.joints[:before] if position not in survived]
    assert lost == robot.joints[before - len(lost) : before]
    assert len(lost) < 200
    whole = complete_bytes(reader.file)
    seal(reader.file)
    assert reader.file.stat().st_size >= whole
    repaired, again = read(tmp_path)
    assert repaired.problem == ""
    assert {topic: len(found) for topic, found in again.items()} == {t: len(found) for t, found in messages.items()}


def test_episodes_by_service(tmp_path):
    with recorder(tmp_path, autostart=False), Robot() as robot:
        started = robot.call(CONTROL, ControlEpisode.Request(command=0, instruction="pick up the red cube"))
        assert started.accepted, started.message
        twice = robot.call(CONTROL, ControlEpisode.Request(command=0))
        assert not twice.accepted
        assert "stop it first" in twice.message
        robot.run()
        robot.until(lambda: len(robot.joints) > 20, "messages sent")
        robot.still()
        robot.spin(0.3)
        ended = robot.call(CONTROL, ControlEpisode.Request(command=3))
        assert ended.accepted, ended.message
        assert not robot.call(CONTROL, ControlEpisode.Request(command=1)).accepted
    reader, messages = read(tmp_path)
    assert reader.about["outcome"] == "success"
    assert reader.about["instruction"] == "pick up the red cube"
    assert tail([message.position[0] for message in messages[JOINTS]], robot.joints) == robot.joints


@pytest.mark.parametrize(
    ("parameter", "value", "line"),
    [("queue_mib", 1, "queue_mib"), ("robot", "frank", "franka"), ("compression", "gzip", "lz4")],
)
def test_a_wrong_parameter_is_named_and_nothing_is_left(tmp_path, parameter, value, line):
    with recorder(tmp_path / "episodes", **{parameter: value}) as node:
        assert node.wait_end(LIMIT_S) == 2
    assert line in node.output()
    assert not (tmp_path / "episodes").exists()
