"""Joint states of each arm's own driver -> one message with the URDF's names."""

from dataclasses import dataclass

from sensor_msgs.msg import JointState

from gear_vla_ros.contracts import ContractError
from gear_vla_ros.ros.stamps import to_msg, to_ns
from gear_vla_ros.settings import ArmSpec, RobotSpec
from gear_vla_ros.settings.errors import did_you_mean

Values = list[float]


@dataclass(frozen=True)
class _Taken:
    """One arm's. velocity is empty where the driver gives none."""

    stamp_ns: int
    position: Values
    velocity: Values


class JointStateJoiner:
    """The newest of each arm, joined when all have a new one; stamped with the oldest of them. For one thread."""

    def __init__(self, spec: RobotSpec) -> None:
        """Raises ValueError when no arm has `driver_states`."""
        self._arms: dict[str, ArmSpec] = {arm.name: arm for arm in spec.arms if arm.driver_states is not None}
        if not self._arms:
            raise ValueError(f"robot {spec.name}: no arm has driver_states; there is nothing to join")
        self._max_skew_s = spec.sync.max_skew_s
        self._newest: dict[str, _Taken] = {}

    def take(self, arm: str, message: JointState) -> JointState | None:
        """One arm's message; the joined one when it completes a set.

        Raises ContractError: names missing, lengths that differ, a stamp of zero, arms further apart in time than
        `sync.max_skew_s`. NaN passes: whoever reads the joined message refuses it, as it would the driver's.
        """
        self._newest[arm] = _Taken(to_ns(message.header.stamp), *self._values(self._arms[arm], message))
        if len(self._newest) < len(self._arms):
            return None
        taken = self._newest
        oldest = min(taken, key=lambda name: taken[name].stamp_ns)
        skew_s = (max(one.stamp_ns for one in taken.values()) - taken[oldest].stamp_ns) * 1e-9
        if skew_s > self._max_skew_s:
            del taken[oldest]
            raise ContractError(f"joint states of {oldest}: {skew_s:.3f} s older, allowed {self._max_skew_s:g} s")
        self._newest = {}
        joined = JointState()
        joined.header.stamp = to_msg(taken[oldest].stamp_ns)
        for name, one in taken.items():
            joined.name.extend([*self._arms[name].joints, self._arms[name].gripper.joint])
            joined.position.extend(one.position)
        if all(one.velocity for one in taken.values()):
            joined.velocity = [value for one in taken.values() for value in one.velocity]
        return joined

    @staticmethod
    def _values(arm: ArmSpec, message: JointState) -> tuple[Values, Values]:
        """Positions and velocities in the YAML's order, the gripper as the URDF's joint has it."""
        states = arm.driver_states
        assert states is not None
        if to_ns(message.header.stamp) == 0:
            raise ContractError(f"{states.topic}: stamp of zero, allowed are capture times")
        names = list(message.name)
        missing = [name for name in states.names if name not in names]
        if missing:
            hint, found = did_you_mean(missing[0], names), ", ".join(names) or "none"
            raise ContractError(f"{states.topic}: lacks {', '.join(missing)}{hint}; found {found}")
        at = [names.index(name) for name in states.names]
        parts: list[Values] = []
        for field, values in (("position", message.position), ("velocity", message.velocity)):
            if field == "velocity" and not values:
                parts.append([])
                continue
            if len(values) != len(names):
                raise ContractError(
                    f"{states.topic}: {len(values)} values of {field}, allowed {len(names)}, one a name"
                )
            ordered = [float(values[i]) for i in at]
            parts.append([*ordered[:-1], ordered[-1] / states.gripper_scale])
        return parts[0], parts[1]
