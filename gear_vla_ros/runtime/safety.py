"""The last stage before a target leaves: workspace, speed, acceleration and jerk limits, scaled along the way."""

from collections.abc import Callable, Mapping

import numpy as np

from gear_vla_ros.contracts import ArmState, ArmTarget, Grade, RobotState
from gear_vla_ros.geometry import se3, so3
from gear_vla_ros.runtime import steering
from gear_vla_ros.runtime.room import Room
from gear_vla_ros.runtime.smoothing import STILL, Motion, Smoother
from gear_vla_ros.runtime.steering import Array
from gear_vla_ros.runtime.track import Desired
from gear_vla_ros.settings.robot import RobotSpec
from gear_vla_ros.settings.safety import SafetySpec

LAG_M, LAG_RAD = 0.01, 0.05
"""Distance behind the desired pose from which an arm counts as limited."""
GUARD_STEPS = 8
Guard = Callable[[RobotState, Mapping[str, Array]], Mapping[str, tuple[float, str]]]
"""From the measured state and twists `[6]` by arm: the share of the speed limits that each arm may use, and why."""


class SafetyFilter:
    """Turns desired poses into targets that never jump. One thread.

    At every tick and for every arm: the change of the target is at most speed x dt, the change of its velocity at most
    acceleration x dt, the change of its acceleration at most jerk x dt (translation and rotation each as one vector),
    and it stays in the workspace box and out of the keep-out boxes. SLOW scales the speed limits by `slow_factor`,
    `guard` by what it finds near; HOLD and STOP brake along the way to standstill, within the same limits.
    """

    def __init__(self, spec: RobotSpec, slow_factor: float = 0.4, guard: Guard | None = None) -> None:
        self._arms: dict[str, ArmFilter] = {arm.name: ArmFilter(arm.name, arm.safety) for arm in spec.arms}
        self._slow_factor, self._guard = slow_factor, guard
        self._state: RobotState | None = None

    def start(self, state: RobotState) -> None:
        """Begin at the measured poses, standing still. Raises KeyError when an arm is missing in `state`."""
        self.measured(state)
        for name, arm in self._arms.items():
            arm.start(state.arms[name])

    def measured(self, state: RobotState) -> None:
        """The newest state, for the guard."""
        self._state = state

    @property
    def targets(self) -> dict[str, ArmTarget]:
        """The last targets by arm."""
        return {name: arm.target() for name, arm in self._arms.items()}

    def step(
        self, desired: Mapping[str, Desired], grade: Grade, dt: float
    ) -> tuple[dict[str, ArmTarget], tuple[str, ...]]:
        """Targets `dt` seconds after the last ones, by arm, and what limited them, as `workspace_left`, `limited_left`.

        An arm without a desired pose brakes. With dt of zero nothing moves.
        """
        causes: list[str] = []
        if dt > 0.0:
            scale = self._slow_factor if grade is Grade.SLOW else 1.0
            going = {name: desired[name] for name in self._arms if grade < Grade.HOLD and name in desired}
            shares = self._shares(going, scale, dt)
            for name, arm in self._arms.items():
                if name not in going:
                    arm.brake(dt)
                    continue
                share, why = shares.get(name, (1.0, ""))
                causes += arm.follow(going[name], scale, dt, share)
                causes += [f"{why}_{name}"] if why else []
        return self.targets, tuple(causes)

    def _shares(self, going: Mapping[str, Desired], scale: float, dt: float) -> Mapping[str, tuple[float, str]]:
        if self._guard is None or self._state is None or not going:
            return {}
        wanted = {name: self._arms[name].wanted(goal, scale, dt) for name, goal in going.items()}
        return self._guard(self._state, wanted)


