"""One chunk as motion in time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts import ActionChunk
from gear_vla_ros.geometry import se3

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Desired:
    """What the policy wants of one arm at one time.

    base_T_tcp: `[4, 4]`. twist: `[6]` (m/s, rad/s) in the base frame, linear part that of the tcp point. gripper: 0..1.
    """

    base_T_tcp: Array
    twist: Array
    gripper: float


class Course(Protocol):
    """Motion over time: one chunk, or several joined by a seam."""

    chunk: ActionChunk
    """The newest chunk in it."""

    def at(self, now_ns: int) -> Mapping[str, Desired]:
        """What is wanted at a time; beyond either end the nearest pose at zero twist."""
        ...


class Track:
    """A chunk's poses over time: step 0 is the anchor at the chunk's stamp, step i is due i / rate later.

    Between steps positions are linear and rotations geodesic; the gripper is linear, and before step 1 that of step 1.
    """

    def __init__(self, chunk: ActionChunk) -> None:
        self.chunk = chunk
        self._arms = list(chunk.arms)
        anchors = np.stack([chunk.arms[arm].base_T_anchor for arm in self._arms])
        steps = np.stack([chunk.arms[arm].base_T_tcp() for arm in self._arms])
        self._poses = np.concatenate([anchors[:, None], steps], axis=1)
        self._moves = se3.difference(self._poses[:, :-1], self._poses[:, 1:])
        grippers = np.stack([chunk.arms[arm].gripper for arm in self._arms])
        self._grippers = np.concatenate([grippers[:, :1], grippers], axis=1)

    def at(self, now_ns: int) -> dict[str, Desired]:
        """What is wanted of each arm at `now_ns`."""
        chunk = self.chunk
        at_step = (now_ns - chunk.stamp_ns) * 1e-9 * chunk.rate_hz
        within = 0.0 <= at_step < chunk.steps
        at_step = min(max(at_step, 0.0), float(chunk.steps))
        i = min(int(at_step), chunk.steps - 1)
        f = at_step - i
        moves = self._moves[:, i]
        poses = se3.advance(self._poses[:, i], f * moves)
        twists = moves * chunk.rate_hz if within else np.zeros_like(moves)
        grippers = (1 - f) * self._grippers[:, i] + f * self._grippers[:, i + 1]
        return {arm: Desired(poses[k], twists[k], float(grippers[k])) for k, arm in enumerate(self._arms)}
