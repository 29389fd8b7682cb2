"""What goes on while the policy makes the next chunk, for the seam `rtc`, from topics."""

from collections.abc import Mapping

from rclpy.node import Node

from gear_vla_ros.contracts import ActionChunk, ArmChunk, CartesianTarget, RobotState
from gear_vla_ros.ros import convert
from gear_vla_ros.ros.health import Health
from gear_vla_ros.ros.interface import Interface
from gear_vla_ros.ros.polling import Polled
from gear_vla_ros.ros.topics import TARGET
from gear_vla_ros.runtime.under_way import followed_after_s, under_way
from gear_vla_ros.settings import RobotSpec


class Ahead:
    """The first steps of the next chunk: those of the last one, from where the newest target is. For one thread.

    steps_max: most that are given.
    """

    def __init__(self, node: Node, interface: Interface, robot: RobotSpec, health: Health, steps_max: int) -> None:
        self._robot, self._health, self._most = robot, health, steps_max
        self._targets = Polled(node, interface, TARGET)
        self._target: CartesianTarget | None = None

    def steps(self, last: ActionChunk, state: RobotState, latency_s: float) -> Mapping[str, ArmChunk]:
        """Of a chunk anchored at `state` that can be there after `latency_s`, a tick later followed."""
        said = self._targets.read(lambda message: convert.target_from_msg(message, self._robot), self._health)
        self._target = said or self._target
        ahead_s = followed_after_s(latency_s, self._robot.rates.target_hz)
        found = under_way(last, state, ahead_s, self._most, self._target)
        self._health.set("steps under way", max((len(arm.gripper) for arm in found.values()), default=0))
        return found
