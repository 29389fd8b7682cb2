"""Where one tool point may be: in the workspace box, outside of the keep-out boxes."""

import numpy as np

from gear_vla_ros.runtime.steering import Array
from gear_vla_ros.settings.robot import SafetySpec

OUTSIDE_M = 0.001
"""Distance from which a wanted point counts as not allowed."""
TOUCH_M = 1e-9
"""A way that goes no deeper into a box than this only touches it."""


class Room:
    """The allowed points of one arm, in its base frame."""

    def __init__(self, limits: SafetySpec) -> None:
        self._low, self._high = np.array(limits.workspace_min), np.array(limits.workspace_max)
        self._boxes = [(np.array(box.min), np.array(box.max)) for box in limits.keep_out]

    def nearest(self, xyz: Array) -> tuple[Array, str]:
        """The nearest allowed point (`xyz` itself if it is one), and what moved it: `workspace`, `keep_out` or ''."""
        found, why = xyz, ""
        inside = np.minimum(np.maximum(xyz, self._low), self._high)
        if (inside != xyz).any():
            found, why = inside, "workspace" if np.abs(inside - xyz).max() > OUTSIDE_M else ""
        for low, high in self._boxes:
            if np.all((found > low) & (found < high)):
                found, why = self._out_of(found, low, high), "keep_out"
        return found, why

    def _out_of(self, xyz: Array, low: Array, high: Array) -> Array:
        """The nearest point on a face of the box that lies in the workspace; `xyz` with the box filling it."""
        ways = [(xyz[i] - low[i], i, low[i]) for i in range(3) if low[i] >= self._low[i]]
        ways += [(high[i] - xyz[i], i, high[i]) for i in range(3) if high[i] <= self._high[i]]
        out = xyz.copy()
        if ways:
            _, axis, face = min(ways)
            out[axis] = face
        return out

    def allows(self, begin: Array, end: Array) -> bool:
        """Whether the straight way stays allowed.

        A way that begins outside of the workspace may come in but not go farther out; one that begins in a keep-out box
        may leave it.
        """
        if not np.all((end >= np.minimum(self._low, begin)) & (end <= np.maximum(self._high, begin))):
            return False
        return not any(_crosses(begin, end, low + TOUCH_M, high - TOUCH_M) for low, high in self._boxes)


def _crosses(begin: Array, end: Array, low: Array, high: Array) -> bool:
    """Whether a segment that begins outside of a box enters it (slab method, Kay and Kajiya 1986)."""
    first, last = 0.0, 1.0
    for a, b, near, far in zip(begin.tolist(), end.tolist(), low.tolist(), high.tolist(), strict=True):
        if a == b:
            if not near < a < far:
                return False
            continue
        enters, leaves = (near - a) / (b - a), (far - a) / (b - a)
        first, last = max(first, min(enters, leaves)), min(last, max(enters, leaves))
        if first >= last:
            return False
    return first > 0.0
