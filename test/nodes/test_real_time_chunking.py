"""Training-time real-time chunking in the action_node."""

import itertools

import numpy as np
from peer import joint_state
from support import NodeProcess
from test_action_node import Graph
from test_vlm_node import SPEC

from gear_vla_ros.contracts import ArmTarget, CartesianTarget, Grade
from gear_vla_ros.geometry import se3
from gear_vla_ros.ros import convert
from gear_vla_ros.ros.stamps import to_ns
from gear_vla_ros.ros.topics import JOINT_STATES, TARGET
from gear_vla_ros.runtime.track import Track

BELOW = np.array([0.0, 0.0, -0.05, 0.0, 0.0, 0.0])


class Follows:
    """Targets 5 cm below the newest chunk, as where it is followed more slowly than it is meant."""

    def __init__(self, graph):
        self.graph, self.sequence, self.track, self.heard = graph, 0, None, 0

    def __call__(self):
        if len(self.graph.chunks) > self.heard:
            self.heard = len(self.graph.chunks)
            self.track = Track(convert.chunk_from_msg(self.graph.chunks[-1], SPEC))
        if self.track is None:
            return
        chunk, now_ns = self.track.chunk, self.graph.now_ns()
        at = self.track.at(now_ns)["right"]
        arm = ArmTarget(se3.advance(at.base_T_tcp, BELOW), at.twist, at.gripper)
        self.sequence += 1
        told = CartesianTarget(now_ns, self.sequence, {"right": arm}, Grade.SLOW, chunk.stamp_ns, chunk.model_id)
        self.graph.say(TARGET, convert.target_to_msg(told, SPEC))


def test_with_rtc_a_chunk_begins_with_what_runs_while_it_is_made():
    with NodeProcess("action_node", robot="franka", policy="gear_vla", rtc=True), Graph("gear_vla") as graph:
        graph.robot_runs()
        graph.every(0.2, graph.think)
        graph.until(lambda: len(graph.chunks) >= 4, "chunks")
        first, second = (convert.chunk_from_msg(message, SPEC) for message in graph.chunks[2:4])
        track, arm = Track(first), second.arms["right"]
        errors = [
            np.abs(pose - track.at(second.stamp_ns + round((i + 1) / 30 * 1e9))["right"].base_T_tcp).max()
            for i, pose in enumerate(arm.base_T_tcp()[:2])
        ]
        assert max(errors) < 1e-4


def begins(chunks):
    """`[6]` by chunk that follows another before its end: from where that is to where it begins, in the base frame."""
    found = []
    for first, second in itertools.pairwise(convert.chunk_from_msg(message, SPEC) for message in chunks):
        then_ns = second.stamp_ns + round(1 / 30 * 1e9)
        if then_ns <= first.end_ns:
            at = Track(first).at(then_ns)["right"].base_T_tcp
            found.append(se3.difference(at, second.arms["right"].base_T_tcp()[0]))
    return found


def test_it_begins_where_the_targets_are():
    """When one that follows the last chunk came in time; otherwise where that chunk is."""
    with NodeProcess("action_node", robot="franka", policy="gear_vla", rtc=True), Graph("gear_vla") as graph:
        graph.robot_runs()
        graph.every(0.2, graph.think)
        graph.every(1 / 60, Follows(graph))
        graph.until(lambda: len(graph.chunks) >= 6, "chunks")
        found = begins(graph.chunks)[1:]
    below, same = ([np.allclose(apart, there, atol=2e-3) for apart in found] for there in (BELOW, 0.0))
    assert any(below) and all(np.logical_or(below, same)), found


def test_no_two_chunks_of_one_state():
    """Who follows a chunk names it by its stamp, that of its state; newer latents wait for a newer state."""
    with NodeProcess("action_node", robot="franka", policy="expert", rtc=True), Graph() as graph:
        graph.every(0.08, lambda: graph.say(JOINT_STATES, joint_state(SPEC), SPEC.joint_states_topic))
        graph.every(0.02, graph.think)
        graph.until(lambda: len(graph.chunks) >= 6, "chunks")
        graph.still()
        latents = graph.think()
        graph.robot_runs()
        graph.until(lambda: graph.after(latents), "a chunk of the newest latents")
        assert len({to_ns(chunk.header.stamp) for chunk in graph.chunks}) == len(graph.chunks)
