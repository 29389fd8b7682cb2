"""What a simulated episode knows beside its motion: the expert's own chunks, and where the objects were.

`gear-vla sim collect` disturbs its episodes on purpose. What was done is then not what is to be learned; what the
expert wanted from each state is, and is in its chunks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.geometry import se3
from gear_vla_ros.recording.dataset.resampling import NONE, Times, hold
from gear_vla_ros.recording.errors import RecordingError
from gear_vla_ros.settings import RobotSpec

CHUNK, SCENE = "/gear_vla/chunk", "/sim/objects"
SAME_NS = 5_000_000
"""How far a chunk's stamp may be from the frame that it is the label of."""
STEPS = 30
MOST_OBJECTS = 4


@dataclass(frozen=True)
class Labels:
    """By frame: chunks `[N, K, A, 10]` float32 (xyz, rot6d, gripper), known `[N]` whether there is one; and objects'
    middles `[N, MOST_OBJECTS, 3]` in the world [m], zero where there are fewer, with their names."""

    chunks: NDArray[np.float32]
    known: NDArray[np.bool_]
    xyz: NDArray[np.float32]
    names: tuple[str, ...]


def wanted(about: Mapping[str, str]) -> bool:
    """Whether an episode is to be learned from its chunks: it was disturbed on purpose, or might have been."""
    return "disturbances" in about


def labels_of(
    robot: RobotSpec, chunks: Sequence[tuple[int, Any]], scenes: Sequence[tuple[int, Any]], times_ns: Times
) -> Labels:
    """Of the frames at `times_ns` `[N]`. Raises RecordingError when there is no chunk or no object for them."""
    if not chunks or not scenes:
        raise RecordingError(f"disturbed on purpose, but nothing on {SCENE if chunks else CHUNK}; collect it again")
    numbers, known = _chunks(robot, [message for _, message in chunks], times_ns)
    names = tuple(marker.ns for marker in scenes[0][1].markers)
    if len(names) > MOST_OBJECTS:
        raise RecordingError(f"{SCENE}: {len(names)} objects, at most {MOST_OBJECTS} are kept")
    at = np.maximum(hold(np.array([ns for ns, _ in scenes], dtype=np.int64), times_ns), 0)
    xyz = np.zeros((len(times_ns), MOST_OBJECTS, 3), np.float32)
    places = np.array([[_point(marker.pose) for marker in message.markers] for _, message in scenes])
    xyz[:, : len(names)] = places[at]
    return Labels(numbers, known, xyz, names)


def _chunks(
    robot: RobotSpec, messages: Sequence[Any], times_ns: Times
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    stamps = np.array([m.header.stamp.sec * 1_000_000_000 + m.header.stamp.nanosec for m in messages], dtype=np.int64)
    order = np.argsort(stamps, kind="stable")
    at = hold(stamps[order], times_ns + SAME_NS)
    known = (at != NONE) & (np.abs(stamps[order][at] - times_ns) <= SAME_NS)
    numbers = np.zeros((len(times_ns), STEPS, len(robot.arms), 10), np.float32)
    for row in np.flatnonzero(known):
        numbers[row] = _numbers(robot, messages[order[at[row]]])
    return numbers, known


def _numbers(robot: RobotSpec, message: Any) -> NDArray[np.float64]:
    """`[K, A, 10]`. Raises RecordingError for a chunk of other arms or another length."""
    arms = {arm.arm: arm for arm in message.arms}
    out = np.zeros((STEPS, len(robot.arms), 10))
    for index, spec in enumerate(robot.arms):
        if spec.name not in arms or len(arms[spec.name].gripper) != STEPS:
            raise RecordingError(f"{CHUNK}: arms {', '.join(arms)}; allowed are {STEPS} steps of {spec.name}")
        arm = arms[spec.name]
        xyz = np.array([_point(pose) for pose in arm.anchor_t_tcp])
        turns = [(pose.orientation.x, pose.orientation.y, pose.orientation.z, pose.orientation.w)
                 for pose in arm.anchor_t_tcp]  # fmt: skip
        out[:, index, :9] = se3.to_xyz_rot6d(se3.from_xyz_quat(xyz, np.array(turns)))
        out[:, index, 9] = arm.gripper
    return out


def _point(pose: Any) -> tuple[float, float, float]:
    return pose.position.x, pose.position.y, pose.position.z
