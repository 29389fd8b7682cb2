"""Labels of simulated episodes by another expert than the one that was recorded.

An expert without memory says what to do from where tools, fingers and objects are, and all of these are in the
episode. So an expert that has changed needs no new episodes: it is asked again at each state that has a label.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts import ArmState, Instruction, Observation, Policy, RobotState, SceneObject, ViewRole
from gear_vla_ros.geometry import se3
from gear_vla_ros.recording.dataset.labels import STEPS, Labels
from gear_vla_ros.recording.dataset.resampling import Times, hold
from gear_vla_ros.settings import RobotSpec

Array = NDArray[np.float64]
Expert = Callable[[RobotSpec], Policy]
_UNSEEN: dict[ViewRole, NDArray[np.uint8]] = {"head": np.zeros((1, 1, 3), np.uint8)}
"""The expert looks at no picture."""


class Frames(Protocol):
    """One arm by frame: `[N, 4, 4]`, `[N, n]` rad, and the fingers' opening `[N]`."""

    @property
    def base_T_tcp(self) -> Array: ...

    @property
    def q(self) -> Array: ...

    @property
    def opening(self) -> Array: ...


def relabel(
    labels: Labels,
    robot: RobotSpec,
    expert: Policy,
    arms: Mapping[str, Frames],
    tasks: Sequence[str],
    scenes: Sequence[tuple[int, Any]],
    times_ns: Times,
) -> Labels:
    """The same frames are known, with the chunks of `expert`. tasks, times_ns: by frame. scenes: recorded markers.

    Raises ValueError where the expert does not know the task or the object.
    """
    numbers = np.zeros_like(labels.chunks)
    at = np.maximum(hold(np.array([ns for ns, _ in scenes], dtype=np.int64), times_ns), 0)
    ids = {text: index + 1 for index, text in enumerate(dict.fromkeys(tasks))}
    for row in np.flatnonzero(labels.known):
        state = RobotState(int(times_ns[row]), {name: _state(frames, int(row)) for name, frames in arms.items()})
        instruction, scene = Instruction(ids[tasks[row]], tasks[row]), _scene(scenes[at[row]][1])
        chunk = expert.act(expert.think(Observation(state.stamp_ns, _UNSEEN, state, instruction, scene=scene)), state)
        for index, arm in enumerate(robot.arms):
            wanted = chunk.arms[arm.name]
            numbers[row, :, index, :9] = se3.to_xyz_rot6d(wanted.anchor_T_tcp[:STEPS])
            numbers[row, :, index, 9] = wanted.gripper[:STEPS]
    return dataclasses.replace(labels, chunks=numbers)


def _state(frames: Frames, row: int) -> ArmState:
    q = frames.q[row]
    return ArmState(frames.base_T_tcp[row], q, np.zeros_like(q), float(np.clip(frames.opening[row], 0.0, 1.0)))


def _scene(message: Any) -> dict[str, SceneObject]:
    return {marker.ns: _object(marker) for marker in message.markers}


def _object(marker: Any) -> SceneObject:
    place, turn, size = marker.pose.position, marker.pose.orientation, marker.scale
    xyz, quat = np.array([place.x, place.y, place.z]), np.array([turn.x, turn.y, turn.z, turn.w])
    return SceneObject(marker.ns, se3.from_xyz_quat(xyz, quat), np.array([size.x, size.y, size.z]), marker.text)
