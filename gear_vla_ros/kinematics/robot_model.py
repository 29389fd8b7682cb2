"""The robot's URDF behind the names of its YAML."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pinocchio as pin
from numpy.typing import NDArray

from gear_vla_ros.kinematics.frames import parent_frame
from gear_vla_ros.settings import RobotSpec, SettingsError
from gear_vla_ros.settings.errors import did_you_mean

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Limits:
    """Joint limits of one arm in the order of its joints: rad and rad/s, `[n]` each."""

    lower: Array
    upper: Array
    velocity: Array


@dataclass(frozen=True)
class _Arm:
    q: NDArray[np.int64]
    v: NDArray[np.int64]
    base: int
    tcp: int


class RobotModel:
    """Kinematics of all arms. For one thread: it keeps a work space."""

    def __init__(self, spec: RobotSpec) -> None:
        """Raises FileNotFoundError, or SettingsError when the YAML names what the URDF has not."""
        self.spec = spec
        path = spec.urdf_path()
        try:
            self.pin_model: pin.Model = pin.buildModelFromUrdf(str(path))
        except (ValueError, RuntimeError) as error:
            raise SettingsError(f"{path.name}: pinocchio cannot read it: {' '.join(str(error).split())}") from None
        self._data = self.pin_model.createData()
        self._arms: dict[str, _Arm] = {arm.name: self._indices(arm.name) for arm in spec.arms}
        self._grippers: dict[str, list[tuple[int, float]]] = {arm.name: self._gripper_q(arm.name) for arm in spec.arms}
        self._neutral: Array = pin.neutral(self.pin_model)

    def fk(self, arm: str, q: Array) -> Array:
        """`base_T_tcp` `[4, 4]` for joints `q` `[n]` in rad."""
        at = self._arms[arm]
        full = self._neutral.copy()
        full[at.q] = q
        pin.forwardKinematics(self.pin_model, self._data, full)
        base = pin.updateFramePlacement(self.pin_model, self._data, at.base)
        result: Array = base.actInv(pin.updateFramePlacement(self.pin_model, self._data, at.tcp)).homogeneous
        return result

    def jacobian(self, arm: str, q: Array) -> Array:
        """`[6, n]`: twist of the tcp (linear, angular; axes of the arm's base frame) by joint velocities."""
        at = self._arms[arm]
        full = self._neutral.copy()
        full[at.q] = q
        local = pin.LOCAL_WORLD_ALIGNED
        world = pin.computeFrameJacobian(self.pin_model, self._data, full, at.tcp, local)[:, at.v]
        world_R_base = self.world_T_base(arm)[:3, :3]
        result: Array = np.concatenate([world_R_base.T @ world[:3], world_R_base.T @ world[3:]])
        return result

    def limits(self, arm: str) -> Limits:
        """Position limits, and velocity limits times the arm's `velocity_scale`."""
        at, model = self._arms[arm], self.pin_model
        velocity = model.velocityLimit[at.v] * self.spec.arm(arm).velocity_scale
        return Limits(model.lowerPositionLimit[at.q], model.upperPositionLimit[at.q], velocity)

    def world_T_base(self, arm: str) -> Array:
        """Where the arm stands `[4, 4]`."""
        return self.world_T_frame(self.spec.arm(arm).base_frame, {})

    def world_T_frame(self, frame: str, q: Mapping[str, Array]) -> Array:
        """Pose `[4, 4]` of any link for joints by arm; arms that are not given are at zero."""
        pin.forwardKinematics(self.pin_model, self._data, self.full_q(q, {}))
        result: Array = pin.updateFramePlacement(self.pin_model, self._data, self._frame(frame, "frame")).homogeneous
        return result

    def gripper_to_unit(self, arm: str, position: float) -> float:
        """0 closed to 1 open, from the joint's position; what is beyond the range is at its end."""
        return self.spec.arm(arm).gripper.opening_at(position)

    def gripper_from_unit(self, arm: str, opening: float) -> float:
        """The joint's position of an opening from 0 to 1."""
        return self.spec.arm(arm).gripper.position_of(opening)

    def full_q(self, q: Mapping[str, Array], opening: Mapping[str, float]) -> Array:
        """pinocchio's configuration vector from joints and gripper openings by arm."""
        full = self._neutral.copy()
        for arm, values in q.items():
            full[self._arms[arm].q] = values
        for arm, unit in opening.items():
            position = self.gripper_from_unit(arm, unit)
            for index, multiplier in self._grippers[arm]:
                full[index] = multiplier * position
        return full

    def transforms(self, q: Mapping[str, Array], opening: Mapping[str, float]) -> Iterator[tuple[str, str, Array]]:
        """(parent link, child link, `parent_T_child`) of every link, for TF."""
        model, data = self.pin_model, self._data
        pin.framesForwardKinematics(model, data, self.full_q(q, opening))
        for frame in model.frames[1:]:
            if frame.type != pin.FrameType.BODY:
                continue
            parent = model.frames[parent_frame(model.frames[parent_frame(frame)])]
            if parent.name == "universe":
                continue
            index = model.getFrameId(parent.name)
            parent_T_child = data.oMf[index].actInv(data.oMf[model.getFrameId(frame.name)])
            yield parent.name, frame.name, parent_T_child.homogeneous

    def arm_q_indices(self, arm: str) -> NDArray[np.int64]:
        """Where the arm's joints stand in pinocchio's configuration vector."""
        return self._arms[arm].q

    def _indices(self, arm: str) -> _Arm:
        spec, model = self.spec.arm(arm), self.pin_model
        joints = [model.joints[self._joint(name, f"arms.{arm}.joints")] for name in spec.joints]
        return _Arm(
            q=np.array([joint.idx_q for joint in joints]),
            v=np.array([joint.idx_v for joint in joints]),
            base=self._frame(spec.base_frame, f"arms.{arm}.base_frame"),
            tcp=self._frame(spec.tcp_frame, f"arms.{arm}.tcp_frame"),
        )

    def _gripper_q(self, arm: str) -> list[tuple[int, float]]:
        gripper = self.spec.arm(arm).gripper
        multipliers = {gripper.joint: 1.0, **gripper.mimic}
        key = f"arms.{arm}.gripper"
        return [(self.pin_model.joints[self._joint(name, key)].idx_q, m) for name, m in multipliers.items()]

    def _joint(self, name: str, key: str) -> int:
        names = list(self.pin_model.names)[1:]
        if name not in names:
            raise SettingsError(
                f"{self.spec.name}: {key}: no joint '{name}' in {self.spec.urdf}{did_you_mean(name, names)}; "
                f"it has {', '.join(names)}"
            )
        return int(self.pin_model.getJointId(name))

    def _frame(self, name: str, key: str) -> int:
        names = [frame.name for frame in self.pin_model.frames if frame.type == pin.FrameType.BODY]
        if name not in names:
            raise SettingsError(
                f"{self.spec.name}: {key}: no link '{name}' in {self.spec.urdf}{did_you_mean(name, names)}; "
                f"it has {', '.join(names)}"
            )
        return int(self.pin_model.getFrameId(name, pin.FrameType.BODY))
