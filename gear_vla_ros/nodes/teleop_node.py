"""A person drives the arms: a device's motion as short chunks, which the target_node follows as any policy's."""

import sys
from typing import Any

from pydantic import Field

from gear_vla_ros.msg import EpisodeEvent
from gear_vla_ros.ros import convert
from gear_vla_ros.ros.clocks import RosClock
from gear_vla_ros.ros.interface import Interface
from gear_vla_ros.ros.node import GearNode, run
from gear_vla_ros.ros.parameters import RobotParams
from gear_vla_ros.ros.polling import Polled
from gear_vla_ros.ros.teleop_devices import DEVICE_TOPICS, DeviceInputs, mounting
from gear_vla_ros.ros.ticks import Ticks
from gear_vla_ros.ros.topics import CHUNK, EVENTS, INSTRUCTION, TARGET
from gear_vla_ros.runtime.teleop import Teleop
from gear_vla_ros.settings.teleop import Device

INTERFACE = Interface(publishes=(CHUNK, EVENTS), subscribes=(*DEVICE_TOPICS, TARGET, INSTRUCTION))
KINDS = {"takeover": EpisodeEvent.TAKEOVER, "release": EpisodeEvent.RELEASE}


class Params(RobotParams):
    """Parameters of the teleop_node."""

    device: Device = Field(default="joy", description="what the person has in hand")


class TeleopNode(GearNode[Params]):
    """Everything runs in the executor's thread. Silent until the clutch is pressed; targets are read from then on."""

    def __init__(self) -> None:
        super().__init__("teleop_node", Params, INTERFACE)
        device, arms = self.params.device, [arm.name for arm in self.robot.arms]
        self._clock_ns = RosClock(self)
        self._teleop = Teleop(self.robot, device, self._clock_ns, mounting(self.robot.teleop, device, arms))
        self._chunks, self._events = self.advertise(CHUNK), self.advertise(EVENTS)
        self._instruction_id = 0
        self._inputs = DeviceInputs(self, self.robot, device, self._teleop)
        self._targets = Polled(self, INTERFACE, TARGET)
        self.listen(INSTRUCTION, self._on_instruction)
        self._timer = Ticks(self, self.robot.rates.target_hz, self._on_tick)

    def _on_instruction(self, message: Any) -> None:
        self._instruction_id = convert.instruction_from_msg(message).id
        self._teleop.on_instruction(self._instruction_id)

    def _on_tick(self) -> None:
        if self._teleop.wants_target:
            self._read_target()
        step = self._teleop.tick()
        for cause, line in step.faults:
            self.health.refuse(cause, line)
        if step.event:
            self._tell(step.event, step.about)
        if step.chunk is not None:
            self._chunks.publish(convert.chunk_to_msg(step.chunk, self.robot))
            self.health.count(CHUNK.name)
        self.health.set("driving", ", ".join(self._teleop.driving) or "nothing")

    def _read_target(self) -> None:
        self._targets.read(
            lambda message: self._teleop.on_target(convert.target_from_msg(message, self.robot)), self.health
        )

    def _tell(self, event: str, about: str) -> None:
        message = EpisodeEvent(kind=KINDS[event], source=self._teleop.model_id, message=about)
        message.instruction_id = self._instruction_id
        message.header.stamp = self.get_clock().now().to_msg()
        self._events.publish(message)
        self.get_logger().info(f"{event}: {self._teleop.model_id}: {about}")


def main() -> int:
    """Entry point."""
    return run(TeleopNode)


if __name__ == "__main__":
    sys.exit(main())
