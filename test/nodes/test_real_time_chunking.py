"""Training-time real-time chunking in the action_node."""

import numpy as np
from support import NodeProcess
from test_action_node import Graph
from test_vlm_node import SPEC

from gear_vla_ros.ros import convert
from gear_vla_ros.runtime.track import Track


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
