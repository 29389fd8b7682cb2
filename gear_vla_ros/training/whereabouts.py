"""Where objects are and how they lie, as the grounding losses ask for it: from tools, from bases, and in pictures."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts import ViewRole
from gear_vla_ros.engines.arrays import region
from gear_vla_ros.geometry import se3
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.settings import RobotSpec

UNSEEN, LEAST_DEPTH_M = -1.0, 0.01
"""Where a view shows what is behind its camera."""
FOLDS = 2, 4
LIES_NUMBERS = 2 * len(FOLDS)
"""How an object lies in one frame: a cosine and a sine each."""
TURN_NUMBERS = 2 * LIES_NUMBERS
"""In the tool's frame, then in the base's."""
TURNED: Mapping[str, tuple[int, ...]] = {"block": FOLDS, "bar": FOLDS, "cube": (4,)}
"""After what share of a full turn an object looks the same; others look so after any."""
FLAT = 0.7
"""Least length of the x axis, seen along the frame's z."""
Frames = tuple[NDArray[np.float64], NDArray[np.float64]]


def frames_of(base_T_tcp: NDArray[np.float64], base_T_world: NDArray[np.float64]) -> Frames:
    """`tcp_T_world` and `base_T_world`: from where `places` and `turns` are told."""
    return se3.inverse(base_T_tcp) @ base_T_world, base_T_world


def places(objects: NDArray[np.float64], frames: Frames) -> NDArray[np.float64]:
    """`[M, 6]`: world points `[M, 3]` in each of the frames [m]."""
    return np.concatenate([objects @ each[:3, :3].T + each[:3, 3] for each in frames], axis=1)


def turns(kind: str, world_T_object: NDArray[np.float64], frames: Frames) -> list[float]:
    """`[TURN_NUMBERS]`: how an object lies in each of the frames: cosine and sine of twice the angle of its x axis,
    across which it is narrow, and of four times. NaN where that is not to be seen, a square is the same after a
    quarter, and where the object has fallen over, so that its x axis stands up."""
    found = []
    for frame_T_world in frames:
        x, y, _ = (frame_T_world @ world_T_object)[:3, 0]
        folds = TURNED.get(kind, ()) if math.hypot(x, y) > FLAT else ()
        for fold in FOLDS:
            angle = fold * math.atan2(y, x) if fold in folds else math.nan
            found += [math.cos(angle), math.sin(angle)]
    return found


def points(
    objects: NDArray[np.float64],
    robot: RobotSpec,
    role: ViewRole,
    model: RobotModel,
    q: Mapping[str, NDArray[np.float64]],
) -> NDArray[np.float64]:
    """`[M, 2]`: where a view shows world points `[M, 3]`, shares of its width and height, bars included."""
    camera = next(camera for camera in robot.cameras if camera.role == role)
    camera_T_world = se3.inverse(model.world_T_frame(camera.frame, q))
    x, y, z = (objects @ camera_T_world[:3, :3].T + camera_T_world[:3, 3]).T
    ahead = np.maximum(z, LEAST_DEPTH_M)
    pixels = np.stack([camera.fx * x / ahead + camera.cx, camera.fy * y / ahead + camera.cy], axis=1)
    left, top, right, bottom = region(camera.width, camera.height, robot, camera.role)
    middle, side = np.array([left + right, top + bottom]) / 2, max(right - left, bottom - top)
    return np.where((z > LEAST_DEPTH_M)[:, None], 0.5 + (pixels - middle) / side, UNSEEN)
