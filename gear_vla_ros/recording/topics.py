"""What is recorded of a robot: every topic of its YAML and of the stack, as a pure function."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from gear_vla_ros.settings import CameraSpec, CommandInterface, RobotSpec
from gear_vla_ros.settings.recording import PictureCompression, RecordSpec

COMMAND_TYPES: Mapping[CommandInterface, str] = {
    "pose": "geometry_msgs/msg/PoseStamped",
    "joint_trajectory": "trajectory_msgs/msg/JointTrajectory",
    "joint_position": "std_msgs/msg/Float64MultiArray",
    "joint_state": "sensor_msgs/msg/JointState",
}
GRIPPER_TYPES = {"position_array": "std_msgs/msg/Float64MultiArray", "joint_state": "sensor_msgs/msg/JointState"}
LATENTS, INSTRUCTION = "/gear_vla/latents", "/gear_vla/instruction"
IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
Pictures = Literal["yaml", PictureCompression]
VIDEO = "foxglove_msgs/msg/CompressedVideo"


@dataclass(frozen=True)
class RecordedTopic:
    """One topic, with what its publisher is expected to offer.

    depth: messages kept while the recorder is busy. latched: transient local; that many of its newest messages (one a
    publisher) are repeated at the start of every episode. compress: how pictures are compressed for the file.
    """

    name: str
    type: str
    reliable: bool = True
    latched: int = 0
    depth: int = 200
    compress: RecordSpec | None = None

    @property
    def written(self) -> "RecordedTopic":
        """The topic as it is in the file."""
        if self.compress is None:
            return self
        suffix, kind = ("foxglove", VIDEO) if self.compress.compression == "h264" else ("compressed", COMPRESSED)
        return replace(self, name=f"{self.name}/{suffix}", type=kind, compress=None)


def recorded_as(robot: RobotSpec, compression: Pictures) -> RobotSpec:
    """The robot with all its cameras recorded so; yaml: as its own YAML says."""
    if compression == "yaml":
        return robot
    cameras = [
        camera.model_copy(update={"record": camera.record.model_copy(update={"compression": compression})})
        for camera in robot.cameras
    ]
    return robot.model_copy(update={"cameras": tuple(cameras)})


def picture_topics(camera: CameraSpec) -> dict[str, str]:
    """Types by topic that a camera's pictures may be recorded on: raw, and those of image_transport's plugins."""
    return {camera.topic: IMAGE, f"{camera.topic}/compressed": COMPRESSED, f"{camera.topic}/foxglove": VIDEO}


def topics_of(robot: RobotSpec, latents: bool = True, drivers: bool = True) -> tuple[RecordedTopic, ...]:
    """Topics of `robot` and of the stack, each name once.

    latents: with the K/V caches, up to megabytes a message. drivers: false where nothing but raw pictures is published.
    """
    named = {topic.name: topic for topic in (*_of_robot(robot, drivers), *_of_stack())}
    if not latents:
        named.pop(LATENTS)
    return tuple(named.values())


def _of_camera(camera: CameraSpec, drivers: bool) -> RecordedTopic:
    kind = camera.record.compression
    if kind == "driver" and drivers:
        return RecordedTopic(f"{camera.topic}/compressed", COMPRESSED, reliable=False, depth=60)
    compress = camera.record if kind not in ("none", "driver") else None
    return RecordedTopic(camera.topic, IMAGE, reliable=False, depth=60, compress=compress)


def _of_robot(robot: RobotSpec, drivers: bool) -> Iterator[RecordedTopic]:
    for camera in robot.cameras:
        yield _of_camera(camera, drivers)
        yield RecordedTopic(camera.info_topic, "sensor_msgs/msg/CameraInfo", reliable=False)
    yield RecordedTopic(robot.joint_states_topic, "sensor_msgs/msg/JointState", reliable=False, depth=1000)
    for arm in robot.arms:
        yield RecordedTopic(f"/{arm.name}/target_pose", "geometry_msgs/msg/PoseStamped")
        yield RecordedTopic(arm.command.topic, COMMAND_TYPES[arm.command.interface])
        if arm.gripper.message_topic is not None:
            yield RecordedTopic(arm.gripper.message_topic, GRIPPER_TYPES[arm.gripper.kind])


def _of_stack() -> Iterator[RecordedTopic]:
    yield RecordedTopic("/tf", "tf2_msgs/msg/TFMessage", depth=1000)
    yield RecordedTopic("/tf_static", "tf2_msgs/msg/TFMessage", latched=50)
    yield RecordedTopic("/robot_description", "std_msgs/msg/String", latched=1)
    yield RecordedTopic("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray")
    yield RecordedTopic(LATENTS, "gear_vla_ros/msg/LatentAction", depth=20)
    yield RecordedTopic("/gear_vla/chunk", "gear_vla_ros/msg/ActionChunk")
    yield RecordedTopic("/gear_vla/target", "gear_vla_ros/msg/CartesianTarget")
    yield RecordedTopic("/gear_vla/status", "gear_vla_ros/msg/PolicyStatus")
    yield RecordedTopic(INSTRUCTION, "gear_vla_ros/msg/Instruction", latched=1)
    yield RecordedTopic("/gear_vla/episode_events", "gear_vla_ros/msg/EpisodeEvent")
    yield RecordedTopic("/sim/objects", "visualization_msgs/msg/MarkerArray", reliable=False)
