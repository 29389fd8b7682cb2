"""Robots, models and run-time options: typed, validated, read from YAML; unknown keys are refused."""

from gear_vla_ros.settings.commands import CommandInterface, CommandSpec, GripperSpec
from gear_vla_ros.settings.errors import SettingsError
from gear_vla_ros.settings.robot import ArmSpec, CameraSpec, RobotSpec, load_robot, robot_names
from gear_vla_ros.settings.runtime import RuntimeSpec
from gear_vla_ros.settings.safety import SafetySpec

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
