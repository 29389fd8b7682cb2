"""How a person drives the arms: devices, buttons, scales, and when a device counts as lost."""

from collections.abc import Mapping
from typing import Annotated, Literal, get_args

from pydantic import Field

from gear_vla_ros.settings.loading import Spec
from gear_vla_ros.settings.operator import ButtonSpec

Device = Literal["keyboard", "joy", "twist", "leader", "vr"]
DEVICES: tuple[Device, ...] = get_args(Device)
ArmName = Literal["left", "right"]
Topic = Annotated[str, Field(pattern=r"^/?[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*$")]
Index = Annotated[int, Field(ge=0, le=63)]
Angle = Annotated[float, Field(ge=-6.3, le=6.3)]
Frame = Literal["base", "tool"]


class AxisSpec(Spec):
    """One axis of a gamepad."""

    axis: Index
    """Index in the message's `axes`."""
    sign: Literal[-1, 1] = 1
    """-1 turns it round."""


class JoySpec(Spec):
    """A gamepad; the defaults are those of joy_node with an Xbox or PlayStation pad on Linux."""

    topic: Topic = "/joy"
    clutch_button: Index = 5
    """Right shoulder: the arm moves while it is pressed."""
    close_button: Index = 0
    """A or cross: the gripper closes while it is pressed."""
    open_button: Index = 1
    """B or circle: the gripper opens while it is pressed."""
    arm_button: Index = 3
    """Y or triangle: the next arm, on a robot with two."""
    x: AxisSpec = AxisSpec(axis=1)
    """Left stick, up is forward."""
    y: AxisSpec = AxisSpec(axis=0)
    """Left stick, left is left."""
    z: AxisSpec = AxisSpec(axis=4)
    """Right stick, up is up."""
    roll: AxisSpec = AxisSpec(axis=6, sign=-1)
    """Cross, left and right."""
    pitch: AxisSpec = AxisSpec(axis=7)
    """Cross, up and down."""
    yaw: AxisSpec = AxisSpec(axis=3)
    """Right stick, left is counter-clockwise."""
    frame: Frame = "base"
    """Axes of the motion: those of the arm's base, or of the tool."""
    deadzone: float = Field(default=0.1, ge=0, le=0.5)
    """Share of the deflection that counts as none."""


class TwistSpec(Spec):
    """`geometry_msgs/TwistStamped` in the arm's base frame or tool frame, as its `frame_id` says (empty: base).

    Or plain `geometry_msgs/Twist`, as of spacenav_node; then the time of its arrival counts.
    """

    stamped: bool = True
    """False: plain `geometry_msgs/Twist`."""
    frame: Frame = "base"
    """Axes of plain twists: those of the arm's base, or of the tool."""

    topics: dict[ArmName, Topic] = Field(default_factory=dict)
    """By arm; `/teleop/<arm>/twist` where none is given."""
    linear_scale: float = Field(default=1.0, gt=0, le=10)
    """m/s of the tool by the message's linear unit."""
    angular_scale: float = Field(default=1.0, gt=0, le=10)
    """rad/s of the tool by the message's angular unit."""
    gripper_buttons: dict[ArmName, ButtonSpec] = Field(default_factory=dict)
    """By arm, where the device has one: pressing it closes an open gripper and opens a closed one."""

    def topic(self, arm: str) -> str:
        """Where the arm's twists come from."""
        return self.topics.get(arm, f"/teleop/{arm}/twist")  # type: ignore[call-overload,no-any-return]


class VrSpec(Spec):
    """`geometry_msgs/PoseStamped` of a hand controller or a tracker, in any fixed frame."""

    topics: dict[ArmName, Topic] = Field(default_factory=dict)
    """By arm; `/teleop/<arm>/pose` where none is given."""
    base_rpy_device: tuple[Angle, Angle, Angle] = (0.0, 0.0, 0.0)
    """Roll, pitch, yaw [rad] of the device's fixed frame in the arm's base frame: which way is forward."""

    def topic(self, arm: str) -> str:
        """Where the arm's poses come from."""
        return self.topics.get(arm, f"/teleop/{arm}/pose")  # type: ignore[call-overload,no-any-return]


class LeaderArmSpec(Spec):
    """One leader arm. Joint i of the robot is `signs[i] * (position - offsets_rad[i])` of the leader's joint i."""

    topic: Topic | None = None
    """`/teleop/<arm>/joint_states` if none is given."""
    names: tuple[str, ...] = ()
    """The leader's joints in the order of the YAML's, its gripper last; none: those of the robot."""
    signs: tuple[Literal[-1, 1], ...] = ()
    """1 or -1 a joint; none: all 1."""
    offsets_rad: tuple[Angle, ...] = ()
    """Leader's positions at the zero of the robot's joints; none: all 0."""
    gripper_closed: float | None = None
    """The leader's gripper position when closed, in its own unit; none: as the robot's gripper."""
    gripper_open: float | None = None
    """The same when open."""


