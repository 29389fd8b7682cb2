"""What a gamepad's axes and buttons say to an arm."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gear_vla_ros.contracts import ContractError
from gear_vla_ros.runtime.pilot import DeviceTwist
from gear_vla_ros.settings.teleop import AxisSpec, TeleopSpec


@dataclass(frozen=True)
class PadState:
    """For which arm, whether the clutch is pressed, and how fast."""

    arm: str
    clutched: bool
    motion: DeviceTwist


class Gamepad:
    """Remembers which arm is driven; the button for the next one counts while the clutch is open. One thread."""

    def __init__(self, spec: TeleopSpec, arms: Sequence[str]) -> None:
        self._spec, self._arms = spec, list(arms)
        self._at = 0
        self._switching = True
        self._axes = [spec.joy.x, spec.joy.y, spec.joy.z, spec.joy.roll, spec.joy.pitch, spec.joy.yaw]

    def read(self, stamp_ns: int, axes: Sequence[float], buttons: Sequence[int]) -> PadState:
        """One message. Raises ContractError when an axis or button of the YAML is not in it, or for NaN."""
        joy = self._spec.joy
        if (most := max(axis.axis for axis in self._axes)) >= len(axes):
            raise ContractError(f"{joy.topic}: {len(axes)} axes, teleop.joy asks for axis {most}")
        used = joy.clutch_button, joy.close_button, joy.open_button, joy.arm_button
        if max(used) >= len(buttons):
            raise ContractError(f"{joy.topic}: {len(buttons)} buttons, teleop.joy asks for button {max(used)}")
        clutched, close, open_, switch = (bool(buttons[index]) for index in used)
        if switch and not self._switching and not clutched:
            self._at = (self._at + 1) % len(self._arms)
        self._switching = switch
        deflections = np.array([self._deflection(axes, axis) for axis in self._axes])
        twist = deflections * np.repeat([self._spec.linear_speed, self._spec.angular_speed], 3)
        rate = (float(open_) - float(close)) * self._spec.gripper_speed
        return PadState(self._arms[self._at], clutched, DeviceTwist(stamp_ns, twist, joy.frame == "tool", rate))

    def _deflection(self, axes: Sequence[float], spec: AxisSpec) -> float:
        """-1 to 1, from 0 at the edge of the dead zone on."""
        value, dead = float(axes[spec.axis]), self._spec.joy.deadzone
        if not np.isfinite(value):
            raise ContractError(f"{self._spec.joy.topic}: axis {spec.axis} is {value}, allowed -1 to 1")
        beyond = max(0.0, min(abs(value), 1.0) - dead) / (1.0 - dead)
        return float(np.copysign(beyond, value)) * spec.sign
