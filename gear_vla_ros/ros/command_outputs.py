"""Joints and openings to the controllers of the arms that take no poses."""

from collections.abc import Mapping
from typing import Any

from gear_vla_ros.ros.commands import Array, CommandEncoder
from gear_vla_ros.ros.gripper_outputs import GRIPPER_ACTION, GripperOutputs
from gear_vla_ros.ros.node import GearNode
from gear_vla_ros.ros.topics import COMMANDS, GRIPPERS

OUTPUTS = (*COMMANDS.values(), *GRIPPERS.values())
ACTIONS = (GRIPPER_ACTION,)


class CommandOutputs:
    """For the executor's thread."""

    def __init__(self, node: GearNode[Any]) -> None:
        """Raises StartError when the package of a gripper's action is not installed."""
        arms = [arm for arm in node.robot.arms if arm.command.interface != "pose"]
        self._encoder, self._grippers = CommandEncoder(node.robot), GripperOutputs(node, arms)
        self._commands = {
            arm.command.topic: node.advertise(COMMANDS[arm.command.interface], arm.command.topic) for arm in arms
        }

    def send(self, q: Mapping[str, Array], openings: Mapping[str, float], grippers_too: bool) -> None:
        """Joints [rad] and openings (0 to 1) by arm. grippers_too: also to grippers that are commanded on their own."""
        for topic, message in self._encoder.arms(q, openings):
            self._commands[topic].publish(message)
        if grippers_too:
            for arm, opening in openings.items():
                self._grippers.send(arm, opening)
