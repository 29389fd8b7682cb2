"""Devices that drive arms: their messages, checked, to samples for `Teleop`."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped, Twist, TwistStamped
from numpy.typing import NDArray
from sensor_msgs.msg import JointState, Joy
from std_msgs.msg import Bool, Float64

from gear_vla_ros.contracts import ContractError
from gear_vla_ros.geometry import so3
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.ros import qos
from gear_vla_ros.ros.interface import Topic
from gear_vla_ros.ros.leader import LeaderReader
from gear_vla_ros.ros.node import GearNode
from gear_vla_ros.ros.operator_panel import pressed
from gear_vla_ros.ros.poses import pose_from_msg, twist_from_msg
from gear_vla_ros.ros.stamps import to_ns
from gear_vla_ros.runtime.gamepad import Gamepad
from gear_vla_ros.runtime.pilot import DevicePose, DeviceTwist, Sample
from gear_vla_ros.runtime.refused import Refused
from gear_vla_ros.runtime.teleop import Teleop
from gear_vla_ros.settings import RobotSpec
from gear_vla_ros.settings.operator import ButtonSpec
from gear_vla_ros.settings.teleop import ArmName, Device, TeleopSpec, TwistSpec

JOY = Topic("<teleop.joy.topic>", Joy, qos.STATE, "device joy: sticks, clutch and gripper buttons")
TWIST = Topic("<teleop.twist.topics>", TwistStamped, qos.STATE, "devices twist and keyboard: how fast the tool moves")
PLAIN_TWIST = Topic("<teleop.twist.topics>", Twist, qos.STATE, "device twist, with stamped: false")
POSE = Topic("<teleop.vr.topics>", PoseStamped, qos.STATE, "device vr: a hand's pose in a fixed frame")
LEADER = Topic("<teleop.leader.arms.topic>", JointState, qos.STATE, "device leader: joints of a leader arm")
CLUTCH_BOOL = Topic("<teleop.clutches.topic>", Bool, qos.STATE, "kind bool: true while the arm follows the device")
CLUTCH_JOY = Topic("<teleop.clutches.topic>", Joy, qos.STATE, "kind joy: the button is pressed meanwhile")
GRIPPER_BOOL = Topic("<teleop.twist.gripper_buttons.topic>", Bool, qos.STATE, "kind bool: opens and closes the gripper")
GRIPPER_JOY = Topic("<teleop.twist.gripper_buttons.topic>", Joy, qos.STATE, "kind joy: likewise, with a button")
OPENING = Topic("<teleop.grippers>", Float64, qos.STATE, "devices twist, keyboard, vr: 0 closed to 1 open")
DEVICE_TOPICS = (
    JOY, TWIST, PLAIN_TWIST, POSE, LEADER, CLUTCH_BOOL, CLUTCH_JOY, GRIPPER_BOOL, GRIPPER_JOY, OPENING,
)  # fmt: skip


def keyboard_spec(spec: TeleopSpec) -> TeleopSpec:
    """The keyboard's topics are the default ones, whatever other devices have."""
    return spec.model_copy(update={"twist": TwistSpec(), "clutches": {}, "grippers": {}})


