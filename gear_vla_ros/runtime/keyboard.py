"""What keys of a terminal say to an arm.

A terminal reports no releases: a key moves the arm for a moment, its repetition goes on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from gear_vla_ros.contracts import Clock
from gear_vla_ros.runtime.steering import Array
from gear_vla_ros.settings.teleop import TeleopSpec

KEY_S = 0.15
"""How long one key moves the arm; terminals repeat a held key every 30 to 40 ms, after a first pause."""
SPEEDS = (0.1, 0.25, 0.5, 1.0)
"""Shares of `linear_speed` and `angular_speed`."""
MOTIONS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        **{"w": (0, 1), "s": (0, -1), "a": (1, 1), "d": (1, -1), "r": (2, 1), "f": (2, -1)},
        **{"u": (3, -1), "o": (3, 1), "i": (4, 1), "k": (4, -1), "j": (5, 1), "l": (5, -1)},
    }
)
"""Key to axis (x, y, z, roll, pitch, yaw) and sign."""
HELP = (
    "w s forward, back · a d left, right · r f up, down · u o roll · i k pitch · j l yaw",
    "c clutch · space gripper · tab next arm · b base or tool axes · + - speed · x stop · q quit",
)


@dataclass(frozen=True)
class KeyState:
    """twist: `[6]`, m/s and rad/s. opening: None until the gripper key was pressed, or the robot's is known."""

    arm: str
    clutched: bool
    in_tool: bool
    twist: Array
    opening: float | None
    speed: float


class Keyboard:
    """One thread. `stop` and `quit` are set by their keys and stay."""

    def __init__(self, spec: TeleopSpec, arms: Sequence[str], clock: Clock) -> None:
        self._spec, self._arms, self._clock = spec, list(arms), clock
        self._at, self._speed = 0, 2
        self._clutched = self._in_tool = False
        self._pressed_ns: dict[str, int] = {}
        self._robot: dict[str, float] = {}
        self._chosen: dict[str, float] = {}
        self.stop = self.quit = False

    def press(self, key: str) -> None:
        """One key; others than those of `HELP` do nothing."""
        if key in MOTIONS:
            self._pressed_ns[key] = self._clock.now_ns()
        elif key in ("c", "\r", "\n"):
            self._clutched = not self._clutched
            self._chosen.clear()
        elif key == " ":
            arm = self._arms[self._at]
            self._chosen[arm] = 0.0 if self._chosen.get(arm, self._robot.get(arm, 1.0)) > 0.5 else 1.0
        elif key == "\t" and not self._clutched:
            self._at = (self._at + 1) % len(self._arms)
        elif key == "b":
            self._in_tool = not self._in_tool
        elif key in ("+", "=", "-"):
            self._speed = min(max(self._speed + (-1 if key == "-" else 1), 0), len(SPEEDS) - 1)
        elif key == "x":
            self.stop = True
        elif key == "q":
            self.quit = True

    def release(self) -> None:
        """Open the clutch."""
        self._clutched = False

    def robot_opening(self, arm: str, opening: float) -> None:
        """Where the robot's gripper is sent: said back until the gripper key is pressed, so that it stays."""
        self._robot[arm] = opening

    def state(self) -> KeyState:
        """What the keys say now."""
        now_ns, twist = self._clock.now_ns(), np.zeros(6)
        for key, pressed_ns in self._pressed_ns.items():
            if 0 <= now_ns - pressed_ns <= KEY_S * 1e9:
                axis, sign = MOTIONS[key]
                twist[axis] += sign
        twist *= SPEEDS[self._speed] * np.repeat([self._spec.linear_speed, self._spec.angular_speed], 3)
        arm = self._arms[self._at]
        opening = self._chosen.get(arm, self._robot.get(arm))
        return KeyState(arm, self._clutched, self._in_tool, twist, opening, SPEEDS[self._speed])
