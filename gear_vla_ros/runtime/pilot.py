"""One arm's goal, moved by a device from where the tool is."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts import ArmTarget, ContractError
from gear_vla_ros.geometry import se3
from gear_vla_ros.runtime.refused import Refused
from gear_vla_ros.runtime.steering import BRAKE_SHARE, Array
from gear_vla_ros.settings.safety import SafetySpec
from gear_vla_ros.settings.teleop import TeleopSpec

SMOOTHING_S = 0.05
"""Time constant of the velocity that is carried on between poses; it also takes the noise of a tracker out of it."""
CATCH = 0.05
"""Distance from the robot's gripper at which a device's own opening takes hold of it."""


@dataclass(frozen=True)
class DevicePose:
    """Where a leader's tool or a hand is, in any fixed frame: `[4, 4]`."""

    stamp_ns: int
    pose: Array


@dataclass(frozen=True)
class DeviceTwist:
    """How fast the tool is to move: `[6]`, m/s and rad/s, in the axes of the arm's base, or of the tool."""

    stamp_ns: int
    twist: Array
    in_tool: bool = False
    opening_rate: float = 0.0
    """Full strokes a second, positive opens."""


Sample = DevicePose | DeviceTwist


class Pilot:
    """From device samples to a goal, by the samples' stamps. One thread.

    Motion is relative: `engage` puts the goal to where the tool comes to rest, and each sample moves it by what the
    device moved, translation scaled, rotation along the geodesic. Summed up so, any turn of the hand has its goal, and
    with a scale of 1 the sum is exactly the motion since the clutch was pressed. base_R_device: `[3, 3]`.
    """

    def __init__(self, spec: TeleopSpec, limits: SafetySpec, base_R_device: Array | None = None) -> None:
        self._spec, self._limits = spec, limits
        self._base_R_device = np.eye(3) if base_R_device is None else base_R_device
        self._lead_ns, self._timeout_ns = round(spec.lead_s * 1e9), round(spec.timeout_s * 1e9)
        self._goal: Array = np.eye(4)
        self._velocity = np.zeros(6)
        self._device: Array | None = None
        self._opening_rate = 0.0
        self._apart: float | None = None
        self.opening = 0.0
        self.stamp_ns = 0
        """Of the last sample that was taken, 0 before the first."""

    def engage(self, target: ArmTarget) -> None:
        """Anchor here: the goal is where the tool stops if it brakes now, and the device may be anywhere."""
        self._goal = se3.advance(target.base_T_tcp, self._stopping(target.twist))
        self._velocity, self._opening_rate = np.zeros(6), 0.0
        self._device, self._apart = None, None
        self.opening = min(max(target.gripper, 0.0), 1.0)

    def rest(self) -> None:
        """Stand still at the goal, as with the clutch open; the device's next pose is an anchor."""
        self._velocity, self._opening_rate = np.zeros(6), 0.0
        self._device = None

    def hear(self, sample: Sample) -> None:
        """Remember a sample's time without following it. Raises ContractError for stamps that do not go on."""
        if sample.stamp_ns <= self.stamp_ns:
            raise ContractError(f"stamp {sample.stamp_ns}: allowed are stamps after {self.stamp_ns}, the last one's")
        self.stamp_ns = sample.stamp_ns

    def take(self, sample: Sample) -> None:
        """Move the goal by a sample. Raises ContractError for stamps that do not go on, Refused with cause `jump`."""
        before_ns = self.stamp_ns
        self.hear(sample)
        if isinstance(sample, DeviceTwist):
            self._take_twist(sample, before_ns)
        else:
            self._take_pose(sample, before_ns)

    def _take_twist(self, sample: DeviceTwist, before_ns: int) -> None:
        carried_s = min(sample.stamp_ns - before_ns, self._lead_ns) * 1e-9
        self._goal = se3.advance(self._goal, self._velocity * carried_s)
        self.opening = min(max(self.opening + self._opening_rate * carried_s, 0.0), 1.0)
        axes = self._goal[:3, :3] if sample.in_tool else np.eye(3)
        self._velocity = np.concatenate([axes @ sample.twist[:3], axes @ sample.twist[3:]])
        self._opening_rate = sample.opening_rate

    def _take_pose(self, sample: DevicePose, before_ns: int) -> None:
        last, self._device = self._device, sample.pose
        passed_ns = sample.stamp_ns - before_ns
        if last is None or passed_ns > self._timeout_ns:
            self._velocity = np.zeros(6)
            return
        moved = se3.difference(last, sample.pose)
        way, angle = float(np.linalg.norm(moved[:3])), float(np.linalg.norm(moved[3:]))
        if way > self._spec.jump_m or angle > self._spec.jump_rad:
            self._velocity = np.zeros(6)
            allowed = f"{self._spec.jump_m:g} m and {self._spec.jump_rad:g} rad (teleop.jump_m, jump_rad)"
            raise Refused("jump", f"{way:.3f} m and {angle:.2f} rad in {passed_ns * 1e-6:.0f} ms, allowed {allowed}")
        linear = self._spec.scale * self._base_R_device @ moved[:3]
        angular = self._spec.rotation_scale * self._base_R_device @ moved[3:]
        displacement = np.concatenate([linear, angular])
        self._goal = se3.advance(self._goal, displacement)
        weight = 1.0 - math.exp(-passed_ns * 1e-9 / SMOOTHING_S)
        self._velocity = self._velocity + weight * (displacement / (passed_ns * 1e-9) - self._velocity)

    def open_to(self, opening: float) -> None:
        """A device's own opening, 0 to 1. It is followed once it has met the robot's, so that nothing is dropped."""
        apart = opening - self.opening
        if self._apart is not None and (abs(apart) <= CATCH or apart * self._apart <= 0.0):
            self._apart = 0.0
        if self._apart is None:
            self._apart = 0.0 if abs(apart) <= CATCH else apart
        if self._apart == 0.0:
            self.opening = min(max(opening, 0.0), 1.0)

    def toggle(self) -> None:
        """Close the gripper if it is open, open it if it is closed; how fast is the safety filter's."""
        self.opening = 0.0 if self.opening > 0.5 else 1.0

    def at(self, now_ns: int) -> Array:
        """The goal `[4, 4]`: the last sample's, with its motion carried on for `lead_s`."""
        return se3.advance(self._goal, self._velocity * self._carried_s(now_ns))

    def ahead(self, times_ns: NDArray[np.int64]) -> tuple[Array, Array]:
        """Goals `[K, 4, 4]` and gripper openings `[K]`, 0 closed to 1 open, at several times, carried on alike."""
        carried_s = np.clip(times_ns - self.stamp_ns, 0, self._lead_ns) * 1e-9
        openings = np.clip(self.opening + self._opening_rate * carried_s, 0.0, 1.0)
        return se3.advance(self._goal, carried_s[:, None] * self._velocity), openings

    def keep_near(self, base_T_tcp: Array, now_ns: int, held: bool) -> None:
        """Let the goal be no farther from the robot's target than the leash; while the robot is held, right at it."""
        ahead = se3.difference(base_T_tcp, self.at(now_ns))
        leash = (0.0, 0.0) if held else (self._spec.leash_m, self._spec.leash_rad)
        way, angle = float(np.linalg.norm(ahead[:3])), float(np.linalg.norm(ahead[3:]))
        if way <= leash[0] and angle <= leash[1]:
            return
        share = [min(1.0, leash[0] / way) if way > 0 else 1.0, min(1.0, leash[1] / angle) if angle > 0 else 1.0]
        near = se3.advance(base_T_tcp, ahead * np.repeat(share, 3))
        self._goal = se3.advance(near, -self._velocity * self._carried_s(now_ns))

    def _carried_s(self, now_ns: int) -> float:
        return min(max(now_ns - self.stamp_ns, 0), self._lead_ns) * 1e-9

    def _stopping(self, twist: Array) -> Array:
        """Displacement `[6]` of braking from a twist, as the safety filter plans it."""
        linear, angular = float(np.linalg.norm(twist[:3])), float(np.linalg.norm(twist[3:]))
        limits = self._limits
        linear_s = linear / (2 * BRAKE_SHARE * limits.max_linear_acceleration) + limits.linear_lag_s
        angular_s = angular / (2 * BRAKE_SHARE * limits.max_angular_acceleration) + limits.angular_lag_s
        result: Array = twist * np.repeat([linear_s, angular_s], 3)
        return result
