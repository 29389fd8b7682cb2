"""One YAML a robot: arms, frames, cameras, limits, rates. `docs/new_robot.md` walks through it."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from gear_vla_ros.contracts import ViewRole
from gear_vla_ros.settings.commands import CommandSpec, DriverPoseSpec, DriverStatesSpec, GripperSpec
from gear_vla_ros.settings.guard import GuardSpec
from gear_vla_ros.settings.loading import Spec, load
from gear_vla_ros.settings.names import Name, Positive, Topic
from gear_vla_ros.settings.operator import OperatorSpec
from gear_vla_ros.settings.paths import named_file, share_dir
from gear_vla_ros.settings.recording import RecordSpec
from gear_vla_ros.settings.safety import SafetySpec
from gear_vla_ros.settings.teleop import TeleopSpec

Share = Annotated[float, Field(ge=0, le=1)]


class ArmSpec(Spec):
    """One arm. Joints in the order of the URDF chain; frames are URDF links; home in rad."""

    name: Literal["left", "right"]
    base_frame: Name
    tcp_frame: Name
    joints: tuple[Name, ...] = Field(min_length=1)
    home: tuple[float, ...]
    velocity_scale: float = Field(default=0.5, gt=0, le=1)
    """Share of the URDF's joint velocity limits that the IK may use."""
    gripper: GripperSpec
    command: CommandSpec
    driver_states: DriverStatesSpec | None = None
    """None: something publishes the joint states of the whole robot already."""
    driver_pose: DriverPoseSpec | None = None
    """None: the driver says no pose, or nobody compares it."""
    safety: SafetySpec

    @model_validator(mode="after")
    def _home_fits(self) -> "ArmSpec":
        if len(self.home) != len(self.joints):
            raise ValueError(f"home has {len(self.home)} values, joints has {len(self.joints)}")
        if len(set(self.joints)) != len(self.joints):
            raise ValueError(f"joints repeat a name: {', '.join(self.joints)}")
        if self.driver_states is not None and len(set(self.driver_states.names)) != len(self.joints) + 1:
            found = len(set(self.driver_states.names))
            raise ValueError(f"driver_states.names has {found} different names, allowed {len(self.joints) + 1}")
        if self.gripper.kind == "with_arm" and self.gripper.max_effort and self.command.interface != "joint_state":
            raise ValueError(f"gripper.max_effort: interface {self.command.interface} carries none, joint_state does")
        names, count = self.command.names, len(self.commanded_joints)
        if names is not None and (len(names) != count or len(set(names)) != count):
            raise ValueError(f"command.names has {len(set(names))} different names, the message has {count} values")
        return self

    @property
    def commanded_joints(self) -> tuple[str, ...]:
        """What the arm's own command has a value for, in its order: the joints, then a gripper of kind `with_arm`."""
        return self.joints if self.gripper.topic is not None else (*self.joints, self.gripper.joint)


class CameraSpec(Spec):
    """One camera. The pose of `frame` (optical, REP 103: z forward, x right) comes from the URDF."""

    role: ViewRole
    topic: Topic
    info_topic: Topic
    frame: Name
    width: int = Field(ge=16, le=8192)
    height: int = Field(ge=16, le=8192)
    encoding: Literal["rgb8", "bgr8"] = "rgb8"
    rate_hz: float = Field(default=30.0, ge=1, le=240)
    fx: Positive
    fy: Positive
    cx: Positive
    cy: Positive
    serial: str | None = None
    """Serial number of a RealSense, for realsense_node."""
    roi: tuple[Share, Share, Share, Share] = (0.0, 0.0, 1.0, 1.0)
    """Left, top, right, bottom of what the network sees of it, as shares of width and height."""
    record: RecordSpec = RecordSpec()


class StateProjectorSpec(Spec):
    """Which state projector of the model is this robot's (paper, 3.3)."""

    embodiment: Name


class RatesSpec(Spec):
    """Rates in Hz."""

    joint_states_hz: float = Field(default=200.0, ge=10, le=1000)
    target_hz: float = Field(default=30.0, ge=5, le=200)
    ik_hz: float = Field(default=100.0, ge=30, le=1000)


