"""Joins the joint states of each arm's own driver into one message with the URDF's names."""

import functools
import sys
from typing import Any

from gear_vla_ros.ros.interface import Interface
from gear_vla_ros.ros.joining import JointStateJoiner
from gear_vla_ros.ros.node import GearNode, run
from gear_vla_ros.ros.parameters import RobotParams
from gear_vla_ros.ros.running import StartError
from gear_vla_ros.ros.topics import DRIVER_STATES, JOINT_STATES

INTERFACE = Interface(publishes=(JOINT_STATES,), subscribes=(DRIVER_STATES,))


class Params(RobotParams):
    """Parameters of the joint_state_node."""


class JointStateNode(GearNode[Params]):
    """Publishes when every arm has something new, so that one silent driver makes the whole robot's state stale."""

    def __init__(self) -> None:
        super().__init__("joint_state_node", Params, INTERFACE)
        try:
            self._joiner = JointStateJoiner(self.robot)
        except ValueError as error:
            raise StartError(str(error)) from None
        self._joined = self.advertise(JOINT_STATES, self.robot.joint_states_topic)
        self.health.expect(self.robot.joint_states_topic, self.robot.rates.joint_states_hz)
        for arm in self.robot.arms:
            if arm.driver_states is not None:
                self.listen(DRIVER_STATES, functools.partial(self._on_states, arm.name), arm.driver_states.topic)

    def _on_states(self, arm: str, message: Any) -> None:
        joined = self._joiner.take(arm, message)
        if joined is not None:
            self._joined.publish(joined)
            self.health.count(self.robot.joint_states_topic)


def main() -> int:
    """Entry point."""
    return run(JointStateNode)


if __name__ == "__main__":
    sys.exit(main())
