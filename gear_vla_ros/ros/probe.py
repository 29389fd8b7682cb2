"""Listens to a robot for some seconds without saying anything: what `gear-vla doctor` looks at."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import rclpy
from geometry_msgs.msg import Pose, PoseStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image, JointState
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import MarkerArray

from gear_vla_ros.ros import qos
from gear_vla_ros.ros.stamps import to_ns
from gear_vla_ros.settings import RobotSpec

DISCOVERY_S = 2.0
SCENE = "/sim/objects"


@dataclass
class Heard:
    """One topic. times_ns: of arrival, by the wall's clock or /clock; stamps_ns: of capture, where there is one."""

    type_name: str
    types_found: list[str] = field(default_factory=list)
    times_ns: list[int] = field(default_factory=list)
    stamps_ns: list[int] = field(default_factory=list)
    last: Any = None


@dataclass
class Snapshot:
    """What was heard in `seconds`, by topic; frames: parent and `parent_T_child` message of every child frame."""

    spec: RobotSpec
    seconds: float
    topics: dict[str, Heard] = field(default_factory=dict)
    frames: dict[str, tuple[str, Any]] = field(default_factory=dict)

    @property
    def simulated(self) -> bool:
        """Whether the cameras are the simulator's, which have their own size and rate."""
        return SCENE in self.topics and bool(self.topics[SCENE].times_ns)


def listen(spec: RobotSpec, seconds: float, sim_time: bool = False) -> Snapshot:
    """Hear all topics of the robot's YAML, and TF, for `seconds` after two of discovery.

    sim_time: the robot's clock is /clock, as Gazebo's.
    """
    snapshot = Snapshot(spec, seconds)
    rclpy.init()
    clock = [Parameter("use_sim_time", value=sim_time)]
    node, executor = Node("gear_vla_doctor", parameter_overrides=clock), SingleThreadedExecutor()
    try:
        executor.add_node(node)
        open_at = time.monotonic() + DISCOVERY_S

        def now_ns() -> int:
            return int(node.get_clock().now().nanoseconds) if time.monotonic() >= open_at else 0

        for topic, kind, profile in _wanted(spec):
            heard = snapshot.topics[topic] = Heard(_name(kind))
            node.create_subscription(kind, topic, _keep(heard, now_ns), profile)
        for topic, profile in (("/tf", qos.STATE), ("/tf_static", qos.LATCHED)):
            node.create_subscription(TFMessage, topic, _frames(snapshot), profile)
        while time.monotonic() < open_at + seconds:
            executor.spin_once(timeout_sec=0.05)
        found = dict(node.get_topic_names_and_types())
        for topic, heard in snapshot.topics.items():
            heard.types_found = found.get(topic, []) if node.count_publishers(topic) else []
    finally:
        executor.shutdown(timeout_sec=1.0)
        node.destroy_node()
        rclpy.try_shutdown()
    return snapshot


def _wanted(spec: RobotSpec) -> list[tuple[str, type[Any], QoSProfile]]:
    wanted: list[tuple[str, type[Any], QoSProfile]] = [(spec.joint_states_topic, JointState, qos.STATE)]
    for camera in spec.cameras:
        wanted += [(camera.topic, Image, qos.SENSOR), (camera.info_topic, CameraInfo, qos.STATE)]
    for arm in spec.arms:
        if arm.driver_pose is not None:
            wanted.append((arm.driver_pose.topic, PoseStamped if arm.driver_pose.stamped else Pose, qos.STATE))
    return [*wanted, (SCENE, MarkerArray, qos.STATE)]


def _keep(heard: Heard, now_ns: Callable[[], int]) -> Callable[[Any], None]:
    """now_ns: 0 while nothing is to be kept."""

    def keep(message: Any) -> None:
        if not (came_ns := now_ns()):
            return
        heard.times_ns.append(came_ns)
        if hasattr(message, "header"):
            heard.stamps_ns.append(to_ns(message.header.stamp))
        heard.last = message

    return keep


def _frames(snapshot: Snapshot) -> Callable[[TFMessage], None]:
    def keep(message: TFMessage) -> None:
        for one in message.transforms:
            snapshot.frames[one.child_frame_id] = (one.header.frame_id, one.transform)

    return keep


def _name(kind: type[Any]) -> str:
    return f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"
