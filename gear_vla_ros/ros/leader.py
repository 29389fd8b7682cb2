"""A leader arm's JointState to the pose that the robot's own arm would have."""

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import JointState

from gear_vla_ros.contracts import ContractError
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.ros.joint_states import numbers
from gear_vla_ros.settings import RobotSpec
from gear_vla_ros.settings.errors import did_you_mean


class LeaderReader:
    """One leader, by the names of the robot's YAML. For one thread, as the model."""

    def __init__(self, robot: RobotSpec, arm: str, model: RobotModel) -> None:
        spec, leader = robot.arm(arm), robot.teleop.leader.arm(arm)
        self._arm, self._model = arm, model
        self._topic = robot.teleop.leader.topic(arm)
        self._names = list(leader.names or (*spec.joints, spec.gripper.joint))
        self._signs = np.array(leader.signs or [1] * len(spec.joints), dtype=np.float64)
        self._offsets = np.array(leader.offsets_rad or [0.0] * len(spec.joints), dtype=np.float64)
        self._closed = spec.gripper.closed if leader.gripper_closed is None else leader.gripper_closed
        self._open = spec.gripper.open if leader.gripper_open is None else leader.gripper_open

    def read(self, message: JointState) -> tuple[NDArray[np.float64], float]:
        """`base_T_tcp` `[4, 4]` and gripper opening, 0 to 1. Raises ContractError: missing joints, NaN, lengths."""
        found = list(message.name)
        if missing := [name for name in self._names if name not in found]:
            hint = did_you_mean(missing[0], found)
            raise ContractError(
                f"{self._topic}: name lacks {', '.join(missing)}{hint}; found {', '.join(found) or 'none'}"
            )
        position = numbers("position", message.position, found)
        values = position[[found.index(name) for name in self._names]]
        pose = self._model.fk(self._arm, self._signs * (values[:-1] - self._offsets))
        opening = (float(values[-1]) - self._closed) / (self._open - self._closed)
        return pose, min(max(opening, 0.0), 1.0)
