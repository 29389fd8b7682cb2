"""Openings to the controllers of grippers that are not commanded with their arm."""

import functools
import time
from collections.abc import Callable, Iterable
from typing import Any

from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient
from rclpy.task import Future

from gear_vla_ros.ros.commands import gripper_message
from gear_vla_ros.ros.interface import Service, declared
from gear_vla_ros.ros.node import GearNode
from gear_vla_ros.ros.optional import GRIPPER_COMMAND
from gear_vla_ros.ros.topics import GRIPPERS
from gear_vla_ros.settings import ArmSpec

GRIPPER_ACTION = Service("<arms.gripper.topic>", GRIPPER_COMMAND.shown, "gripper of kind gripper_command")
STEP, PERIOD_S, ANSWER_S = 0.02, 0.1, 1.0
"""An action's goal is sent for this change of the opening, no more often, and its answer is waited for so long."""


class GripperOutputs:
    """For the executor's thread. Arms whose gripper is `with_arm` are left out."""

    def __init__(self, node: GearNode[Any], arms: Iterable[ArmSpec]) -> None:
        """Raises StartError when an action's package is not installed."""
        self._send: dict[str, Callable[[float], None]] = {}
        for arm in arms:
            if arm.gripper.kind == "gripper_command":
                self._send[arm.name] = GripperGoals(node, arm).send
            elif arm.gripper.message_topic is not None:
                publisher = node.advertise(GRIPPERS[arm.gripper.kind], arm.gripper.message_topic)
                self._send[arm.name] = functools.partial(_publish, publisher, arm)

    def send(self, arm: str, opening: float) -> None:
        """What the gripper of that arm is to be now, 0 closed to 1 open."""
        if arm in self._send:
            self._send[arm](opening)


def _publish(publisher: Any, arm: ArmSpec, opening: float) -> None:
    publisher.publish(gripper_message(arm.gripper, opening))


class GripperGoals:
    """`control_msgs/GripperCommand` from a stream of openings: one goal in question at a time, a newer one replaces the
    one that runs, as the controllers of this action do. A refusal, a missing server and an abort that is no stall are
    counted as `gripper_<arm>`; an object between the fingers stalls them, which is what grasping is."""

    def __init__(self, node: GearNode[Any], arm: ArmSpec, now_s: Callable[[], float] = time.monotonic) -> None:
        declared(GRIPPER_ACTION, node.interface.calls)
        self._type = GRIPPER_COMMAND.load(f"robot {node.robot.name}: arms.{arm.name}.gripper.kind gripper_command")
        self._node, self._arm, self._now_s = node, arm, now_s
        self._client = ActionClient(node, self._type, arm.gripper.topic)
        self._told: float | None = None
        self._asking: Future | None = None
        self._asked_s = float("-inf")

    def send(self, opening: float) -> None:
        """Send a goal, if this opening asks for one."""
        now_s = self._now_s()
        if self._asking is not None and now_s - self._asked_s > ANSWER_S:
            self._refuse(f"no answer of {self._arm.gripper.topic} to a goal within {ANSWER_S:g} s; asking again")
            self._asking, self._told = None, None
        if self._asking is not None or now_s - self._asked_s < PERIOD_S or not self._is_new(opening):
            return
        self._asked_s = now_s
        if not self._client.server_is_ready():
            self._refuse(f"no action server {self._arm.gripper.topic}; start the gripper's driver, or correct the YAML")
            return
        goal = self._type.Goal()
        goal.command.position = self._arm.gripper.position_of(opening)
        goal.command.max_effort = self._arm.gripper.max_effort or 0.0
        self._told = opening
        self._asking = self._client.send_goal_async(goal)
        self._asking.add_done_callback(self._on_answer)

    def _is_new(self, opening: float) -> bool:
        if self._told is None:
            return True
        return abs(opening - self._told) >= STEP or (opening in (0.0, 1.0) and opening != self._told)

    def _on_answer(self, answer: Future) -> None:
        if answer is not self._asking:
            return
        self._asking = None
        handle = answer.result()
        if handle is None or not handle.accepted:
            self._refuse(f"{self._arm.gripper.topic} refused an opening of {self._told:.2f}; asking again")
            self._told = None
            return
        self._node.health.count(f"gripper_{self._arm.name} goals")
        handle.get_result_async().add_done_callback(self._on_result)

    def _on_result(self, done: Future) -> None:
        ended = done.result()
        if ended is None or ended.status != GoalStatus.STATUS_ABORTED:
            return
        if ended.result.stalled:
            self._node.health.count(f"gripper_{self._arm.name} stalled")
        else:
            self._refuse(f"{self._arm.gripper.topic} gave up at position {ended.result.position:.4f}")

    def _refuse(self, line: str) -> None:
        self._node.health.refuse(f"gripper_{self._arm.name}", line)
