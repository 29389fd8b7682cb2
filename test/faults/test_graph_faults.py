"""Faults of cameras and of the policy's nodes in the whole graph, while the arm reaches for a cube."""

import contextlib
import itertools
import os
import signal

import numpy as np
import pytest
import yaml
from aftermath import Aftermath
from peer import Peer
from support import NodeProcess

from gear_vla_ros.contracts import Grade
from gear_vla_ros.ros import convert
from gear_vla_ros.ros.sim_topics import SIM_RESET
from gear_vla_ros.ros.topics import CAMERA, SET_INSTRUCTION, STATUS, TARGET
from gear_vla_ros.settings import load_robot
from gear_vla_ros.srv import Reset, SetInstruction

SPEC = load_robot("franka")
HEAD = SPEC.cameras[0]
RELAYED = "/relayed/image_raw"
POLICY = {"policy": "expert", "use_scene": True}
SEEDS = itertools.count(1)


class Graph(Peer):
    """The head camera reaches the vlm_node through here."""

    def __init__(self):
        super().__init__("vlm_node")
        self.targets, self.status = self.hear(TARGET), self.hear(STATUS)
        self.hear_diagnostics()
        self.pictures, self.relay = self.hear(CAMERA, HEAD.topic), "pass"
        self.every(1 / SPEC.sim.camera_rate_hz, self._relay)

    def _relay(self):
        if self.pictures and self.relay != "drop":
            if self.relay == "pass":
                del self.pictures[:-1]
            self.say(CAMERA, self.pictures[0], RELAYED)

    def reaches(self):
        """A new scene and a new instruction; the arm is on its way."""
        self.relay = "pass"
        assert self.call(SIM_RESET, Reset.Request(seed=next(SEEDS))).accepted
        self.spin(0.5)
        assert self.call(SET_INSTRUCTION, SetInstruction.Request(text="pick up the red cube")).accepted
        self.until(self.moves, "motion", 30.0)

    def moves(self):
        if not self.targets:
            return False
        target = convert.target_from_msg(self.targets[-1], SPEC)
        return target.grade == Grade.FULL and np.linalg.norm(target.arms["right"].twist[:3]) > 0.05

    def fault(self, name):
        return Aftermath(self, self.targets, SPEC, name)


@pytest.fixture(scope="module")
def robot(tmp_path_factory):
    data = SPEC.model_dump(mode="json")
    data["cameras"][0]["topic"] = RELAYED
    path = tmp_path_factory.mktemp("robot") / "relayed.yaml"
    path.write_text(yaml.safe_dump(data))
    return str(path)


@pytest.fixture(scope="module")
def body():
    with contextlib.ExitStack() as stack:
        for node in ("sim_node", "ik_node"):
            stack.enter_context(NodeProcess(node, robot="franka"))
        stack.enter_context(NodeProcess("target_node", robot="franka", hold_to_run=False))
        yield


@pytest.fixture
def vlm(body, robot):
    with NodeProcess("vlm_node", robot=robot, **POLICY) as process:
        yield process


@pytest.fixture
def action(body):
    with NodeProcess("action_node", robot="franka", policy="expert") as process:
        yield process


@pytest.fixture
def graph(vlm, action):
    with Graph() as made:
        made.reaches()
        yield made


@pytest.mark.parametrize(("relay", "fault"), [("drop", "head camera dropped"), ("freeze", "head camera frozen")])
def test_a_camera_fails(graph, relay, fault):
    graph.relay = relay
    if relay == "freeze":
        del graph.pictures[:-1]
    graph.fault(fault).until_it_stands()
    graph.reaches()


def killed(process):
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait_end(10.0) == -signal.SIGKILL


def test_the_vlm_node_dies_and_comes_back(graph, vlm, robot):
    after = graph.fault("vlm_node killed")
    killed(vlm)
    after.until_it_stands()
    with NodeProcess("vlm_node", robot=robot, **POLICY):
        graph.reaches()


def test_the_action_node_dies_and_comes_back(graph, action):
    after = graph.fault("action_node killed")
    killed(action)
    after.until_it_stands()
    with NodeProcess("action_node", robot="franka", policy="expert"):
        graph.reaches()
