"""How an arm and its gripper are commanded, and what their driver says of itself."""

from typing import Literal

from pydantic import Field, model_validator

from gear_vla_ros.settings.loading import Spec
from gear_vla_ros.settings.names import Name, Positive, Topic

CommandInterface = Literal["pose", "joint_trajectory", "joint_position", "joint_state"]
GripperKind = Literal["with_arm", "position_array", "joint_state", "gripper_command"]


class GripperSpec(Spec):
    """One gripper. `closed` and `open` are positions of `joint` in its own unit; inside the stack 0 is closed, 1 open.

    mimic: joints that move along, with their multiplier of `joint`. topic and kind: where its commands go when the
    arm's own command does not carry them; of kind `gripper_command` topic is the action's name.
    """

    joint: Name
    mimic: dict[Name, float] = Field(default_factory=dict)
    closed: float
    open: float
    unit: Literal["m", "rad"] = "m"
    topic: Topic | None = None
    kind: GripperKind = "with_arm"
    max_effort: Positive | None = None
    """Greatest force of the fingers [N] (or torque [Nm], by the joint); None: the driver's own."""

    @model_validator(mode="after")
    def _has_range(self) -> "GripperSpec":
        if self.closed == self.open:
            raise ValueError(f"closed and open are both {self.open}, they must differ")
        if (self.kind == "with_arm") != (self.topic is None):
            raise ValueError(f"kind 'with_arm' takes no topic, kind '{self._other_kind}' needs one")
        if self.kind == "position_array" and self.max_effort is not None:
            raise ValueError("kind 'position_array' carries no max_effort; 'joint_state' and 'gripper_command' do")
        return self

    @property
    def _other_kind(self) -> str:
        return self.kind if self.kind != "with_arm" else "position_array"

    @property
    def message_topic(self) -> str | None:
        """Where messages for the gripper alone go; None when the arm's carry its value, and for an action."""
        return self.topic if self.kind in ("position_array", "joint_state") else None

    @property
    def stroke(self) -> float:
        """Opening between the fingers at 1, in the joint's unit: all fingers move alike."""
        return abs(self.open - self.closed) * (1 + len(self.mimic))

    def position_of(self, opening: float) -> float:
        """Position of `joint` for an opening from 0 to 1; what is beyond is taken as the end."""
        return self.closed + min(max(float(opening), 0.0), 1.0) * (self.open - self.closed)

    def opening_at(self, position: float) -> float:
        """0 closed to 1 open for a position of `joint`; what is beyond the range is at its end."""
        return min(max((float(position) - self.closed) / (self.open - self.closed), 0.0), 1.0)


class DriverPoseSpec(Spec):
    """Where the arm's driver says where its tool is, in the arm's base frame: `gear-vla doctor` compares it with the
    URDF."""

    topic: Topic
    stamped: bool = True
    """geometry_msgs/PoseStamped, whose frame_id is not looked at; false: geometry_msgs/Pose"""
    frame: Name | None = None
    """The URDF's link that the driver means; None: tcp_frame"""


class EnableSpec(Spec):
    """A service of the arm's driver that must say yes before the arm moves.

    kind: `piper` is piper_msgs/Enable (piper_ros: it also closes the gripper), the others are of std_srvs.
    """

    service: Topic
    kind: Literal["piper", "set_bool", "trigger"] = "set_bool"
    limit_s: float = Field(default=10.0, gt=0, le=60)
    """Longest wait for the service, and for its answer; then it is asked again."""


class CommandSpec(Spec):
    """How the arm is commanded: the message on `topic` is what the interface's controller takes."""

    interface: CommandInterface
    topic: Topic
    names: tuple[Name, ...] | None = None
    """Names in a `joint_state` message where the driver calls the joints otherwise than the URDF, gripper last."""
    enable: EnableSpec | None = None
    """None: the driver moves when it is told to. Not asked in simulation."""

    @model_validator(mode="after")
    def _names_are_sent(self) -> "CommandSpec":
        if self.names is not None and self.interface != "joint_state":
            raise ValueError(f"interface {self.interface} takes no names, only joint_state does")
        return self


class DriverStatesSpec(Spec):
    """Where an arm's driver publishes its own joint states, where each arm has a driver of its own.

    `joint_state_node` joins them under the URDF's names on the robot's `joint_states_topic`.
    """

    topic: Topic
    names: tuple[Name, ...] = Field(min_length=2)
    """The driver's names of the arm's joints in the YAML's order, the gripper's last."""
    gripper_scale: float = Field(default=1.0, gt=0)
    """The driver's gripper value by the URDF's: 2 for the width between two fingers."""
