"""Where one tool point may be: in the workspace box, outside of the keep-out boxes."""

import numpy as np

from gear_vla_ros.runtime.steering import Array
from gear_vla_ros.settings.safety import SafetySpec

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

    def allows(self, begin: Array, *way: Array) -> bool:
        """Whether all between `begin` and one or two further points stays allowed: a straight way, or a triangle.

        What begins outside of the workspace may come in but not go farther out; what begins in a keep-out box may
        leave it.
        """
        points = np.stack([begin, *way])
        if not np.all((points >= np.minimum(self._low, begin)) & (points <= np.maximum(self._high, begin))):
            return False
        return not any(_enters(points, low + TOUCH_M, high - TOUCH_M) for low, high in self._boxes)


def _enters(points: Array, low: Array, high: Array) -> bool:
    """Whether a segment or triangle `[2 or 3, 3]` that begins outside of a box meets it (separating axes, Ericson 2005,
    5.2.9)."""
    if (points.min(axis=0) > high).any() or (points.max(axis=0) < low).any():
        return False
    if np.all((points[0] > low) & (points[0] < high)):
        return False
    half, centred = 0.5 * (high - low), points - 0.5 * (low + high)
    edges = centred - np.roll(centred, 1, axis=0)
    axes = np.concatenate([np.cross(edges[:, None], np.eye(3)).reshape(-1, 3), np.cross(edges[:1], edges[1:2])])
    along, reach = centred @ axes.T, np.abs(axes) @ half
    return not bool(((along.min(axis=0) > reach) | (along.max(axis=0) < -reach)).any())
