"""Whether the arms are where their targets are."""

from collections.abc import Mapping

import numpy as np

from gear_vla_ros.contracts import ArmTarget, RobotState
from gear_vla_ros.geometry import so3


class Tracking:
    """Limits on the distance between measured tools and their targets. One thread."""

    def __init__(self, max_m: float, max_rad: float) -> None:
        self._max_m, self._min_cos = max_m, float(np.cos(min(max_rad, np.pi)))

    def lost(self, state: RobotState, targets: Mapping[str, ArmTarget]) -> bool:
        """Whether any arm's measured pose is too far from its target."""
        return any(self._apart(state.arms[name].base_T_tcp, target.base_T_tcp) for name, target in targets.items())

    def _apart(self, measured: so3.Array, target: so3.Array) -> bool:
        offset = measured[:3, 3] - target[:3, 3]
        cos = 0.5 * (float(np.sum(measured[:3, :3] * target[:3, :3])) - 1.0)
        return bool(offset @ offset > self._max_m**2) or cos < self._min_cos
