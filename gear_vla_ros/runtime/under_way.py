"""The part of the running chunk that goes on while the next one is made (training-time real-time chunking).

Black et al. 2025 (arXiv 2506.07339) freeze that part during inference; a network trained with random delays simply gets
it clean. Here it is counted by time, never by a step number, and moved to the new anchor as poses, translation and
rotation of a step together, so that it is the same motion in space. It begins where the targets are: the safety filter
may have been slower than the chunk.
"""

import math
from collections.abc import Mapping

import numpy as np

from gear_vla_ros.contracts import ActionChunk, ArmChunk, CartesianTarget, Grade, RobotState
from gear_vla_ros.geometry import se3
from gear_vla_ros.runtime.track import Array, Desired, Track


def followed_after_s(latency_s: float, target_hz: float) -> float:
    """How long after its state a chunk is followed at the latest: when it is there, at the next target."""
    return latency_s + 1.0 / target_hz


def steps_under_way(latency_s: float, rate_hz: float, most: int) -> int:
    """Steps due before a chunk that takes `latency_s` can be there, `most` at most."""
    return min(most, max(0, math.ceil(latency_s * rate_hz)))


def under_way(
    running: ActionChunk, state: RobotState, ahead_s: float, most: int, target: CartesianTarget | None = None
) -> Mapping[str, ArmChunk]:
    """The poses that `running` has for the first steps, due within `ahead_s`, of a chunk anchored at `state`, relative
    to its anchors; `most` steps at most. target: the newest; when it follows `running`, they are moved by how far
    it is from that at its time. One that holds, or still follows the chunk before, says nothing of it.

    Empty when the running chunk is of other arms, or when it ends before the first of these steps.
    """
    if set(running.arms) != set(state.arms):
        return {}
    steps = steps_under_way(ahead_s, running.rate_hz, most)
    times = [state.stamp_ns + round(i / running.rate_hz * 1e9) for i in range(1, steps + 1)]
    track = Track(running)
    wanted = [track.at(now_ns) for now_ns in times if running.stamp_ns <= now_ns <= running.end_ns]
    if not wanted:
        return {}
    apart = _apart(track, target)
    return {
        name: _seen_from(arm.base_T_tcp, [one[name] for one in wanted], apart[name]) for name, arm in state.arms.items()
    }


def _apart(track: Track, target: CartesianTarget | None) -> Mapping[str, Array]:
    """`[6]` by arm, from where the chunk wants the tool at the target's time to the target, in the base frame."""
    chunk = track.chunk
    if target is None or not _follows(target, chunk):
        return {name: np.zeros(6) for name in chunk.arms}
    then = track.at(target.stamp_ns)
    return {name: se3.difference(then[name].base_T_tcp, arm.base_T_tcp) for name, arm in target.arms.items()}


def _follows(target: CartesianTarget, chunk: ActionChunk) -> bool:
    within = chunk.stamp_ns <= target.stamp_ns <= chunk.end_ns
    return target.follows(chunk) and target.grade <= Grade.SLOW and within


def _seen_from(base_T_anchor: Array, wanted: list[Desired], apart: Array) -> ArmChunk:
    base_T_tcp = se3.advance(np.stack([one.base_T_tcp for one in wanted]), apart)
    return ArmChunk(base_T_anchor, se3.inverse(base_T_anchor) @ base_T_tcp, np.array([one.gripper for one in wanted]))
