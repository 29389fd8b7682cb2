"""The robot's states of the last seconds, and the state at any time between them."""

from bisect import bisect_left

import numpy as np

from gear_vla_ros.contracts import ArmState, ContractError, RobotState
from gear_vla_ros.geometry import se3


class StateHistory:
    """States in the order of their capture. One thread.

    max_age_s: states older than this, counted from the newest, are dropped. max_gap_s: nothing is interpolated between
    neighbours that are further apart.
    """

    def __init__(self, max_age_s: float = 2.0, max_gap_s: float = 0.1) -> None:
        self._max_age_ns, self._max_gap_ns = round(max_age_s * 1e9), round(max_gap_s * 1e9)
        self._stamps: list[int] = []
        self._states: list[RobotState] = []

    def add(self, state: RobotState) -> None:
        """Keep `state`. Raises ContractError when its stamp is not after the newest one, or its arms are others."""
        if self._states:
            self._check(state, self._states[-1])
        self._stamps.append(state.stamp_ns)
        self._states.append(state)
        expired = bisect_left(self._stamps, state.stamp_ns - self._max_age_ns)
        del self._stamps[:expired], self._states[:expired]

    def _check(self, state: RobotState, newest: RobotState) -> None:
        if state.stamp_ns <= newest.stamp_ns:
            how = "again" if state.stamp_ns == newest.stamp_ns else "before the newest one"
            raise ContractError(f"state.stamp_ns: {state.stamp_ns} {how}, allowed are stamps after {newest.stamp_ns}")
        joints = {name: len(arm.q) for name, arm in state.arms.items()}
        before = {name: len(arm.q) for name, arm in newest.arms.items()}
        if joints != before:
            raise ContractError(f"state.arms: joints {joints}, allowed {before} as before")

    def at(self, stamp_ns: int) -> RobotState | None:
        """State at `stamp_ns`: poses on the SE(3) geodesic, the rest linear. None outside the history or over a gap."""
        after = bisect_left(self._stamps, stamp_ns)
        if after == len(self._stamps):
            return None
        if self._stamps[after] == stamp_ns:
            return self._states[after]
        if after == 0 or self._stamps[after] - self._stamps[after - 1] > self._max_gap_ns:
            return None
        return _between(self._states[after - 1], self._states[after], stamp_ns)

    @property
    def newest(self) -> RobotState | None:
        """The last state added."""
        return self._states[-1] if self._states else None

    @property
    def newest_ns(self) -> int:
        """Stamp of the last state added, 0 with none."""
        return self._stamps[-1] if self._stamps else 0

    def clear(self) -> None:
        """Forget everything, as after the clock was set back."""
        self._stamps.clear()
        self._states.clear()


def _between(a: RobotState, b: RobotState, stamp_ns: int) -> RobotState:
    f = (stamp_ns - a.stamp_ns) / (b.stamp_ns - a.stamp_ns)
    names = list(a.arms)
    poses = se3.interpolate(
        np.stack([a.arms[name].base_T_tcp for name in names]), np.stack([b.arms[name].base_T_tcp for name in names]), f
    )
    arms = {}
    for name, pose in zip(names, poses, strict=True):
        x, y = a.arms[name], b.arms[name]
        gripper = (1 - f) * x.gripper + f * y.gripper
        arms[name] = ArmState(pose, (1 - f) * x.q + f * y.q, (1 - f) * x.dq + f * y.dq, gripper)
    return RobotState(stamp_ns, arms)
