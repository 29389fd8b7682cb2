"""Joint commands as each robot's own controllers take them, both ways: what ik_node says and what sim_node obeys."""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from builtin_interfaces.msg import Duration
from numpy.typing import NDArray
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from gear_vla_ros.contracts import ContractError
from gear_vla_ros.settings import ArmSpec, GripperSpec, RobotSpec

Array = NDArray[np.float64]

TYPES: Mapping[str, type[Any]] = {
    "joint_trajectory": JointTrajectory,
    "joint_position": Float64MultiArray,
    "joint_state": JointState,
}
GRIPPER_TYPES: Mapping[str, type[Any]] = {"position_array": Float64MultiArray, "joint_state": JointState}


@dataclass(frozen=True)
class Command:
    """Set points of one arm. q: `[n]` rad, None when the message is for the gripper alone. opening: 0 to 1, or None."""

    q: Array | None
    opening: float | None


class CommandEncoder:
    """Messages for the controllers of all arms that are not of interface `pose`."""

    def __init__(self, spec: RobotSpec) -> None:
        self._arms = [arm for arm in spec.arms if arm.command.interface != "pose"]
        period_ns = round(1e9 / spec.rates.ik_hz)
        self._reach_in = Duration(sec=period_ns // 1_000_000_000, nanosec=period_ns % 1_000_000_000)

    def encode(self, q: Mapping[str, Array], opening: Mapping[str, float]) -> Iterator[tuple[str, Any]]:
        """(topic, message) pairs for joints [rad] and gripper openings (0 to 1) by arm."""
        for arm in self._arms:
            if arm.gripper.message_topic is not None:
                yield arm.gripper.message_topic, gripper_message(arm.gripper, opening[arm.name])
        yield from self.arms(q, opening)

    def arms(self, q: Mapping[str, Array], opening: Mapping[str, float]) -> Iterator[tuple[str, Any]]:
        """Those of the arms alone, with the grippers that are commanded with them."""
        for arm in self._arms:
            joints = q[arm.name].tolist()
            if arm.gripper.kind == "with_arm":
                joints = [*joints, arm.gripper.position_of(opening[arm.name])]
            yield arm.command.topic, self._arm(arm, list(arm.command.names or arm.commanded_joints), joints)

    def _arm(self, arm: ArmSpec, names: list[str], values: list[float]) -> Any:
        """A trajectory stamped zero begins when it is received (joint_trajectory_controller)."""
        if arm.command.interface == "joint_trajectory":
            point = JointTrajectoryPoint(positions=values, time_from_start=self._reach_in)
            return JointTrajectory(joint_names=names, points=[point])
        if arm.command.interface == "joint_state":
            effort = [] if arm.gripper.max_effort is None else [0.0] * len(arm.joints) + [arm.gripper.max_effort]
            return JointState(name=names, position=values, effort=effort if len(effort) == len(values) else [])
        return Float64MultiArray(data=values)


def gripper_message(gripper: GripperSpec, opening: float) -> Any:
    """What a gripper of kind `position_array` or `joint_state` takes, for an opening from 0 to 1."""
    position = gripper.position_of(opening)
    if gripper.kind == "position_array":
        return Float64MultiArray(data=[position])
    effort = [] if gripper.max_effort is None else [gripper.max_effort]
    return JointState(name=[gripper.joint], position=[position], effort=effort)


class CommandDecoder:
    """The other side: set points from messages, by topic."""

    def __init__(self, spec: RobotSpec) -> None:
        self._arms = {arm.command.topic: arm for arm in spec.arms if arm.command.interface != "pose"}
        self._grippers = {arm.gripper.message_topic: arm for arm in spec.arms if arm.gripper.message_topic is not None}

    @property
    def types(self) -> dict[str, type[Any]]:
        """Message type by topic."""
        arms = {topic: TYPES[arm.command.interface] for topic, arm in self._arms.items()}
        return {**arms, **{topic: GRIPPER_TYPES[arm.gripper.kind] for topic, arm in self._grippers.items()}}

    def subscriptions(self) -> list[tuple[str, type[Any], Callable[[Any], dict[str, Command]]]]:
        """(topic, message type, decoder) of every command topic of the robot."""
        return [(topic, kind, functools.partial(self.decode, topic)) for topic, kind in self.types.items()]

    def decode(self, topic: str, message: Any) -> dict[str, Command]:
        """Set points by arm name. Raises ContractError: other joints, other lengths, NaN."""
        if topic in self._grippers:
            arm = self._grippers[topic]
            values = _numbers(topic, _gripper_values(arm.gripper, topic, message), 1)
            return {arm.name: Command(None, arm.gripper.opening_at(values[0]))}
        arm = self._arms[topic]
        names, positions = _named(arm, topic, message)
        wanted = list(arm.command.names or arm.commanded_joints)
        if names is None:
            names = wanted
        if sorted(names) != sorted(wanted):
            raise ContractError(f"{topic}: joints {', '.join(names) or 'none'}, allowed {', '.join(wanted)}")
        values = _numbers(topic, positions, len(wanted))
        at = dict(zip(names, values.tolist(), strict=True))
        ordered = [at[name] for name in wanted]
        opening = None if arm.gripper.kind != "with_arm" else arm.gripper.opening_at(ordered[-1])
        return {arm.name: Command(np.array(ordered[: len(arm.joints)]), opening)}


def _gripper_values(gripper: GripperSpec, topic: str, message: Any) -> Any:
    if gripper.kind == "position_array":
        return message.data
    if list(message.name) != [gripper.joint]:
        raise ContractError(f"{topic}: joints {', '.join(message.name) or 'none'}, allowed {gripper.joint}")
    return message.position


def _named(arm: ArmSpec, topic: str, message: Any) -> tuple[list[str] | None, Any]:
    """Joint names, None where the message has none, and positions."""
    if arm.command.interface == "joint_position":
        return None, message.data
    if arm.command.interface == "joint_state":
        return list(message.name), message.position
    if len(message.points) != 1:
        raise ContractError(f"{topic}: {len(message.points)} points, allowed 1: the stack streams set points")
    return list(message.joint_names), message.points[0].positions


def _numbers(topic: str, values: Any, count: int) -> Array:
    numbers = np.array(values, dtype=np.float64)
    if len(numbers) != count:
        raise ContractError(f"{topic}: {len(numbers)} values, allowed {count}")
    if not np.isfinite(numbers).all():
        raise ContractError(f"{topic}: holds NaN or infinity, allowed are finite numbers")
    return numbers
