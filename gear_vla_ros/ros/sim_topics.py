"""Topics and services that only a simulated robot has, or that its drivers would have beside the stack's own."""

from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from gear_vla_ros.ros import qos
from gear_vla_ros.ros.interface import Service, Topic
from gear_vla_ros.ros.running import StartError
from gear_vla_ros.ros.topics import COMMANDS, GRIPPERS
from gear_vla_ros.settings import RobotSpec
from gear_vla_ros.srv import Reset

CAMERA_INFO = Topic("<cameras.info_topic>", CameraInfo, qos.SENSOR, "intrinsics of the same picture")
TF = Topic("/tf", TFMessage, qos.RESULT, "all links of the robot")
DESCRIPTION = Topic("/robot_description", String, qos.LATCHED, "the robot's URDF")
CLOCK = Topic("/clock", Clock, qos.STATE, "simulated time, with publish_clock")
SIM_RESET = Service("/sim/reset", Reset, "arms at home, objects placed anew by the seed")


def command_topics(spec: RobotSpec) -> dict[str, Topic]:
    """Topics by name that command arms and grippers. Raises StartError for arms that take poses, grippers by action."""
    grippers = [arm.gripper for arm in spec.arms]
    topics = {one.message_topic: GRIPPERS[one.kind] for one in grippers if one.message_topic is not None}
    for arm in spec.arms:
        if arm.gripper.kind == "gripper_command":
            allowed = "allowed position_array, joint_state, with_arm"
            raise StartError(f"robot {spec.name}: arms.{arm.name}.gripper.kind: an action is not simulated; {allowed}")
        if arm.command.interface == "pose":
            raise StartError(f"robot {spec.name}: arms.{arm.name}.command.interface: 'pose' cannot be simulated yet")
        topics[arm.command.topic] = COMMANDS[arm.command.interface]
    return topics
