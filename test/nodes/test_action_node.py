import dataclasses

import numpy as np
import pytest
from peer import Peer, joint_state
from support import NodeProcess
from test_vlm_node import PIXELS, SPEC, TEXT, cube

from gear_vla_ros.contracts import ArmState, Instruction, Observation, RobotState
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.msg import EpisodeEvent
from gear_vla_ros.policies.registry import make_policy
from gear_vla_ros.ros import convert
from gear_vla_ros.ros.stamps import to_ns
from gear_vla_ros.ros.topics import CHUNK, EVENTS, INSTRUCTION, JOINT_STATES, LATENTS

HOME = np.array(SPEC.arms[0].home)


class Graph(Peer):
    """Robot at home, and a slow path in the test's own process."""

    def __init__(self, policy="expert"):
        super().__init__("action_node")
        self.policy = make_policy(policy, SPEC)
        self.policy.warm_up()
        self.base_T_tcp = RobotModel(SPEC).fk("right", HOME)
        self.chunks = self.hear(CHUNK)
        self.hear_diagnostics()
        self.instruct(1)

    def robot_runs(self, period_s=0.005):
        self.every(period_s, lambda: self.say(JOINT_STATES, joint_state(SPEC), SPEC.joint_states_topic))

    def instruct(self, number):
        self.say(INSTRUCTION, convert.instruction_to_msg(Instruction(number, TEXT), self.now_ns()))
        self.spin(0.1)

    def think(self, number=1, **changes):
        stamp_ns = changes.get("stamp_ns", self.now_ns())
        state = RobotState(stamp_ns, {"right": ArmState(self.base_T_tcp, HOME, np.zeros(len(HOME)), 1.0)})
        images = {camera.role: PIXELS for camera in SPEC.cameras}
        scene = {one.name: one for one in (cube("red", -0.1), cube("blue", 0.1))}
        latents = self.policy.think(Observation(stamp_ns, images, state, Instruction(number, TEXT), 0, scene))
        latents = dataclasses.replace(latents, **changes)
        self.say(LATENTS, convert.latents_to_msg(latents, SPEC))
        return latents

    def after(self, latents):
        return [chunk for chunk in self.chunks if chunk.latent_sequence == latents.sequence]


@pytest.fixture(scope="module")
def graph():
    with NodeProcess("action_node", robot="franka", policy="expert"), Graph() as made:
        yield made


def test_no_chunk_without_a_state(graph):
    graph.every(0.2, graph.think)
    graph.until(lambda: graph.refused().get("policy_refused"), "the refusal")
    assert graph.chunks == []
    graph.still()
    graph.robot_runs()
    graph.spin(0.5)


def test_latents_become_a_chunk_anchored_at_the_newest_state(graph):
    latents = graph.think()
    chunk = graph.until(lambda: graph.after(latents), "a chunk")[0]
    age_s = (to_ns(chunk.produced) - to_ns(chunk.header.stamp)) * 1e-9
    assert 0.0 < age_s < 0.5
    assert (chunk.instruction_id, chunk.model_id, chunk.rate_hz) == (1, latents.model_id, 30.0)
    position = chunk.arms[0].anchor.pose.position
    np.testing.assert_allclose([position.x, position.y, position.z], graph.base_T_tcp[:3, 3], atol=1e-9)


def test_the_same_latents_give_another_chunk_before_the_last_one_ends(graph):
    """No new latents: after about half a second the chunk is replaced, until the latents are too old."""
    latents = graph.think()
    graph.until(lambda: len(graph.after(latents)) >= 2, "a second chunk")
    first, second = graph.after(latents)[:2]
    assert 0.3 < (to_ns(second.header.stamp) - to_ns(first.header.stamp)) * 1e-9 < 1.0
    graph.spin(1.5)
    count = len(graph.chunks)
    graph.spin(0.5)
    assert len(graph.chunks) == count


def test_when_an_operator_gives_the_robot_back_there_is_a_chunk_at_once(graph):
    """Latents are good for a second and a chunk for half of one: without releases there are three."""
    release = EpisodeEvent(kind=EpisodeEvent.RELEASE, source="teleop/joy")
    graph.say(EVENTS, release)
    latents = graph.think()
    graph.every(0.1, lambda: graph.say(EVENTS, release))
    graph.until(lambda: len(graph.after(latents)) >= 4, "four chunks")
    graph.still()
    graph.robot_runs()


@pytest.mark.parametrize(
    ("cause", "changes"),
    [
        ("foreign_model", {"model_id": "another"}),
        ("other_instruction", {"instruction_id": 9}),
        ("stale_latents", {"stamp_ns": -3_000_000_000}),
        ("future_latents", {"stamp_ns": 3_000_000_000}),
    ],
)
def test_latents_that_do_not_fit_are_refused_and_counted(graph, cause, changes):
    if "stamp_ns" in changes:
        changes = {"stamp_ns": graph.now_ns() + changes["stamp_ns"]}
    before = graph.refused().get(cause, 0)
    latents = graph.think(**changes)
    graph.until(lambda: graph.refused().get(cause, 0) > before, cause)
    assert graph.after(latents) == []


def test_a_new_instruction_ends_the_use_of_older_latents(graph):
    latents = graph.think()
    graph.until(lambda: graph.after(latents), "a chunk")
    graph.instruct(2)
    count = len(graph.chunks)
    graph.spin(0.8)
    assert len(graph.chunks) == count
    newer = graph.think(2)
    graph.until(lambda: graph.after(newer), "a chunk")