class LeaderSpec(Spec):
    """Leader arms: `sensor_msgs/JointState`, followed as tool poses by the robot's own kinematics."""

    arms: dict[ArmName, LeaderArmSpec] = Field(default_factory=dict)
    """By arm; what is not given is as the robot."""

    def arm(self, name: str) -> LeaderArmSpec:
        """The leader of that arm."""
        return self.arms.get(name, LeaderArmSpec())  # type: ignore[call-overload,no-any-return]

    def topic(self, arm: str) -> str:
        """Where the leader's joint states come from."""
        return self.arm(arm).topic or f"/teleop/{arm}/joint_states"

    def check(self, arm: str, joints: int) -> None:
        """Raises ValueError when a list does not fit the arm's joints."""
        spec = self.arm(arm)
        for key, found, allowed in (
            ("names", len(set(spec.names)), joints + 1),
            ("signs", len(spec.signs), joints),
            ("offsets_rad", len(spec.offsets_rad), joints),
        ):
            if found not in (0, allowed):
                raise ValueError(f"teleop.leader.arms.{arm}.{key} has {found} values, allowed {allowed} or none")
        ends = spec.gripper_closed, spec.gripper_open
        if (ends[0] is None) != (ends[1] is None) or (ends[0] is not None and ends[0] == ends[1]):
            raise ValueError(f"teleop.leader.arms.{arm}: gripper_closed and gripper_open are two numbers, or neither")


class TeleopSpec(Spec):
    """Motion is relative: pressing the clutch anchors the device's pose and the tool's present target."""

    scale: float = Field(default=1.0, gt=0, le=5)
    """Way of the tool by that of the device, for leaders and VR."""
    rotation_scale: float = Field(default=1.0, ge=0, le=2)
    """Angle of the tool by that of the device, for leaders and VR; 0 keeps the tool's orientation."""
    linear_speed: float = Field(default=0.15, gt=0, le=1)
    """m/s at full deflection, for gamepad and keyboard."""
    angular_speed: float = Field(default=0.6, gt=0, le=3)
    """rad/s at full deflection."""
    gripper_speed: float = Field(default=1.0, gt=0, le=5)
    """Full strokes a second while a gripper button is pressed."""
    timeout_s: float = Field(default=0.25, ge=0.05, le=1)
    """Longest silence of a device or a clutch, by stamp and by arrival; then the robot holds."""
    lead_s: float = Field(default=0.1, ge=0, le=0.3)
    """How long a device's motion is carried on after its last message."""
    leash_m: float = Field(default=0.08, ge=0.01, le=0.5)
    """How far ahead of the robot's target the hand may be; what is more is lost, as if the clutch had slipped."""
    leash_rad: float = Field(default=0.4, ge=0.05, le=2)
    """The same for the rotation."""
    jump_m: float = Field(default=0.2, gt=0, le=1)
    """A device that moved farther between two messages has lost its tracking: that motion is refused."""
    jump_rad: float = Field(default=1.0, gt=0, le=3)
    """The same for the rotation."""
    clutches: dict[ArmName, ButtonSpec] = Field(default_factory=dict)
    """For twist, leader and vr, by arm; `std_msgs/Bool` on `/teleop/<arm>/clutch` where none is given."""
    grippers: dict[ArmName, Topic] = Field(default_factory=dict)
    """For twist and vr, by arm: `std_msgs/Float64`, 0 closed to 1 open; `/teleop/<arm>/gripper` where none is given."""
    joy: JoySpec = JoySpec()
    twist: TwistSpec = TwistSpec()
    vr: VrSpec = VrSpec()
    leader: LeaderSpec = LeaderSpec()

    def check(self, joints: Mapping[str, int]) -> None:
        """Raises ValueError for an arm that the robot has not, and for lists that do not fit its joints."""
        for key, named in (
            ("clutches", self.clutches), ("grippers", self.grippers), ("twist.topics", self.twist.topics),
            ("twist.gripper_buttons", self.twist.gripper_buttons), ("vr.topics", self.vr.topics),
            ("leader.arms", self.leader.arms),
        ):  # fmt: skip
            if unknown := sorted(set(named) - set(joints)):
                raise ValueError(f"teleop.{key}: {', '.join(unknown)} is no arm of it, allowed {', '.join(joints)}")
        for arm, count in joints.items():
            self.leader.check(arm, count)

    def clutch(self, arm: str) -> ButtonSpec:
        """The arm's clutch."""
        default = ButtonSpec(kind="bool", topic=f"/teleop/{arm}/clutch")
        return self.clutches.get(arm, default)  # type: ignore[call-overload,no-any-return]

    def gripper(self, arm: str) -> str:
        """Where the arm's gripper openings come from."""
        return self.grippers.get(arm, f"/teleop/{arm}/gripper")  # type: ignore[call-overload,no-any-return]
