"""The values that pass between rooms, and the Protocols of whoever makes or takes them.

Everything here is a frozen value checked when it is built: a shape, a frame or a NaN that is wrong is refused at
this boundary with a `ContractError` and trusted behind it. Times are integer nanoseconds of *capture*.
"""

from gear_vla_ros.contracts.action import ActionChunk, ArmChunk, ArmTarget, CartesianTarget, Grade
from gear_vla_ros.contracts.checks import ContractError
from gear_vla_ros.contracts.clock import Clock, ManualClock, SystemClock
from gear_vla_ros.contracts.latent import KvCache, LatentAction
from gear_vla_ros.contracts.observation import (
    VIEW_ROLES,
    ArmState,
    Instruction,
    Observation,
    RobotState,
    SceneObject,
    ViewRole,
)
from gear_vla_ros.contracts.policy import Policy

__all__ = [
    "VIEW_ROLES",
    "ActionChunk",
    "ArmChunk",
    "ArmState",
    "ArmTarget",
    "CartesianTarget",
    "Clock",
    "ContractError",
    "Grade",
    "Instruction",
    "KvCache",
    "LatentAction",
    "ManualClock",
    "Observation",
    "Policy",
    "RobotState",
    "SceneObject",
    "SystemClock",
    "ViewRole",
]
