"""How fast each arm may go where it is heading: other arm and body, joint limits, joint speeds.

Distances are between the URDF's collision shapes. A pair nearer than `slow_m` slows the arm that moves towards the
other by the square root of what is left to `stop_m`: the speed from which a steady braking stops there; what it goes
until its velocity follows is not left. An arm that moves away is not slowed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pinocchio as pin
from numpy.typing import NDArray

from gear_vla_ros.contracts import RobotState
from gear_vla_ros.kinematics.robot_model import Limits, RobotModel
from gear_vla_ros.settings.guard import GuardSpec

Array = NDArray[np.float64]
Verdict = tuple[float, str]

DAMPING = 1e-2
SLOWEST = 0.1
"""Share of the speed that joints leave at least: the IK keeps their limits, so nothing is stuck."""
TOUCHING_M = 1e-6
STILL = 1e-6
FREE: Verdict = (1.0, "")


@dataclass(frozen=True)
class Near:
    """Two shapes, each with the arm that carries it (None: the body), and where they are nearest (world frame)."""

    distance_m: float
    arms: tuple[str | None, str | None]
    joints: tuple[int, int]
    points: tuple[Array, Array]


class Guard:
    """For one thread. `guard(state, twists)`: by arm the share of its speed limits that it may use, and why."""

    def __init__(self, model: RobotModel, spec: GuardSpec) -> None:
        self._model, self._spec = model, spec
        pin_model = model.pin_model
        self._data: pin.Data = pin_model.createData()
        self._limits: dict[str, Limits] = {arm.name: model.limits(arm.name) for arm in model.spec.arms}
        self._lags: dict[str, float] = {arm.name: arm.safety.linear_lag_s for arm in model.spec.arms}
        self._bases: dict[str, Array] = {arm.name: model.world_T_base(arm.name)[:3, :3] for arm in model.spec.arms}
        self._v: dict[str, NDArray[np.int64]] = {
            arm.name: np.array([pin_model.joints[pin_model.getJointId(name)].idx_v for name in arm.joints])
            for arm in model.spec.arms
        }
        self._shapes: pin.GeometryModel = pin.buildGeomFromUrdf(
            pin_model, str(model.spec.urdf_path()), pin.GeometryType.COLLISION
        )
        self._carriers = [self._carrier(shape.parentJoint) for shape in self._shapes.geometryObjects]
        self._add_pairs()
        self._found: pin.GeometryData = self._shapes.createData()

    def __call__(self, state: RobotState, twists: Mapping[str, Array]) -> dict[str, Verdict]:
        """twists: `[6]` by arm, linear [m/s] and angular [rad/s], in the arm's base frame."""
        speeds = {name: self._joint_speeds(name, state, twist) for name, twist in twists.items()}
        verdicts = {name: self._joints(name, state.arms[name].q, twists[name], speeds[name]) for name in twists}
        full = np.zeros(self._model.pin_model.nv)
        for name, speed in speeds.items():
            full[self._v[name]] = speed
        twists_of: dict[int, Array] = {}
        for near in self.near(state):
            closing = self._closing(near, full, twists_of)
            left = near.distance_m - self._spec.stop_m - sum(self._lags[arm] * speed for arm, speed in closing.items())
            share = np.sqrt(max(0.0, left) / (self._spec.slow_m - self._spec.stop_m))
            for arm in closing:
                if arm in verdicts:
                    verdicts[arm] = min(verdicts[arm], (float(share), "near"))
        return verdicts

    def near(self, state: RobotState) -> list[Near]:
        """Pairs of arm and arm, and arm and body, that are nearer than `slow_m`."""
        pin_model, shapes = self._model.pin_model, self._shapes
        opening = {name: arm.gripper for name, arm in state.arms.items()}
        q = self._model.full_q({name: arm.q for name, arm in state.arms.items()}, opening)
        pin.computeJointJacobians(pin_model, self._data, q)
        pin.computeDistances(pin_model, self._data, shapes, self._found, q)
        found = []
        for pair, result in zip(shapes.collisionPairs, self._found.distanceResults, strict=True):
            if result.min_distance < self._spec.slow_m:
                found.append(
                    Near(
                        result.min_distance,
                        (self._carriers[pair.first], self._carriers[pair.second]),
                        tuple(shapes.geometryObjects[i].parentJoint for i in (pair.first, pair.second)),
                        (np.array(result.getNearestPoint1()), np.array(result.getNearestPoint2())),
                    )
                )
        return found

    def _joint_speeds(self, arm: str, state: RobotState, twist: Array) -> Array:
        """Joint velocities `[n]` that give the twist, damped where the arm is nearly singular."""
        jacobian = self._model.jacobian(arm, state.arms[arm].q)
        square = jacobian @ jacobian.T + DAMPING**2 * np.eye(6)
        speeds: Array = jacobian.T @ np.linalg.solve(square, twist)
        return speeds

    def _joints(self, arm: str, q: Array, twist: Array, speeds: Array) -> Verdict:
        """What the joints allow: their speed limits, and slowly into the last `joint_margin_rad`."""
        limits, safety = self._limits[arm], self._model.spec.arm(arm).safety
        fastest = float(np.max(np.abs(speeds) / limits.velocity, initial=0.0))
        verdict = FREE
        if fastest > 1.0:
            used = max(
                float(np.linalg.norm(twist[:3])) / safety.max_linear_speed,
                float(np.linalg.norm(twist[3:])) / safety.max_angular_speed,
            )
            verdict = (max(SLOWEST, used / fastest), "joint_speed")
        left = np.where(speeds > 0, limits.upper - q, q - limits.lower)
        heading = np.abs(speeds) > STILL
        margin = float(np.min(left[heading] / self._spec.joint_margin_rad, initial=1.0))
        return verdict if margin >= 1.0 else min(verdict, (max(SLOWEST, margin), "joint_limit"))

    def _closing(self, near: Near, speeds: Array, twists_of: dict[int, Array]) -> dict[str, float]:
        """Arms of the pair that move towards the other shape, or that touch it, and how fast [m/s]. twists_of: known
        ones, by joint."""
        away = near.points[1] - near.points[0]
        length = float(np.linalg.norm(away))
        if length < TOUCHING_M:
            return {arm: 0.0 for arm in near.arms if arm is not None}
        direction = away / length * (1.0 if near.distance_m > 0 else -1.0)
        found = {}
        for arm, joint, point, sign in zip(near.arms, near.joints, near.points, (1.0, -1.0), strict=True):
            if arm is None:
                continue
            speed = sign * float(self._velocity(joint, point, speeds, twists_of) @ direction)
            if speed > STILL:
                found[arm] = speed
        return found

    def _velocity(self, joint: int, point: Array, speeds: Array, twists_of: dict[int, Array]) -> Array:
        """Of a point [m] that the joint carries, in the world frame."""
        if joint not in twists_of:
            jacobian = pin.getJointJacobian(self._model.pin_model, self._data, joint, pin.LOCAL_WORLD_ALIGNED)
            twists_of[joint] = jacobian @ speeds
        twist = twists_of[joint]
        velocity: Array = twist[:3] + pin.skew(twist[3:]) @ (point - self._data.oMi[joint].translation)
        return velocity

    def _carrier(self, joint: int) -> str | None:
        """The arm that moves what hangs on a joint; None for the body."""
        pin_model = self._model.pin_model
        support = {pin_model.names[j] for j in pin_model.supports[joint]}
        return next((arm.name for arm in self._model.spec.arms if support & set(arm.joints)), None)

    def _add_pairs(self) -> None:
        """Every shape of an arm with those of the other arm and of the body. The first half of an arm's joints, its
        shoulder, stays at its mount and is not compared with the body."""
        for first, second in combinations(range(len(self._carriers)), 2):
            carriers = {self._carriers[first], self._carriers[second]}
            if len(carriers) == 2 and not (
                None in carriers and (self._is_shoulder(first) or self._is_shoulder(second))
            ):
                self._shapes.addCollisionPair(pin.CollisionPair(first, second))

    def _is_shoulder(self, shape: int) -> bool:
        arm = self._carriers[shape]
        if arm is None:
            return False
        joints = self._model.spec.arm(arm).joints
        joint: str = self._model.pin_model.names[self._shapes.geometryObjects[shape].parentJoint]
        return joint in joints[: len(joints) // 2]
