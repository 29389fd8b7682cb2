"""Limits that no target exceeds."""

from pydantic import model_validator

from gear_vla_ros.settings.loading import Spec
from gear_vla_ros.settings.names import Name, Positive, Vector3

USUAL_JERK = 30.0
"""Jerk limit by acceleration limit [1/s] where the YAML names none: the acceleration is there after a tick."""


class BoxSpec(Spec):
    """An axis-aligned box in the arm's base frame [m]."""

    name: Name
    min: Vector3
    max: Vector3

    @model_validator(mode="after")
    def _has_volume(self) -> "BoxSpec":
        if any(low >= high for low, high in zip(self.min, self.max, strict=True)):
            raise ValueError(f"{self.name}: min {self.min} is not below max {self.max}")
        return self


class SafetySpec(Spec):
    """Limits of one arm that no target may exceed. Workspace corners in the arm's base frame [m]."""

    workspace_min: Vector3
    workspace_max: Vector3
    keep_out: tuple[BoxSpec, ...] = ()
    """Boxes that the tool point never enters, as a camera's stand; it stops before them, it does not go round."""
    max_linear_speed: Positive
    """m/s"""
    max_angular_speed: Positive
    """rad/s"""
    max_linear_acceleration: Positive
    """m/s^2"""
    max_angular_acceleration: Positive
    """rad/s^2"""
    max_linear_jerk: Positive | None = None
    """m/s^3; None: 30 times the acceleration a second, or the least that is allowed"""
    max_angular_jerk: Positive | None = None
    """rad/s^3; None: alike"""
    max_gripper_speed: Positive
    """full strokes a second"""

    @model_validator(mode="after")
    def _box_has_volume(self) -> "SafetySpec":
        if any(low >= high for low, high in zip(self.workspace_min, self.workspace_max, strict=True)):
            raise ValueError(f"workspace_min {self.workspace_min} is not below workspace_max {self.workspace_max}")
        return self

    @model_validator(mode="after")
    def _jerk_lets_brake(self) -> "SafetySpec":
        """Below it the acceleration limit would say nothing, and stopping would be a matter of the jerk alone."""
        given = {
            "linear": (self.max_linear_jerk, self.max_linear_acceleration, self.max_linear_speed),
            "angular": (self.max_angular_jerk, self.max_angular_acceleration, self.max_angular_speed),
        }
        for kind, (jerk, acceleration, speed) in given.items():
            if jerk is not None and jerk < (least := _least_jerk(acceleration, speed)):
                reason = f"2 max_{kind}_acceleration^2 / max_{kind}_speed"
                raise ValueError(f"max_{kind}_jerk {jerk:g}, allowed is {least:g} or more: {reason}")
        return self

    @property
    def linear_jerk(self) -> float:
        """The limit in force [m/s^3]."""
        return self.max_linear_jerk or _usual_jerk(self.max_linear_acceleration, self.max_linear_speed)

    @property
    def angular_jerk(self) -> float:
        """The limit in force [rad/s^3]."""
        return self.max_angular_jerk or _usual_jerk(self.max_angular_acceleration, self.max_angular_speed)

    @property
    def linear_lag_s(self) -> float:
        """How long the tool point's velocity needs to follow a change of what is wanted of it (docs/adr/0013)."""
        return 2 * self.max_linear_acceleration / self.linear_jerk

    @property
    def angular_lag_s(self) -> float:
        """The same of its rotation."""
        return 2 * self.max_angular_acceleration / self.angular_jerk

    @property
    def stopping_s(self) -> float:
        """Longest time from full speed to standstill, but for three ticks."""
        linear = self.max_linear_speed / self.max_linear_acceleration
        angular = self.max_angular_speed / self.max_angular_acceleration
        return max(
            linear + 2.5 * self.max_linear_acceleration / self.linear_jerk,
            angular + 2.5 * self.max_angular_acceleration / self.angular_jerk,
        )

    @property
    def stopping_m(self) -> float:
        """Longest way of the tool point from full speed to standstill [m]."""
        braking = self.max_linear_speed / (2 * self.max_linear_acceleration)
        return self.max_linear_speed * (braking + self.linear_lag_s)


def _least_jerk(acceleration: float, speed: float) -> float:
    return 2 * acceleration**2 / speed


def _usual_jerk(acceleration: float, speed: float) -> float:
    return max(USUAL_JERK * acceleration, _least_jerk(acceleration, speed))
