"""Differential inverse kinematics: one quadratic program a step, inside joint position and velocity limits (pink)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pink
import pinocchio as pin
from numpy.typing import NDArray
from pink.limits import ConfigurationLimit, VelocityLimit
from pink.tasks import FrameTask, PostureTask

from gear_vla_ros.geometry import se3
from gear_vla_ros.kinematics.robot_model import RobotModel

Array = NDArray[np.float64]

POSITION_COST, ORIENTATION_COST, POSTURE_COST = 1.0, 0.5, 1e-3
ARM_LENGTH_M = 1.0
"""Damping a metre of error. An arm stretched towards a target beyond its reach has that curvature, length x error,
which the Gauss-Newton Hessian J^T J lacks: without it the step overshoots and the arm swings about the nearest pose."""
MARGIN_RAD = 1e-3
LIMITED_M, LIMITED_RAD = 0.005, 0.05


@dataclass(frozen=True)
class IkResult:
    """q: joints by arm [rad]. Errors: what is left to the targets after the step, the worst arm's [m], [rad].

    limited: arms that are farther than 5 mm or 0.05 rad from their target.
    """

    q: Mapping[str, Array]
    position_error_m: float
    rotation_error_rad: float
    limited: tuple[str, ...]


class _DampedFrameTask(FrameTask):
    """A frame task with damping in proportion to its error, on its own arm's joints only.

    So one arm's target out of reach does not slow the other, and the damping vanishes where the target is met.
    """

    def compute_qp_objective(self, configuration: pink.Configuration) -> tuple[Array, Array]:
        """Hessian `[n, n]` and linear vector `[n]` of the step."""
        hessian, linear = super().compute_qp_objective(configuration)
        error = np.linalg.norm(np.asarray(self.cost) * self.compute_error(configuration))
        moved = self.compute_jacobian(configuration).any(axis=0)
        return hessian + np.diag(ARM_LENGTH_M * error * moved), linear


class DifferentialIk:
    """All arms at once, each towards its target and weakly towards its home posture. For one thread.

    Limits are constraints of the program; clipping takes away only what the solver's tolerance lets through.

    The result never leaves the joint limits and never moves faster than the velocity limits; a target out of reach is
    approached as far as it goes.
    """

    def __init__(self, model: RobotModel) -> None:
        self._model = model
        spec = model.spec
        full = model.pin_model
        arm_joints = {name for arm in spec.arms for name in arm.joints}
        locked = [full.getJointId(name) for name in list(full.names)[1:] if name not in arm_joints]
        reduced = pin.buildReducedModel(full, locked, pin.neutral(full))
        reduced.lowerPositionLimit += MARGIN_RAD
        reduced.upperPositionLimit -= MARGIN_RAD
        self._at: dict[str, NDArray[np.int64]] = {
            arm.name: np.array([reduced.joints[reduced.getJointId(name)].idx_q for name in arm.joints])
            for arm in spec.arms
        }
        home = pin.neutral(reduced)
        for arm in spec.arms:
            home[self._at[arm.name]] = arm.home
            reduced.velocityLimit[self._at[arm.name]] *= arm.velocity_scale
        self._reduced, self._home = reduced, home
        self._configuration = pink.Configuration(reduced, reduced.createData(), self._clipped(home))
        self._limits = [ConfigurationLimit(reduced), VelocityLimit(reduced)]
        self._bases: dict[str, Array] = {arm.name: model.world_T_base(arm.name) for arm in spec.arms}
        self._frames: dict[str, FrameTask] = {
            arm.name: _DampedFrameTask(arm.tcp_frame, POSITION_COST, ORIENTATION_COST) for arm in spec.arms
        }
        self._posture = PostureTask(cost=POSTURE_COST)
        self._posture.set_target(home)

    def step(self, q: Mapping[str, Array], targets: Mapping[str, Array], dt: float) -> IkResult:
        """Joints after `dt` seconds from joints `q` (rad, by arm) towards `targets` (`base_T_tcp` by arm).

        Arms without a target keep their joints. Raises ValueError when `dt` is not a positive number.
        """
        if not 0 < dt < np.inf:
            raise ValueError(f"dt is {dt} s, allowed are positive numbers")
        now = self._home.copy()
        for arm, joints in q.items():
            now[self._at[arm]] = joints
        self._configuration.update(self._clipped(now))
        tasks = []
        for arm, base_T_tcp in targets.items():
            world_T_tcp = self._bases[arm] @ base_T_tcp
            self._frames[arm].set_target(pin.SE3(world_T_tcp[:3, :3], world_T_tcp[:3, 3]))
            tasks.append(self._frames[arm])
        velocity = pink.solve_ik(
            self._configuration, [*tasks, self._posture], dt, solver="daqp", limits=self._limits, safety_break=False
        )
        for arm in q.keys() - targets.keys():
            velocity[self._at[arm]] = 0.0
        within = np.clip(velocity, -self._reduced.velocityLimit, self._reduced.velocityLimit)
        after = self._clipped(self._configuration.q + within * dt)
        return self._result({arm: after[self._at[arm]] for arm in q}, targets)

    def _clipped(self, q: Array) -> Array:
        return np.clip(q, self._reduced.lowerPositionLimit, self._reduced.upperPositionLimit)

    def _result(self, q: Mapping[str, Array], targets: Mapping[str, Array]) -> IkResult:
        left = {arm: se3.difference(self._model.fk(arm, q[arm]), target) for arm, target in targets.items()}
        metres = {arm: float(np.linalg.norm(d[:3])) for arm, d in left.items()}
        radians = {arm: float(np.linalg.norm(d[3:])) for arm, d in left.items()}
        limited = tuple(arm for arm in left if metres[arm] > LIMITED_M or radians[arm] > LIMITED_RAD)
        return IkResult(q, max(metres.values(), default=0.0), max(radians.values(), default=0.0), limited)
