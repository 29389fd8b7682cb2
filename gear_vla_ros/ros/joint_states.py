"""JointState -> RobotState: by name, whatever the order."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import JointState

from gear_vla_ros.contracts import ArmState, ContractError, RobotState
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.ros.stamps import to_ns
from gear_vla_ros.settings import RobotSpec
from gear_vla_ros.settings.errors import did_you_mean

Array = NDArray[np.float64]


class JointStateReader:
    """For one thread: it remembers where each joint stands in the message, and the last positions.

    Where a driver gives no velocities they are the differences of two consecutive positions, zero at first.
    """

    def __init__(self, spec: RobotSpec, model: RobotModel) -> None:
        self._spec, self._model = spec, model
        self._names: list[str] | None = None
        self._index: dict[str, tuple[NDArray[np.int64], int]] = {}
        self._last: tuple[int, Array] | None = None

    def read(self, message: JointState) -> RobotState:
        """Raises ContractError: missing or repeated names, lengths that differ, NaN, a stamp of zero."""
        stamp_ns = to_ns(message.header.stamp)
        names = list(message.name)
        if names != self._names:
            self._find(names)
        position = numbers("position", message.position, names)
        velocity = numbers("velocity", message.velocity, names) if message.velocity else self._slope(stamp_ns, position)
        arms = {arm: self._arm(arm, position, velocity) for arm in self._index}
        state = RobotState(stamp_ns, arms)
        self._last = stamp_ns, position
        return state

    def _arm(self, arm: str, position: Array, velocity: Array) -> ArmState:
        joints, gripper = self._index[arm]
        q = position[joints]
        opening = self._model.gripper_to_unit(arm, float(position[gripper]))
        return ArmState(self._model.fk(arm, q), q, velocity[joints], opening)

    def _slope(self, stamp_ns: int, position: Array) -> Array:
        if self._last is None or stamp_ns <= self._last[0] or len(self._last[1]) != len(position):
            return np.zeros_like(position)
        slope: Array = (position - self._last[1]) / ((stamp_ns - self._last[0]) * 1e-9)
        return slope

    def _find(self, names: list[str]) -> None:
        """Look the joints up in a new order of names."""
        at = {name: i for i, name in enumerate(names)}
        if len(at) != len(names):
            repeated = sorted({name for name in names if names.count(name) > 1})
            raise ContractError(f"joint_state.name: {', '.join(repeated)} more than once")
        wanted = [name for arm in self._spec.arms for name in (*arm.joints, arm.gripper.joint)]
        missing = [name for name in wanted if name not in at]
        if missing:
            hint = did_you_mean(missing[0], names)
            raise ContractError(
                f"joint_state.name: lacks {', '.join(missing)}{hint}; found {', '.join(names) or 'none'}"
            )
        self._names, self._last = names, None
        self._index = {
            arm.name: (np.array([at[name] for name in arm.joints]), at[arm.gripper.joint]) for arm in self._spec.arms
        }


def numbers(field: str, values: Any, names: list[str]) -> Array:
    """One finite number a name. Raises ContractError."""
    found = np.array(values, dtype=np.float64)
    if len(found) != len(names):
        raise ContractError(f"joint_state.{field}: {len(found)} values, allowed {len(names)}, one a name")
    if not np.isfinite(found).all():
        name = names[int(np.argmin(np.isfinite(found)))]
        raise ContractError(f"joint_state.{field}: NaN or infinity at '{name}', allowed are finite numbers")
    return found
