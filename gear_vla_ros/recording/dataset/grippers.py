"""What each gripper was told to do, from the topics on which it was told."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.settings import ArmSpec, RobotSpec

TARGET = "/gear_vla/target"
MEASURED = "measured"
Kept = Mapping[str, Sequence[tuple[int, Any]]]


class Commands(NamedTuple):
    """Openings `[M]`, 0 closed to 1 open, in force from `times_ns` `[M]` on; source: topic, or `measured` for none."""

    source: str
    times_ns: NDArray[np.int64]
    openings: NDArray[np.float64]


def command_topics(robot: RobotSpec) -> set[str]:
    """Topics on which grippers may have been told what to do."""
    return {TARGET, *(_topic(arm) for arm in robot.arms)}


def _topic(arm: ArmSpec) -> str:
    """An action's name is no topic: nothing is found there, and the targets are taken."""
    return arm.gripper.topic or arm.command.topic


def commands(arm: ArmSpec, kept: Kept) -> Commands:
    """Of one arm: its controller's topic; without messages there, the stack's targets; else none.

    Controllers' messages carry no capture time; theirs is the time of publication.
    """
    topic = _topic(arm)
    for source, found in ((topic, _sent(arm, kept.get(topic, ()))), (TARGET, _targets(arm, kept.get(TARGET, ())))):
        pairs = sorted(found, key=lambda pair: pair[0])
        if pairs:
            times, openings = zip(*pairs, strict=True)
            return Commands(source, np.array(times, dtype=np.int64), np.array(openings, dtype=np.float64))
    return Commands(MEASURED, np.zeros(0, dtype=np.int64), np.zeros(0))


def _sent(arm: ArmSpec, messages: Sequence[tuple[int, Any]]) -> Iterator[tuple[int, float]]:
    """What is no set point of this gripper is passed over, as another client's message on the same topic."""
    for sent_ns, message in messages:
        position = _position(arm, message)
        if position is not None and np.isfinite(position):
            yield sent_ns, arm.gripper.opening_at(position)


def _position(arm: ArmSpec, message: Any) -> float | None:
    if hasattr(message, "data"):
        wanted = 1 if arm.gripper.topic is not None else len(arm.commanded_joints)
        return float(message.data[-1]) if len(message.data) == wanted else None
    if hasattr(message, "points"):
        if len(message.points) != 1:
            return None
        names, positions = list(message.joint_names), message.points[0].positions
    elif hasattr(message, "position"):
        names, positions = list(message.name), message.position
    else:
        return None
    with_arm = arm.gripper.kind == "with_arm"
    gripper = (arm.command.names or arm.commanded_joints)[-1] if with_arm else arm.gripper.joint
    known = gripper in names and len(names) == len(positions)
    return float(positions[names.index(gripper)]) if known else None


def _targets(arm: ArmSpec, messages: Sequence[tuple[int, Any]]) -> Iterator[tuple[int, float]]:
    for _, message in messages:
        stamp = message.header.stamp
        for target in message.arms:
            if target.arm == arm.name:
                yield stamp.sec * 1_000_000_000 + stamp.nanosec, min(max(float(target.gripper), 0.0), 1.0)
