"""Topics and services that pass between nodes, each declared once: name, type, QoS and what it carries."""

from collections.abc import Mapping

from geometry_msgs.msg import PoseStamped
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Bool, Float64MultiArray
from trajectory_msgs.msg import JointTrajectory
from visualization_msgs.msg import MarkerArray

from gear_vla_ros.action import ExecuteTask
from gear_vla_ros.msg import ActionChunk, CartesianTarget, EpisodeEvent, Instruction, LatentAction, PolicyStatus
from gear_vla_ros.ros import qos
from gear_vla_ros.ros.interface import Service, Topic
from gear_vla_ros.settings import CommandInterface
from gear_vla_ros.srv import Reset, SetInstruction

CAMERA = Topic("<cameras.topic>", Image, qos.SENSOR, "one camera, rgb8 or bgr8")
DRIVER_STATES = Topic("<arms.driver_states.topic>", JointState, qos.STATE, "joint states of one arm by its driver")
JOINT_STATES = Topic("<joint_states_topic>", JointState, qos.STATE, "measured joints of all arms and grippers")
SCENE = Topic("/sim/objects", MarkerArray, qos.STATE, "the simulator's ground truth, ns = object name")
INSTRUCTION = Topic("/gear_vla/instruction", Instruction, qos.LATCHED, "the instruction in force")
LATENTS = Topic("/gear_vla/latents", LatentAction, qos.RESULT, "latent action ids and their K/V cache")
CHUNK = Topic("/gear_vla/chunk", ActionChunk, qos.RESULT, "one second of motion")
TARGET = Topic("/gear_vla/target", CartesianTarget, qos.COMMAND, "where the tools are to be now, after safety")
TARGET_POSE = Topic("/<arm>/target_pose", PoseStamped, qos.COMMAND, "the target of one arm as a plain pose")
GRIPPER = Topic("<arms.gripper.topic>", Float64MultiArray, qos.COMMAND, "gripper of kind position_array, [m] or [rad]")
GRIPPER_STATE = Topic("<arms.gripper.topic>", JointState, qos.COMMAND, "gripper of kind joint_state, with its force")
GRIPPERS: Mapping[str, Topic] = {"position_array": GRIPPER, "joint_state": GRIPPER_STATE}
COMMANDS: Mapping[CommandInterface, Topic] = {
    "joint_trajectory": Topic("<arms.command.topic>", JointTrajectory, qos.COMMAND, "joint_trajectory arms"),
    "joint_position": Topic("<arms.command.topic>", Float64MultiArray, qos.COMMAND, "joint_position arms"),
    "joint_state": Topic("<arms.command.topic>", JointState, qos.COMMAND, "joint_state arms"),
}
STATUS = Topic("/gear_vla/status", PolicyStatus, qos.RESULT, "grade, causes and figures of the execution, 10 Hz")
STOP = Topic("/gear_vla/stop", Bool, qos.COMMAND, "true stops and latches until a reset")
EVENTS = Topic("/gear_vla/episode_events", EpisodeEvent, qos.RESULT, "success, failure, and who drives")

SET_INSTRUCTION = Service("/gear_vla/set_instruction", SetInstruction, "say what to do")
RESET = Service("/gear_vla/reset", Reset, "release a latched stop")
EXECUTE_TASK = Service("/gear_vla/execute_task", ExecuteTask, "follow one instruction until it is done")
