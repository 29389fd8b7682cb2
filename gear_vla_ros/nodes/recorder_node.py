"""Records every topic of the robot and of the stack into numbered rosbag2 MCAP episodes."""

import sys
from pathlib import Path
from typing import Any

from pydantic import Field
from rclpy.serialization import deserialize_message

from gear_vla_ros.msg import Instruction
from gear_vla_ros.recording.errors import RecordingError
from gear_vla_ros.recording.session import RecordingSession
from gear_vla_ros.recording.topics import INSTRUCTION, Pictures, RecordedTopic, recorded_as, topics_of
from gear_vla_ros.recording.writer import Compression, WriterOptions
from gear_vla_ros.ros.interface import Interface, Service
from gear_vla_ros.ros.node import GearNode, run
from gear_vla_ros.ros.parameters import RobotParams
from gear_vla_ros.ros.raw import RawSubscriptions
from gear_vla_ros.ros.running import StartError
from gear_vla_ros.srv import ControlEpisode

MIB = 2**20
TAKE_HZ = 50.0
Request = ControlEpisode.Request
OUTCOMES = {
    Request.STOP: "stopped",
    Request.DISCARD: "discarded",
    Request.SUCCESS: "success",
    Request.FAILURE: "failure",
}
CONTROL = Service("/gear_vla/control_episode", ControlEpisode, "start, stop, mark or discard an episode")
INTERFACE = Interface(serves=(CONTROL,))


class Params(RobotParams):
    """Parameters of the recorder_node."""

    folder: str = Field(default="episodes", description="folder of the numbered episodes; made if it is not there")
    autostart: bool = Field(default=False, description="begin an episode at start")
    latents: bool = Field(default=True, description="record the latents with their K/V caches too")
    compression: Compression = Field(default="none", description="of the MCAP chunks: none, lz4 or zstd")
    pictures: Pictures = Field(default="yaml", description="of all cameras; yaml: each as its `record.compression`")
    operator: str = Field(default="", description="operator's name, kept in the episodes' metadata")
    queue_mib: int = Field(default=256, ge=16, le=16384, description="memory for messages that wait for the disk [MiB]")
    reserve_mib: int = Field(default=256, ge=0, le=1048576, description="an episode ends when less is free [MiB]")


class RecorderNode(GearNode[Params]):
    """Everything runs in the executor's thread, except the writer's own."""

    def __init__(self) -> None:
        super().__init__("recorder_node", Params, INTERFACE)
        options = WriterOptions(self.params.compression, self.params.queue_mib * MIB, self.params.reserve_mib * MIB)
        self._instruction, self._told, self._bytes = "", "", 0
        self._raw = RawSubscriptions(self, self._on_message)
        robot = recorded_as(self.robot, self.params.pictures)
        topics = [topic for topic in topics_of(robot, self.params.latents) if self._subscribe(topic)]
        self._session = RecordingSession(Path(self.params.folder).expanduser(), robot, topics, options)
        self.serve(CONTROL, self._on_control)
        self.create_timer(1.0 / TAKE_HZ, self._raw.take)
        self.create_timer(1.0, self._on_second)
        if self.params.autostart:
            try:
                self._start(self.params.operator)
            except RecordingError as error:
                raise StartError(str(error)) from None

    def _subscribe(self, topic: RecordedTopic) -> bool:
        try:
            self._raw.add(topic)
        except LookupError as error:
            self.health.refuse("unknown_type", f"{topic.name} is not recorded: {error}")
            return False
        return True

    def _on_message(self, topic: RecordedTopic, received_ns: int, published_ns: int, data: bytes) -> None:
        self.health.count(topic.name)
        if topic.name == INSTRUCTION:
            self._instruction = deserialize_message(data, Instruction).text
        self._session.take(topic, received_ns, published_ns, data)

    def _on_control(self, request: Any, response: Any) -> Any:
        try:
            if request.command == Request.START:
                path = self._start(request.operator_name or self.params.operator, request.instruction)
                response.accepted, response.path = True, str(path)
            else:
                self._stop(request.command, response)
        except RecordingError as error:
            response.message = str(error)
            self.health.refuse("episode", str(error))
        return response

    def _start(self, operator: str, instruction: str = "") -> Path:
        self._bytes, self._told = 0, ""
        self._raw.take()
        now_ns = self.get_clock().now().nanoseconds
        path = self._session.start(now_ns, instruction or self._instruction, operator)
        self.get_logger().info(f"recording {path}")
        return path

    def _stop(self, command: int, response: Any) -> None:
        if command not in OUTCOMES:
            raise RecordingError(f"command {command}: allowed 0 START, 1 STOP, 2 DISCARD, 3 SUCCESS, 4 FAILURE")
        self._raw.take()
        writer = self._session.stop(OUTCOMES[command], self._instruction)
        if writer is None:
            raise RecordingError("no episode is being recorded, start one first")
        line = writer.error or f"{sum(writer.counts.values())} messages, {writer.dropped} dropped"
        response.accepted, response.path, response.message = not writer.error, str(writer.path), line
        self.get_logger().info(f"{OUTCOMES[command]}: {writer.path}: {line}")

    def _on_second(self) -> None:
        """What /diagnostics says, and topics whose publishers offer another QoS than expected."""
        for name in self._raw.adapt():
            self.get_logger().info(f"{name}: subscribed again with what its publishers offer")
        writer = self._session.writer
        self.health.set("episode", writer.path if writer else "none")
        self.health.set("GB free on the disk", self._session.free_bytes() / 1e9)
        if writer is None:
            return
        written, self._bytes = writer.accepted_bytes - self._bytes, writer.accepted_bytes
        self.health.set("MB recorded", self._bytes / 1e6)
        self.health.set("MB/s", written / 1e6)
        self.health.set("MB waiting for the disk", writer.waiting_bytes / 1e6)
        self.health.set("dropped", writer.dropped)
        self.health.set("error", writer.error)
        if (problem := writer.problem) and problem != self._told:
            self._told = problem
            self.get_logger().error(problem)
            self.health.refuse("recording", problem)

    def close(self) -> None:
        """End the episode properly, whatever ended the node."""
        self._raw.take()
        try:
            self._session.stop("interrupted", self._instruction)
        except RecordingError as error:
            self.get_logger().error(str(error))


def main() -> int:
    """Entry point."""
    return run(RecorderNode)


if __name__ == "__main__":
    sys.exit(main())