def mounting(spec: TeleopSpec, device: Device, arms: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """`base_R_device` by arm."""
    rpy = np.array(spec.vr.base_rpy_device if device == "vr" else (0.0, 0.0, 0.0))
    return dict.fromkeys(arms, so3.from_rpy(rpy))


class DeviceInputs:
    """Subscriptions of one kind of device. For the executor's thread, as `Teleop`."""

    def __init__(self, node: GearNode[Any], robot: RobotSpec, device: Device, teleop: Teleop) -> None:
        self._node, self._robot, self._teleop = node, robot, teleop
        self._arrived_ns: dict[str, int] = {}
        self._gripper_pressed: dict[str, bool] = {}
        self._spec = keyboard_spec(robot.teleop) if device == "keyboard" else robot.teleop
        if device == "joy":
            self._pad = Gamepad(self._spec, [arm.name for arm in robot.arms])
            node.listen(JOY, self._on_joy, self._spec.joy.topic)
            return
        for arm in robot.arms:
            self._listen_clutch(arm.name, self._spec.clutch(arm.name))
            if device == "leader":
                reader = LeaderReader(robot, arm.name, RobotModel(robot))
                take = functools.partial(self._on_leader, arm.name, reader)
                node.listen(LEADER, take, self._spec.leader.topic(arm.name))
                continue
            node.listen(OPENING, functools.partial(self._on_opening, arm.name), self._spec.gripper(arm.name))
            if device == "vr":
                node.listen(POSE, functools.partial(self._on_pose, arm.name), self._spec.vr.topic(arm.name))
            else:
                self._listen_twist(arm.name, self._spec.twist)

    def _listen_clutch(self, arm: str, button: ButtonSpec) -> None:
        topic = CLUTCH_JOY if button.kind == "joy" else CLUTCH_BOOL
        self._node.listen(
            topic, lambda message: self._teleop.on_clutch(arm, pressed(message, button)), button.topic
        )  # fmt: skip

    def _listen_twist(self, arm: ArmName, spec: TwistSpec) -> None:
        topic, take = (TWIST, self._on_twist) if spec.stamped else (PLAIN_TWIST, self._on_plain_twist)
        self._node.listen(topic, functools.partial(take, arm), spec.topic(arm))
        if (button := spec.gripper_buttons.get(arm)) is not None:
            topic = GRIPPER_JOY if button.kind == "joy" else GRIPPER_BOOL
            self._node.listen(topic, functools.partial(self._on_gripper_button, arm, button), button.topic)

    def _on_gripper_button(self, arm: str, button: ButtonSpec, message: Any) -> None:
        was, self._gripper_pressed[arm] = self._gripper_pressed.get(arm, True), pressed(message, button)
        if self._gripper_pressed[arm] and not was:
            self._teleop.on_gripper_button(arm)

    def _on_joy(self, message: Joy) -> None:
        state = self._pad.read(to_ns(message.header.stamp), message.axes, message.buttons)
        for arm in self._robot.arms:
            self._teleop.on_clutch(arm.name, state.clutched and arm.name == state.arm)
        self._sample(state.arm, state.motion)

    def _on_twist(self, arm: str, message: TwistStamped) -> None:
        spec, frames = self._spec.twist, self._robot.arm(arm)
        frame = message.header.frame_id
        if frame not in ("", frames.base_frame, frames.tcp_frame):
            allowed = f"'{frames.base_frame}', '{frames.tcp_frame}' or empty"
            raise ContractError(f"{spec.topic(arm)}: header.frame_id '{frame}', allowed {allowed}")
        self._take_twist(arm, to_ns(message.header.stamp), message.twist, frame == frames.tcp_frame)

    def _on_plain_twist(self, arm: str, message: Twist) -> None:
        """Two that arrive within one tick of a simulated clock are a nanosecond apart."""
        now_ns, last_ns = self._node.get_clock().now().nanoseconds, self._arrived_ns.get(arm, 0)
        self._arrived_ns[arm] = now_ns + (now_ns == last_ns)
        self._take_twist(arm, self._arrived_ns[arm], message, self._spec.twist.frame == "tool")

    def _take_twist(self, arm: str, stamp_ns: int, message: Twist, in_tool: bool) -> None:
        spec = self._spec.twist
        twist = twist_from_msg(f"{spec.topic(arm)}: twist", message)
        scaled = twist * np.repeat([spec.linear_scale, spec.angular_scale], 3)
        self._sample(arm, DeviceTwist(stamp_ns, scaled, in_tool))

    def _on_pose(self, arm: str, message: PoseStamped) -> None:
        pose = pose_from_msg(f"{self._spec.vr.topic(arm)}: pose", message.pose)
        self._sample(arm, DevicePose(to_ns(message.header.stamp), pose))

    def _on_leader(self, arm: str, reader: LeaderReader, message: JointState) -> None:
        pose, opening = reader.read(message)
        self._sample(arm, DevicePose(to_ns(message.header.stamp), pose))
        self._teleop.on_opening(arm, opening)

    def _on_opening(self, arm: str, message: Float64) -> None:
        self._teleop.on_opening(arm, message.data)

    def _sample(self, arm: str, sample: Sample) -> None:
        try:
            self._teleop.on_sample(arm, sample)
        except Refused as refused:
            self._node.health.refuse(f"device_{refused.cause}", str(refused))
