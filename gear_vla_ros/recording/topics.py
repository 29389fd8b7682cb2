"""What is recorded of a robot: every topic of its YAML and of the stack, as a pure function."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gear_vla_ros.settings import CommandInterface, RobotSpec

COMMAND_TYPES: Mapping[CommandInterface, str] = {
    "pose": "geometry_msgs/msg/PoseStamped",
    "joint_trajectory": "trajectory_msgs/msg/JointTrajectory",
    "joint_position": "std_msgs/msg/Float64MultiArray",
    "joint_state": "sensor_msgs/msg/JointState",
}
GRIPPER_TYPES = {"position_array": "std_msgs/msg/Float64MultiArray", "joint_state": "sensor_msgs/msg/JointState"}
LATENTS, INSTRUCTION = "/gear_vla/latents", "/gear_vla/instruction"


@dataclass(frozen=True)
class RecordedTopic:
    """One topic, with what its publisher is expected to offer.

    depth: messages kept while the recorder is busy. latched: transient local; that many of its newest messages (one a
    publisher) are repeated at the start of every episode.
    """

    name: str
    type: str
    reliable: bool = True
    latched: int = 0
    depth: int = 200


def topics_of(robot: RobotSpec, latents: bool = True) -> tuple[RecordedTopic, ...]:
    """Topics of `robot` and of the stack, each name once. latents: with the K/V caches, up to megabytes a message."""
    named = {topic.name: topic for topic in (*_of_robot(robot), *_of_stack())}
    if not latents:
        named.pop(LATENTS)
    return tuple(named.values())


def _of_robot(robot: RobotSpec) -> Iterator[RecordedTopic]:
    for camera in robot.cameras:
        yield RecordedTopic(camera.topic, "sensor_msgs/msg/Image", reliable=False, depth=60)
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
