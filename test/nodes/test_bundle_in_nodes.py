"""vlm_node and action_node on an exported bundle, each in its own process, slow and fast at their own rates."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from peer import Peer, image, joint_state
from support import NodeProcess

from gear_vla_ros.ros.interface import Service
from gear_vla_ros.ros.topics import CAMERA, CHUNK, JOINT_STATES, LATENTS
from gear_vla_ros.settings import load_robot

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "engines"))
from bundles import make

SPEC = load_robot("franka")
PIXELS = np.zeros((SPEC.sim.camera_height, SPEC.sim.camera_width, 3), np.uint8)
SLOW_HZ = 1.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make(tmp_path_factory.mktemp("bundle"), "autoregressive").folder


class Robot(Peer):
    """Joint states and cameras of a robot at home."""

    def __init__(self, under_test):
        super().__init__(under_test)
        self.latents, self.chunks = self.hear(LATENTS), self.hear(CHUNK)
        self.hear_diagnostics()

    def runs(self):
        self.every(0.01, lambda: self.say(JOINT_STATES, joint_state(SPEC), SPEC.joint_states_topic))
        self.every(1 / 15, self.see)

    def see(self):
        stamp_ns = self.now_ns()
        for camera in SPEC.cameras:
            self.say(CAMERA, image(PIXELS, camera.frame, stamp_ns), camera.topic)


def test_slow_and_fast_run_on_the_bundle_each_at_its_own_rate(folder):
    policy = {"robot": "franka", "policy": "gear_vla", "checkpoint": str(folder)}
    slow = NodeProcess("vlm_node", **policy, max_rate_hz=SLOW_HZ, instruction="pick up the red cube")
    with slow as vlm, NodeProcess("action_node", **policy) as action, Robot("action_node") as robot:
        robot.runs()
        robot.until(lambda: robot.chunks, "the first chunk", 60)
        latents, chunks = len(robot.latents), len(robot.chunks)
        robot.until(lambda: len(robot.latents) >= latents + 4, "four more latents")
        assert len(robot.chunks) - chunks > 1.4 * (len(robot.latents) - latents), "chunks wait for latents"
        robot.until(lambda: "onnxruntime" in robot.value("engine"), "the engine in /diagnostics")
        assert robot.value("engines refused") == "none"
        assert "engine: onnxruntime" in vlm.output() and "engine: onnxruntime" in action.output()
        latest = robot.chunks[-1]
        assert latest.model_id == robot.latents[-1].model_id and latest.model_id.startswith("gear_vla-tiny-")
        assert robot.latents[-1].latency_names == ["vision", "prefill", "latents"]


def test_a_node_refuses_a_harmed_bundle_in_one_line_and_stays_configurable(folder, tmp_path):
    harmed = shutil.copytree(folder, tmp_path / "harmed")
    whole = (harmed / "bundle.json").read_text()
    (harmed / "bundle.json").write_text(whole.replace('"format": 1', '"format": 9'))
    service = Service("/action_node/change_state", ChangeState, "lifecycle")
    node = NodeProcess("action_node", robot="franka", policy="gear_vla", checkpoint=str(harmed), autostart=False)
    with node as process, Peer("action_node") as peer:

        def configured():
            request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))
            return peer.call(service, request).success

        assert not configured()
        peer.until(lambda: "format 9, this version reads 1" in process.output(), "the reason in the log")
        (harmed / "bundle.json").write_text(whole)
        assert configured()


def test_a_node_falls_back_and_says_why(folder, tmp_path):
    harmed = shutil.copytree(folder, tmp_path / "harmed")
    (harmed / "expert.onnx").write_bytes(b"cut")
    node = NodeProcess("action_node", robot="franka", policy="gear_vla", checkpoint=str(harmed))
    with node, Robot("action_node") as robot:
        robot.until(lambda: "torch" in robot.value("engine"), "torch in /diagnostics", 60)
        assert "expert.onnx: 3 bytes, the manifest says" in robot.value("engines refused")