class StalenessSpec(Spec):
    """Ages in seconds beyond which an input is not used: first the robot slows, at twice the age it holds."""

    camera_s: Positive = 0.5
    joint_states_s: Positive = 0.1
    latents_s: Positive = 1.0
    chunk_s: Positive = 1.0
    target_s: Positive = 0.15


class SyncSpec(Spec):
    """Joining of inputs by capture stamp."""

    max_skew_s: float = Field(default=0.05, gt=0, le=1)
    max_future_s: float = Field(default=0.05, gt=0, le=1)
    """How far ahead of this machine's clock a stamp may be."""


class SimSpec(Spec):
    """How the simulator stands in for this robot."""

    camera_width: int = Field(default=320, ge=16, le=4096)
    camera_height: int = Field(default=240, ge=16, le=4096)
    camera_rate_hz: float = Field(default=15.0, ge=1, le=120)
    table_height: float = 0.0
    """Height of the table top in the world frame [m]."""
    table_center: tuple[float, float] = (0.5, 0.0)
    """Middle of the area where objects are placed, world x and y [m]."""
    spawn_size: tuple[Positive, Positive] = (0.2, 0.3)
    """Extent of that area along world x and y [m]."""


class RobotSpec(Spec):
    """A robot as the whole stack sees it."""

    name: Name
    description: str = ""
    urdf: Annotated[str, Field(pattern=r"^[A-Za-z0-9_./-]+\.urdf$")]
    """File in `urdf/`, or an absolute path."""
    placeholder: bool = False
    """True when the kinematics are invented and must be replaced before the robot is moved."""
    world_frame: Name = "world"
    joint_states_topic: Topic = "/joint_states"
    arms: tuple[ArmSpec, ...] = Field(min_length=1, max_length=2)
    cameras: tuple[CameraSpec, ...] = Field(min_length=1, max_length=3)
    state_projector: StateProjectorSpec
    rates: RatesSpec = RatesSpec()
    staleness: StalenessSpec = StalenessSpec()
    sync: SyncSpec = SyncSpec()
    guard: GuardSpec = GuardSpec()
    operator: OperatorSpec = OperatorSpec()
    teleop: TeleopSpec = TeleopSpec()
    sim: SimSpec = SimSpec()

    @model_validator(mode="after")
    def _names_are_unique(self) -> "RobotSpec":
        unique: dict[str, list[str]] = {
            "arms: name": [arm.name for arm in self.arms],
            "cameras: role": [camera.role for camera in self.cameras],
            "arms: joints": [joint for arm in self.arms for joint in (*arm.joints, arm.gripper.joint)],
        }
        for what, names in unique.items():
            repeated = sorted({name for name in names if names.count(name) > 1})
            if repeated:
                raise ValueError(f"{what} {', '.join(repeated)} more than once")
        self.teleop.check({arm.name: len(arm.joints) for arm in self.arms})
        topics = [arm.driver_states.topic for arm in self.arms if arm.driver_states is not None]
        if topics and (len(set(topics)) != len(self.arms) or self.joint_states_topic in topics):
            named = f"with a topic of its own, not {self.joint_states_topic}"
            raise ValueError(f"arms: driver_states is to be given for each arm {named}")
        if self.cameras[0].role != "head":
            raise ValueError(f"cameras: the first is {self.cameras[0].role}, it must be the head camera")
        return self

    def arm(self, name: str) -> ArmSpec:
        """The arm of that name. Raises KeyError listing the names there are."""
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise KeyError(f"robot {self.name} has no arm '{name}'; it has {', '.join(a.name for a in self.arms)}")

    def urdf_path(self) -> Path:
        """The URDF file. Raises FileNotFoundError."""
        path = share_dir() / "urdf" / self.urdf
        if not path.is_file():
            raise FileNotFoundError(f"robot {self.name}: urdf: no file {self.urdf} in urdf/")
        return path


def robots_dir() -> Path:
    """Folder of the robots' YAML files."""
    return share_dir() / "config" / "robots"


def robot_names() -> list[str]:
    """Robots that come with the package."""
    return sorted(path.stem for path in robots_dir().glob("*.yaml"))


def load_robot(name_or_path: str) -> RobotSpec:
    """The robot of that name, or of a path that ends in .yaml.

    Raises FileNotFoundError with the names there are, SettingsError naming key, value and what is allowed.
    """
    return load(RobotSpec, named_file(robots_dir(), name_or_path, ".yaml"))
