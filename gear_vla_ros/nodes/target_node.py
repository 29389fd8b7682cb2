"""The executor's side of the policy: timeline and safety at 30 Hz, in a process of its own with nothing slow in it."""

import sys
from typing import Any

from pydantic import Field

from gear_vla_ros.contracts import CartesianTarget
from gear_vla_ros.kinematics.guard import Guard
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.ros import convert
from gear_vla_ros.ros.clocks import RosClock
from gear_vla_ros.ros.gripper_outputs import GRIPPER_ACTION, GripperOutputs
from gear_vla_ros.ros.interface import Interface
from gear_vla_ros.ros.joint_states import JointStateReader
from gear_vla_ros.ros.node import GearNode, run
from gear_vla_ros.ros.operator_panel import HOLD_BOOL, HOLD_JOY, STOP_NOW, OperatorPanel
from gear_vla_ros.ros.parameters import RobotParams
from gear_vla_ros.ros.polling import Polled
from gear_vla_ros.ros.scheduling import ask_for_realtime
from gear_vla_ros.ros.ticks import Ticks
from gear_vla_ros.ros.topics import (
    CHUNK,
    EVENTS,
    GRIPPERS,
    INSTRUCTION,
    JOINT_STATES,
    RESET,
    STATUS,
    STOP,
    TARGET,
    TARGET_POSE,
)  # fmt: skip
from gear_vla_ros.runtime.follower import Follower
from gear_vla_ros.runtime.refused import Refused
from gear_vla_ros.settings import ArmSpec
from gear_vla_ros.settings.runtime import FollowingSpec

INTERFACE = Interface(
    publishes=(TARGET, TARGET_POSE, *GRIPPERS.values(), STATUS),
    subscribes=(JOINT_STATES, CHUNK, INSTRUCTION, STOP, EVENTS, HOLD_JOY, HOLD_BOOL),
    serves=(STOP_NOW, RESET),
    calls=(GRIPPER_ACTION,),
)
STATUS_HZ = 10.0
SWITCH_INTERVAL_S = 0.0005
"""Longest time that another thread may hold the interpreter while a tick is due."""


class Params(RobotParams, FollowingSpec):
    """Parameters of the target_node."""

    hold_to_run: bool = Field(
        default=True, description="move only while operator's button in the robot's YAML is pressed"
    )
    realtime_priority: int = Field(default=1, ge=0, le=99, description="SCHED_FIFO where granted; 0: do not ask")


class TargetNode(GearNode[Params]):
    """Everything runs in the executor's thread; joint states are read at the tick, so only chunks come in between."""

    def __init__(self) -> None:
        super().__init__("target_node", Params, INTERFACE)
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        self._model = RobotModel(self.robot)
        self._reader = JointStateReader(self.robot, self._model)
        self._clock_ns = RosClock(self)
        guard = Guard(self._model, self.robot.guard)
        self._follower = Follower(self.robot, self.params, self._clock_ns, guard, self.params.hold_to_run)
        self._joints = Polled(self, INTERFACE, JOINT_STATES, self.robot.joint_states_topic)
        self._targets, self._status = self.advertise(TARGET), self.advertise(STATUS)
        self._poses = {arm.name: self._pose_publishers(arm) for arm in self.robot.arms}
        self._grippers = GripperOutputs(self, [arm for arm in self.robot.arms if arm.command.interface == "pose"])
        self.listen(CHUNK, self._on_chunk)
        self.listen(INSTRUCTION, lambda message: self._follower.on_instruction(convert.instruction_from_msg(message)))
        OperatorPanel(self, self._follower, self.params.hold_to_run)
        hz = self.robot.rates.target_hz
        self._last_lines: dict[str, str] = {}
        self._ticks, self._ticks_a_status = 0, max(1, round(hz / STATUS_HZ))
        self._timer = Ticks(self, hz, self._on_tick)
        self.health.expect(TARGET.name, hz)
        self.health.set("scheduling", "real time" if ask_for_realtime(self.params.realtime_priority) else "ordinary")

    def _pose_publishers(self, arm: ArmSpec) -> list[Any]:
        names = {f"/{arm.name}/target_pose"} | ({arm.command.topic} if arm.command.interface == "pose" else set())
        return [self.advertise(TARGET_POSE, name) for name in sorted(names)]

    def _on_chunk(self, message: Any) -> None:
        chunk = convert.chunk_from_msg(message, self.robot)
        try:
            self._follower.on_chunk(chunk)
        except Refused as refused:
            self._last_lines[f"chunk_{refused.cause}"] = str(refused)
            self.health.refuse(f"chunk_{refused.cause}", str(refused))

    def _on_tick(self) -> None:
        self._read_state()
        target = self._follower.tick()
        if target is not None:
            self._publish(target)
        self._ticks += 1
        if self._ticks % self._ticks_a_status == 0:
            self._publish_status()

    def _read_state(self) -> None:
        self._joints.read(lambda message: self._follower.on_state(self._reader.read(message)), self.health)

    def _publish(self, target: CartesianTarget) -> None:
        message = convert.target_to_msg(target, self.robot)
        self._targets.publish(message)
        self.health.count(TARGET.name)
        for arm in message.arms:
            for publisher in self._poses[arm.arm]:
                publisher.publish(arm.pose)
            self._grippers.send(arm.arm, arm.gripper)

    def _publish_status(self) -> None:
        jitter_ms = self._timer.late_p99_ms
        self.health.set("tick jitter p99 [ms]", jitter_ms)
        message = convert.status_to_msg(self._follower.status(), self._clock_ns.now_ns(), jitter_ms)
        for fault in message.faults:
            fault.last = self._last_lines.get(fault.cause, "")
        self._status.publish(message)


def main() -> int:
    """Entry point."""
    return run(TargetNode)


if __name__ == "__main__":
    sys.exit(main())
