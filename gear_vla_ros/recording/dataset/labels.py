"""What a simulated episode knows beside its motion: the expert's chunks, what was followed, where the objects were.

`gear-vla sim collect` disturbs its episodes on purpose, or lets a learner drive. What was done is then not what is to
be learned; what the expert wanted from each state is, and is in its chunks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.geometry import se3
from gear_vla_ros.recording.dataset.grippers import TARGET
from gear_vla_ros.recording.dataset.resampling import NONE, Times, hold, interpolate
from gear_vla_ros.recording.errors import RecordingError
from gear_vla_ros.settings import RobotSpec

CHUNK, SCENE = "/gear_vla/chunk", "/sim/objects"
SAME_NS = 5_000_000
"""How far a chunk's stamp may be from the frame that it is the label of."""
STEPS = 30
MOST_OBJECTS = 4


@dataclass(frozen=True)
class Labels:
    """By frame: chunks `[N, K, A, 10]` float32 (xyz, rot6d, gripper), known `[N]` whether there is one; targets
    `[N, A, 10]` of the safety filter, in each arm's base frame; and objects' middles `[N, MOST_OBJECTS, 3]` in the
    world [m] and how they are turned there, quaternions x, y, z, w `[N, MOST_OBJECTS, 4]`, zero where there are fewer,
    with their names."""

    chunks: NDArray[np.float32]
    known: NDArray[np.bool_]
    targets: NDArray[np.float32]
    xyz: NDArray[np.float32]
    xyzw: NDArray[np.float32]
    names: tuple[str, ...]


def wanted(about: Mapping[str, str]) -> bool:
    """Whether an episode is to be learned from its chunks: it was disturbed on purpose, or might have been."""
    return "disturbances" in about


def labels_of(robot: RobotSpec, kept: Mapping[str, Sequence[tuple[int, Any]]], times_ns: Times) -> Labels:
    """Of the frames at `times_ns` `[N]`. Raises RecordingError when there is no chunk, target or object for them."""
    if lacking := [topic for topic in (CHUNK, TARGET, SCENE) if not kept[topic]]:
        raise RecordingError(f"disturbed on purpose, but nothing on {', '.join(lacking)}; collect it again")
    scenes = kept[SCENE]
    numbers, known = _chunks(robot, [message for _, message in kept[CHUNK]], times_ns)
    names = tuple(marker.ns for marker in scenes[0][1].markers)
    if len(names) > MOST_OBJECTS:
        raise RecordingError(f"{SCENE}: {len(names)} objects, at most {MOST_OBJECTS} are kept")
    at = np.maximum(hold(np.array([ns for ns, _ in scenes], dtype=np.int64), times_ns), 0)
    poses = np.zeros((len(times_ns), MOST_OBJECTS, 7), np.float32)
    told = np.array([[np.hstack(_pose(marker.pose)) for marker in message.markers] for _, message in scenes])
    poses[:, : len(names)] = told[at]
    targets = _targets(robot, [message for _, message in kept[TARGET]], times_ns)
    return Labels(numbers, known, targets, poses[..., :3], poses[..., 3:], names)


def _chunks(
    robot: RobotSpec, messages: Sequence[Any], times_ns: Times
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    stamps = _stamps(messages)
    order = np.argsort(stamps, kind="stable")
    at = hold(stamps[order], times_ns + SAME_NS)
    known = (at != NONE) & (np.abs(stamps[order][at] - times_ns) <= SAME_NS)
    numbers = np.zeros((len(times_ns), STEPS, len(robot.arms), 10), np.float32)
    for row in np.flatnonzero(known):
        numbers[row] = _numbers(robot, messages[order[at[row]]])
    return numbers, known


def _targets(robot: RobotSpec, messages: Sequence[Any], times_ns: Times) -> NDArray[np.float32]:
    """`[N, A, 10]`: poses between those of two ticks, fingers as of the tick before."""
    stamps, order = np.unique(_stamps(messages), return_index=True)
    between, _ = interpolate(stamps, times_ns, 0)
    held = np.maximum(hold(stamps, times_ns), 0)
    out = np.zeros((len(times_ns), len(robot.arms), 10), np.float32)
    for index, arm in enumerate(robot.arms):
        told = [_target_of(arm.name, messages[i]) for i in order]
        xyz, turns = zip(*(_pose(one.pose.pose) for one in told), strict=True)
        out[:, index, :9] = se3.to_xyz_rot6d(between.poses(se3.from_xyz_quat(np.array(xyz), np.array(turns))))
        out[:, index, 9] = np.clip([one.gripper for one in told], 0.0, 1.0)[held]
    return out


def _target_of(arm: str, message: Any) -> Any:
    for one in message.arms:
        if one.arm == arm:
            return one
    found = ", ".join(one.arm for one in message.arms) or "none"
    raise RecordingError(f"{TARGET}: arms {found}; allowed are those of the robot, {arm} is missing")


def _stamps(messages: Sequence[Any]) -> Times:
    return np.array([m.header.stamp.sec * 1_000_000_000 + m.header.stamp.nanosec for m in messages], dtype=np.int64)


def _numbers(robot: RobotSpec, message: Any) -> NDArray[np.float64]:
    """`[K, A, 10]`. Raises RecordingError for a chunk of other arms or another length."""
    arms = {arm.arm: arm for arm in message.arms}
    out = np.zeros((STEPS, len(robot.arms), 10))
    for index, spec in enumerate(robot.arms):
        if spec.name not in arms or len(arms[spec.name].gripper) != STEPS:
            raise RecordingError(f"{CHUNK}: arms {', '.join(arms)}; allowed are {STEPS} steps of {spec.name}")
        arm = arms[spec.name]
        xyz, turns = zip(*(_pose(pose) for pose in arm.anchor_t_tcp), strict=True)
        out[:, index, :9] = se3.to_xyz_rot6d(se3.from_xyz_quat(np.array(xyz), np.array(turns)))
        out[:, index, 9] = arm.gripper
    return out


def _pose(pose: Any) -> tuple[tuple[float, float, float], tuple[float, float, float, float]]:
    turn = pose.orientation
    return _point(pose), (turn.x, turn.y, turn.z, turn.w)


def _point(pose: Any) -> tuple[float, float, float]:
    return pose.position.x, pose.position.y, pose.position.z