class ArmFilter:
    """One arm's target in motion.

    What is steered is a point ahead of it, where it would be after `Smoother.lag_s` at its speed; the target follows.
    """

    def __init__(self, name: str, limits: SafetySpec) -> None:
        self._name, self._limits = name, limits
        self._room = Room(limits)
        self._smooth_linear = Smoother(limits.max_linear_acceleration, limits.linear_jerk)
        self._smooth_angular = Smoother(limits.max_angular_acceleration, limits.angular_jerk)
        self._lags: Array = np.repeat([self._smooth_linear.lag_s, self._smooth_angular.lag_s], 3)
        self._pose = np.eye(4)
        self._linear = self._angular = STILL
        self._twist = np.zeros(6)
        self._gripper = 0.0

    def start(self, state: ArmState) -> None:
        """Stand still at the measured pose."""
        rotation = so3.from_quat(so3.to_quat(state.base_T_tcp[:3, :3]))
        self._pose = se3.from_rotation_translation(rotation, state.base_T_tcp[:3, 3])
        self._linear = self._angular = STILL
        self._twist = np.zeros(6)
        self._gripper = min(max(state.gripper, 0.0), 1.0)

    def target(self) -> ArmTarget:
        return ArmTarget(self._pose, self._twist, self._gripper)

    def brake(self, dt: float) -> None:
        """One tick of braking along the last twist; the gripper stays."""
        if self._linear is not STILL or self._angular is not STILL:
            self._advance(
                self._smooth_linear.braked(self._linear, dt), self._smooth_angular.braked(self._angular, dt), dt
            )

    def wanted(self, desired: Desired, scale: float, dt: float) -> Array:
        """The twist `[6]` that the next tick steers to, if nothing is near."""
        goal, feed, _ = self._allowed(desired)
        lead, _ = self._steered(goal, feed, scale, dt)
        return lead

    def follow(self, desired: Desired, scale: float, dt: float, share: float = 1.0) -> list[str]:
        """One tick towards `desired`, at that share of the speed limits; what stood in the way."""
        goal, feed, outside = self._allowed(desired)
        lead, left = self._steered(goal, feed, min(scale, share), dt)
        self._advance(self._guarded(lead[:3], dt), self._smooth_angular.towards(self._angular, lead[3:], dt), dt)
        stroke = scale * self._limits.max_gripper_speed * dt
        self._gripper += min(max(desired.gripper - self._gripper, -stroke), stroke)
        causes = [f"{outside}_{self._name}"] if outside else []
        if left[:3] @ left[:3] > LAG_M**2 or left[3:] @ left[3:] > LAG_RAD**2:
            causes.append(f"limited_{self._name}")
        return causes

    def _steered(self, goal: Array, feed: Array, scale: float, dt: float) -> tuple[Array, Array]:
        """The next lead `[6]` towards `goal`, which moves with `feed`, and what it leaves to the goal."""
        limits = self._limits
        error = se3.difference(se3.advance(self._pose, self._twist * self._lags + feed * dt), goal)
        linear = steering.towards(
            self._linear.lead, error[:3], feed[:3], scale * limits.max_linear_speed, limits.max_linear_acceleration, dt
        )
        angular = steering.towards(
            self._angular.lead,
            error[3:],
            feed[3:],
            scale * limits.max_angular_speed,
            limits.max_angular_acceleration,
            dt,
        )
        lead = np.concatenate([linear, angular])
        return lead, error + (feed - lead) * dt

    def _allowed(self, desired: Desired) -> tuple[Array, Array, str]:
        """Where the point ahead is wanted: the nearest allowed pose, the twist without what leads away from it, and
        what `Room.nearest` says of the desired pose."""
        _, why = self._room.nearest(desired.base_T_tcp[:3, 3])
        goal = se3.advance(desired.base_T_tcp, desired.twist * self._lags)
        ahead = goal[:3, 3]
        nearest, _ = self._room.nearest(ahead)
        if nearest is ahead:
            return goal, desired.twist, why
        feed = desired.twist.copy()
        feed[:3][nearest != ahead] = 0.0
        goal[:3, 3] = nearest
        return goal, feed, why

    def _guarded(self, lead: Array, dt: float) -> Motion:
        """The motion nearest to that of `lead`, on the way from braking to it, from which braking still ends inside.

        Braking from the last motion ends where the last tick saw that it would, so it is always open.
        """
        wanted = self._smooth_linear.towards(self._linear, lead, dt)
        if self._stops_inside(wanted, dt):
            return wanted
        safe = self._smooth_linear.braked(self._linear, dt)
        low, high, found = 0.0, 1.0, safe
        for _ in range(GUARD_STEPS):
            middle = 0.5 * (low + high)
            motion = self._smooth_linear.towards(self._linear, safe.lead + middle * (lead - safe.lead), dt)
            if self._stops_inside(motion, dt):
                low, found = middle, motion
            else:
                high = middle
        return found

    def _stops_inside(self, motion: Motion, dt: float) -> bool:
        """Whether the arm stays where it is allowed if it brakes after this tick: it moves towards the point ahead,
        which moves on a straight way to where it stops."""
        xyz = self._pose[:3, 3]
        ahead = xyz + motion.velocity * (dt + self._smooth_linear.lag_s)
        stop = steering.stopping_point(ahead, motion.lead, self._limits.max_linear_acceleration)
        return self._room.allows(xyz, ahead, stop)

    def _advance(self, linear: Motion, angular: Motion, dt: float) -> None:
        self._linear, self._angular = linear, angular
        self._twist = np.concatenate([linear.velocity, angular.velocity])
        self._pose = se3.advance(self._pose, self._twist * dt)
