"""Training-time real-time chunking in the action_node."""

import itertools

import numpy as np
from support import NodeProcess
from test_action_node import Graph
from test_vlm_node import SPEC

from gear_vla_ros.contracts import ArmTarget, CartesianTarget, Grade
from gear_vla_ros.geometry import se3
from gear_vla_ros.ros import convert
from gear_vla_ros.ros.stamps import to_ns
from gear_vla_ros.ros.topics import TARGET
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
        source = chunk.stamp_ns, chunk.sequence, chunk.model_id
        told = CartesianTarget(now_ns, self.sequence, {"right": arm}, Grade.SLOW, *source)
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


def begun(count, state_period_s, latents_period_s):
    """That many chunks, with targets 5 cm below them, and which of them begin there; others where the last one is."""
    with NodeProcess("action_node", robot="franka", policy="gear_vla", rtc=True), Graph("gear_vla") as graph:
        graph.robot_runs(state_period_s)
        graph.every(latents_period_s, graph.think)
        graph.every(1 / 60, Follows(graph))
        graph.until(lambda: len(graph.chunks) >= count, "chunks")
        found = begins(graph.chunks)[1:]
    below, same = ([np.allclose(apart, there, atol=2e-3) for apart in found] for there in (BELOW, 0.0))
    assert all(np.logical_or(below, same)), found
    return graph.chunks, below


def test_it_begins_where_the_targets_are():
    """When one that follows the last chunk came in time; otherwise where that chunk is."""
    _, below = begun(6, 0.005, 0.2)
    assert any(below)


def test_a_target_says_which_of_two_chunks_of_one_state_it_follows():
    """Where states come more seldom than latents; a target of another chunk would be 5 cm off."""
    chunks, _ = begun(20, 0.08, 0.02)
    stamps = [to_ns(chunk.header.stamp) for chunk in chunks]
    assert len(set(stamps)) < len(stamps)
