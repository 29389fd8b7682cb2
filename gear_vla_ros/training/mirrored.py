"""Two arms in a mirror: where a robot is its own mirror image, each sample says as much of the other side; ours.

The mirror is the x-z plane of the world, between the arms. In it x, z and what turns about y stay, y and what turns
about x or z change sign; left becomes right, and the pictures are seen from behind.
"""

import dataclasses
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gear_vla_ros.contracts import VIEW_ROLES
from gear_vla_ros.engines.arrays import SIDES
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.settings import RobotSpec
from gear_vla_ros.settings.model import ARMS
from gear_vla_ros.training.batch import Batch
from gear_vla_ros.training.losses import IGNORE
from gear_vla_ros.training.sides import OTHER_VIEW, changed
from gear_vla_ros.training.whereabouts import FOLDS, UNSEEN

ACROSS = np.diag([1.0, -1.0, 1.0, 1.0])
PICTURE = np.diag([-1.0, 1.0, 1.0, 1.0])
"""Of a camera's optical frame, whose x points to the right of the picture (REP 103)."""
XYZ = (1.0, -1.0, 1.0)
POSE = (*XYZ, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0)
"""Of xyz and rot6d: the first two columns of the rotation."""
ANGLES = (1.0, -1.0) * len(FOLDS)
"""Of how an object lies in one frame: cosines and sines."""
TRIES, NEAR = 4, 1e-6
PIXELS = 1.0
OTHER_ROLE = {role: VIEW_ROLES[other] for role, other in zip(VIEW_ROLES, OTHER_VIEW, strict=True)}


@dataclass(frozen=True)
class Mirror:
    """joints: by what each angle is multiplied to be that of the other arm."""

    joints: tuple[float, ...]


def mirror_of(robot: RobotSpec) -> Mirror:
    """Raises ValueError that says what of the robot is not its own mirror image."""
    model = RobotModel(robot)
    arms = [arm.name for arm in robot.arms]
    if sorted(arms) != sorted(SIDES):
        raise _no_mirror(robot, f"arms are {', '.join(arms)}, allowed {' and '.join(SIDES)}")
    left, right = SIDES
    if not np.allclose(ACROSS @ model.world_T_base(left) @ ACROSS, model.world_T_base(right), atol=NEAR):
        raise _no_mirror(robot, "the arms' bases are not each other's mirror image")
    limits, random = model.limits(left), np.random.default_rng(0)
    tried = random.uniform(limits.lower, limits.upper, (TRIES, len(limits.lower)))
    for signs in itertools.product((1.0, -1.0), repeat=tried.shape[1]):
        tips = ((ACROSS @ model.fk(left, q) @ ACROSS, model.fk(right, np.array(signs) * q)) for q in tried)
        if all(np.allclose(mine, other, atol=NEAR) for mine, other in tips):
            _check_cameras(robot, model, tried[0], np.array(signs))
            return Mirror(signs)
    raise _no_mirror(robot, "the arms are not each other's mirror image")


def _check_cameras(robot: RobotSpec, model: RobotModel, q: NDArray[np.float64], signs: NDArray[np.float64]) -> None:
    joints = dict(zip(SIDES, (q, signs * q), strict=True))
    cameras = {camera.role: camera for camera in robot.cameras}
    for role, camera in cameras.items():
        other = cameras.get(OTHER_ROLE[role])
        if other is None:
            raise _no_mirror(robot, f"no camera {OTHER_ROLE[role]}, but {role}")
        seen = ACROSS @ model.world_T_frame(camera.frame, joints) @ PICTURE
        if not np.allclose(seen, model.world_T_frame(other.frame, joints), atol=NEAR):
            raise _no_mirror(robot, f"cameras {role} and {other.role} are not each other's mirror image")
        roi = (1 - other.roi[2], other.roi[1], 1 - other.roi[0], other.roi[3])
        off_middle = camera.cx + other.cx - (camera.width - 1)
        if not np.allclose(camera.roi, roi, atol=NEAR) or abs(off_middle) > PIXELS:
            raise _no_mirror(robot, f"camera {role}: roi or cx is not that of {other.role} in a mirror")


def _no_mirror(robot: RobotSpec, why: str) -> ValueError:
    return ValueError(f"mirrored: robot {robot.name}: {why}; train it with mirrored: 0")


def says_a_side(texts: Sequence[str]) -> bool:
    """Whether an instruction names left or right, so that in a mirror it would have to be another one."""
    return any(set(SIDES) & set(re.findall("[a-z]+", text.lower())) for text in texts)


def mirrored(batch: Batch, mirror: Mirror) -> Batch:
    """The same in a mirror. Latent and FAST ids, which are of what was seen and done, are left out."""
    other = changed(batch)
    numbers = torch.tensor([*POSE, 1.0] * ARMS)
    state = torch.tensor([*POSE, *mirror.joints, 1.0])
    inputs = dataclasses.replace(
        other.inputs, views=other.inputs.views.flip(-1), state=other.inputs.state * state.to(other.inputs.state.dtype)
    )
    return dataclasses.replace(
        other,
        inputs=inputs,
        actions=other.actions * numbers,
        earlier=other.earlier * numbers,
        codes=torch.full_like(other.codes, IGNORE),
        near=other.near * torch.tensor(XYZ * 2),
        turn=other.turn * torch.tensor(ANGLES * 2),
        lies=_columns_turned(other.lies) * torch.tensor(ANGLES),
        point=_from_behind(other.point),
        shown=_columns_turned(other.shown),
    )


def _from_behind(point: Tensor) -> Tensor:
    """Shares of a picture's width and height `[..., 2]`."""
    turned = torch.stack([1.0 - point[..., 0], point[..., 1]], dim=-1)
    return torch.where((point == UNSEEN).all(dim=-1, keepdim=True), point, turned)


def _columns_turned(shown: Tensor) -> Tensor:
    """`[B, V, T, ...]` of square pictures' tokens."""
    side = round(shown.shape[2] ** 0.5)
    return shown.unflatten(2, (side, side)).flip(3).flatten(2, 3)
