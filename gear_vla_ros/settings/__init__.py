"""Robots, models and run-time options: typed, validated, read from YAML; unknown keys are refused."""

from gear_vla_ros.settings.errors import SettingsError
from gear_vla_ros.settings.robot import (
    ArmSpec,
    CameraSpec,
    CommandInterface,
    CommandSpec,
    GripperSpec,
    RobotSpec,
    SafetySpec,
    load_robot,
    robot_names,
)
from gear_vla_ros.settings.runtime import RuntimeSpec

__all__ = [
    "ArmSpec",
    "CameraSpec",
    "CommandInterface",
    "CommandSpec",
    "GripperSpec",
    "RobotSpec",
    "RuntimeSpec",
    "SafetySpec",
    "SettingsError",
    "load_robot",
    "robot_names",
]
