"""What Gazebo (gz-sim 8 and later, ros_gz) needs of a robot: a URDF with its systems, and the bridge's arguments.

Not run yet: Gazebo cannot be installed on the project's test machines. Written against gz-sim's documentation of
JointTrajectoryController, JointStatePublisher and the camera sensor, and of ros_gz_bridge's
`topic@ros_type[gz_type` arguments. Grippers with an interface of their own are not driven: ros_gz_bridge has no pair
for std_msgs/Float64MultiArray.
"""

import math
from xml.etree import ElementTree

from gear_vla_ros.settings import ArmSpec, CameraSpec, RobotSpec

_OPTICAL_TO_SENSOR = "0 0 0 1.5707963 -1.5707963 0"
"""Gazebo's cameras look along x with z up; an optical frame (REP 103) looks along z with y down."""


def gazebo_urdf(spec: RobotSpec) -> str:
    """The robot's URDF with a camera sensor a camera, joint controllers and a joint state publisher.

    Raises ValueError when an arm does not take joint trajectories, the only interface that Gazebo offers here.
    """
    for arm in spec.arms:
        if arm.command.interface != "joint_trajectory":
            raise ValueError(
                f"robot {spec.name}: arms.{arm.name}.command.interface: found '{arm.command.interface}', "
                "Gazebo takes 'joint_trajectory'; use sim:=mujoco"
            )
    root = ElementTree.parse(spec.urdf_path()).getroot()
    root.extend([_camera(camera) for camera in spec.cameras])
    systems = ElementTree.SubElement(root, "gazebo")
    for arm in spec.arms:
        systems.append(_trajectory_controller(arm))
    publisher = _plugin("joint-state-publisher", "JointStatePublisher")
    ElementTree.SubElement(publisher, "topic").text = spec.joint_states_topic
    systems.append(publisher)
    return ElementTree.tostring(root, encoding="unicode")


def bridge_arguments(spec: RobotSpec) -> list[str]:
    """Arguments of ros_gz_bridge's parameter_bridge; `[` is Gazebo to ROS, `]` is ROS to Gazebo."""
    arguments = [
        "/clock@rosgraph_msgs/msg/Clock[gz.msgs.Clock",
        f"{spec.joint_states_topic}@sensor_msgs/msg/JointState[gz.msgs.Model",
    ]
    for camera in spec.cameras:
        arguments.append(f"{camera.topic}@sensor_msgs/msg/Image[gz.msgs.Image")
        arguments.append(f"{camera.info_topic}@sensor_msgs/msg/CameraInfo[gz.msgs.CameraInfo")
    for arm in spec.arms:
        arguments.append(f"{arm.command.topic}@trajectory_msgs/msg/JointTrajectory]gz.msgs.JointTrajectory")
    return arguments


def _plugin(file: str, system: str) -> ElementTree.Element:
    attributes = {"filename": f"gz-sim-{file}-system", "name": f"gz::sim::systems::{system}"}
    return ElementTree.Element("plugin", attributes)


def _trajectory_controller(arm: ArmSpec) -> ElementTree.Element:
    plugin = _plugin("joint-trajectory-controller", "JointTrajectoryController")
    ElementTree.SubElement(plugin, "topic").text = arm.command.topic
    for joint, home in zip(arm.joints, arm.home, strict=True):
        for key, value in (
            ("joint_name", joint),
            ("initial_position", str(home)),
            ("position_p_gain", "400"),
            ("position_d_gain", "20"),
        ):
            ElementTree.SubElement(plugin, key).text = value
    return plugin


def _camera(camera: CameraSpec) -> ElementTree.Element:
    gazebo = ElementTree.Element("gazebo", {"reference": camera.frame})
    sensor = ElementTree.SubElement(gazebo, "sensor", {"name": camera.role, "type": "camera"})
    optics = ElementTree.Element("camera", {"name": camera.role})
    image = ElementTree.Element("image")
    for parent, key, value in (
        (sensor, "pose", _OPTICAL_TO_SENSOR),
        (sensor, "topic", camera.topic),
        (sensor, "update_rate", str(camera.rate_hz)),
        (sensor, "gz_frame_id", camera.frame),
        (optics, "camera_info_topic", camera.info_topic),
        (optics, "horizontal_fov", f"{2 * math.atan(camera.width / (2 * camera.fx)):.6f}"),
        (image, "width", str(camera.width)),
        (image, "height", str(camera.height)),
        (image, "format", "R8G8B8"),
    ):
        ElementTree.SubElement(parent, key).text = value
    optics.append(image)
    sensor.append(optics)
    return gazebo
