"""`gear-vla record` in a terminal, with a recorder_node that runs or one of its own."""

import numpy as np
import pytest
from peer import Peer, image, joint_state
from pseudo_terminal import PseudoTerminal
from support import NodeProcess

from gear_vla_ros.recording.reader import EpisodeReader
from gear_vla_ros.ros.topics import CAMERA, JOINT_STATES
from gear_vla_ros.settings import load_robot

SPEC = load_robot("franka")
HEAD = SPEC.cameras[0]
PIXELS = np.zeros((48, 64, 3), np.uint8)


class Robot(Peer):
    """Head camera and joints."""

    def __init__(self):
        super().__init__("recorder_node")
        self.every(0.05, lambda: self.say(CAMERA, image(PIXELS, HEAD.frame), HEAD.topic))
        self.every(0.01, lambda: self.say(JOINT_STATES, joint_state(SPEC), SPEC.joint_states_topic))


def turn(robot):
    return lambda: robot.spin(0.05)


def about(folder):
    reader = EpisodeReader(folder)
    counts = {}
    for raw in reader.raw():
        counts[raw.topic] = counts.get(raw.topic, 0) + 1
    return reader.about, counts


@pytest.mark.parametrize("running", [True, False], ids=["with the node that runs", "with its own node"])
def test_episodes_are_started_marked_and_discarded_by_keys(tmp_path, running):
    command = ["record", "--robot", "franka", "--operator", "Kim", "--instruction", "fold the towel"]
    if not running:
        command += ["--folder", str(tmp_path)]
    node = NodeProcess("recorder_node", robot="franka", folder=str(tmp_path), reserve_mib=0)
    with node if running else NoNode(), PseudoTerminal(*command) as terminal, Robot() as robot:
        robot.until(lambda: (terminal.read(), "s start" in terminal.output)[1], "the help")
        terminal.type("y")
        terminal.shows("not success: no episode is being recorded, start one first", turn(robot))
        terminal.type("s")
        terminal.shows(f"recording {tmp_path}/episode_0001", turn(robot))
        terminal.shows("REC episode_0001", turn(robot))
        terminal.shows("0 dropped", turn(robot))
        terminal.shows("joint_states ", turn(robot))
        terminal.shows(" GB", turn(robot))
        terminal.type("q")
        terminal.shows("episode_0001 is being recorded: y, n, d or e first", turn(robot))
        terminal.type("y")
        terminal.shows(f"success: {tmp_path}/episode_0001", turn(robot))
        terminal.type("s")
        terminal.shows(f"recording {tmp_path}/episode_0002", turn(robot))
        terminal.type("d")
        terminal.shows(f"discarded: {tmp_path}/episode_0002", turn(robot))
        terminal.shows("not recording", turn(robot))
        terminal.type("q")
        assert terminal.wait_end() == 0
        assert "Traceback" not in terminal.output
    first, counts = about(tmp_path / "episode_0001")
    assert (first["outcome"], first["operator"], first["instruction"]) == ("success", "Kim", "fold the towel")
    assert counts[SPEC.joint_states_topic] > 10 and counts[HEAD.topic] > 2
    assert about(tmp_path / "episode_0002")[0]["outcome"] == "discarded"


def test_ctrl_c_closes_the_episode_of_its_own_node(tmp_path):
    with PseudoTerminal("record", "--robot", "franka", "--folder", str(tmp_path)) as terminal, Robot() as robot:
        robot.until(lambda: (terminal.read(), "s start" in terminal.output)[1], "the help", 30.0)
        terminal.type("s")
        terminal.shows("REC episode_0001", turn(robot))
        terminal.type("\x03")
        assert terminal.wait_end() == 0
    assert about(tmp_path / "episode_0001")[0]["outcome"] == "interrupted"


class NoNode:
    """No node is started."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass
