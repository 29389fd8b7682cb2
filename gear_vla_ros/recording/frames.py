"""Transform tree from recorded /tf, and the pinhole projection into a recorded camera."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.geometry import se3
from gear_vla_ros.settings import CameraSpec

Array = NDArray[np.float64]
NEAR_M = 0.02
"""What is closer to the camera's plane, or behind it, is not drawn."""


class FrameTree:
    """Newest transform of every child frame; `add` in the order of time."""

    def __init__(self, messages: Iterable[Any] = ()) -> None:
        """messages: tf2_msgs/TFMessage, static ones first."""
        self._parents: dict[str, tuple[str, Array]] = {}
        for message in messages:
            for one in message.transforms:
                self._parents[one.child_frame_id.lstrip("/")] = (one.header.frame_id.lstrip("/"), _pose(one.transform))

    def between(self, a: str, b: str) -> Array | None:
        """`a_T_b` [4, 4]; None when no chain of transforms joins the two frames."""
        above_a, above_b = self._ancestors(a), self._ancestors(b)
        common = next((frame for frame in above_a if frame in above_b), None)
        return None if common is None else se3.inverse(above_a[common]) @ above_b[common]

    def _ancestors(self, frame: str) -> dict[str, Array]:
        """`ancestor_T_frame` of the frame itself and of all above it."""
        found = {frame: np.eye(4)}
        here, here_T_frame = frame, np.eye(4)
        while here in self._parents and self._parents[here][0] not in found:
            here, parent_T_child = self._parents[here]
            here_T_frame = parent_T_child @ here_T_frame
            found[here] = here_T_frame
        return found


@dataclass(frozen=True)
class Pinhole:
    """Intrinsics in pixels of an image `width` x `height`."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    @classmethod
    def from_info(cls, info: Any) -> "Pinhole | None":
        """From a sensor_msgs/CameraInfo; None when it is not calibrated."""
        k = info.k
        return cls(info.width, info.height, k[0], k[4], k[2], k[5]) if k[0] > 0 and info.width > 0 else None

    @classmethod
    def from_spec(cls, camera: CameraSpec) -> "Pinhole":
        """From the robot's YAML."""
        return cls(camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy)

    def scaled(self, width: int, height: int) -> "Pinhole":
        """The same camera for an image of another size. Pixel centres are at whole numbers."""
        x, y = width / self.width, height / self.height
        return Pinhole(width, height, self.fx * x, self.fy * y, (self.cx + 0.5) * x - 0.5, (self.cy + 0.5) * y - 0.5)

    def project(self, points: Array) -> Array:
        """Pixels `[N, 2]` of points `[N, 3]` in the optical frame [m]; NaN where a point is not before the camera."""
        z = np.where(points[:, 2] > NEAR_M, points[:, 2], np.nan)
        return np.stack([self.fx * points[:, 0] / z + self.cx, self.fy * points[:, 1] / z + self.cy], axis=1)


def chunk_points(chunk: Any) -> Mapping[str, tuple[str, Array, Array]]:
    """Of each arm of a gear_vla_ros/ActionChunk: base frame, tool positions `[1 + K, 3]` in it [m], gripper `[K]`.

    The first position is the anchor, the place of the tool at the chunk's stamp.
    """
    found: dict[str, tuple[str, Array, Array]] = {}
    for arm in chunk.arms:
        base_T_anchor = _pose(arm.anchor.pose)
        steps = [base_T_anchor, *(base_T_anchor @ _pose(pose) for pose in arm.anchor_t_tcp)]
        found[arm.arm] = (arm.anchor.header.frame_id.lstrip("/"), np.stack(steps)[:, :3, 3], np.asarray(arm.gripper))
    return found


def _pose(pose: Any) -> Array:
    """[4, 4] of a geometry_msgs/Pose or Transform."""
    place = pose.position if hasattr(pose, "position") else pose.translation
    turn = pose.orientation if hasattr(pose, "orientation") else pose.rotation
    return se3.from_xyz_quat(np.array([place.x, place.y, place.z]), np.array([turn.x, turn.y, turn.z, turn.w]))
