"""Observations as the network's arrays, and its actions as chunks of poses."""

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts import VIEW_ROLES, ArmChunk, ArmState, Observation, ViewRole
from gear_vla_ros.engines.engine import SlowInput, StateInput
from gear_vla_ros.geometry import se3
from gear_vla_ros.settings import RobotSpec
from gear_vla_ros.settings.model import ARMS, NUMBERS_PER_ARM, ModelSpec

SIDES = ("left", "right")
POSE = slice(0, 9)


def slow_input(observation: Observation, robot: RobotSpec, model: ModelSpec) -> SlowInput:
    """What the slow path reads. Raises ValueError without the head view, or with arms that are not the robot's."""
    if "head" not in observation.images:
        raise ValueError(f"observation.images: {', '.join(observation.images)}; the head view is needed")
    size = model.view_size
    views = np.zeros((len(VIEW_ROLES), size, size, 3), np.uint8)
    present = np.zeros(len(VIEW_ROLES), bool)
    for index, role in enumerate(VIEW_ROLES):
        if role in observation.images:
            views[index], present[index] = seen(observation.images[role], robot, role, size), True
    state = state_input(observation.state.arms, robot, model)
    return SlowInput(views, present, state, observation.instruction.text)


def state_input(arms: Mapping[str, ArmState], robot: RobotSpec, model: ModelSpec) -> StateInput:
    """Proprioception in the bimanual format. Raises ValueError for other arms or another number of joints."""
    wanted = {arm.name for arm in robot.arms}
    if set(arms) != wanted:
        raise ValueError(f"state.arms: {', '.join(arms)}, allowed {', '.join(sorted(wanted))}")
    embodiment = robot.state_projector.embodiment
    joints = model.embodiments[embodiment]
    numbers = np.zeros((ARMS, 9 + joints + 1), np.float32)
    present = np.zeros(ARMS, bool)
    for index, side in enumerate(SIDES):
        if side in arms:
            arm = arms[side]
            if len(arm.q) != joints:
                raise ValueError(f"state.arms.{side}.q: {len(arm.q)} joints, allowed {joints}")
            numbers[index] = [*se3.to_xyz_rot6d(arm.base_T_tcp), *arm.q, arm.gripper]
            present[index] = True
    return StateInput(embodiment, numbers, present)


def seen(image: NDArray[np.uint8], robot: RobotSpec, role: ViewRole, size: int) -> NDArray[np.uint8]:
    """What the network gets of a camera's picture `[H, W, 3]`: its region of interest, as `letterbox`."""
    left, top, right, bottom = region(image.shape[1], image.shape[0], robot, role)
    return letterbox(image[top:bottom, left:right], size)


def region(width: int, height: int, robot: RobotSpec, role: ViewRole) -> tuple[int, int, int, int]:
    """Left, top, right and bottom [pixel] of a camera's region of interest in a picture of that size."""
    roi = next(camera.roi for camera in robot.cameras if camera.role == role)
    left, right = round(roi[0] * width), round(roi[2] * width)
    top, bottom = round(roi[1] * height), round(roi[3] * height)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def letterbox(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """`image` `[H, W, 3]` shrunk or grown to fit `[size, size, 3]`, its shape kept, black bars beside it."""
    height, width = image.shape[:2]
    scale = size / max(height, width)
    new_h, new_w = max(1, round(height * scale)), max(1, round(width * scale))
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    out = np.zeros((size, size, 3), np.uint8)
    top, left = (size - new_h) // 2, (size - new_w) // 2
    shrunk = cv2.resize(np.ascontiguousarray(image), (new_w, new_h), interpolation=kind)
    out[top : top + new_h, left : left + new_w] = shrunk
    return out


def arm_chunk(actions: NDArray[np.float64], arm: str, base_T_anchor: NDArray[np.float64]) -> ArmChunk:
    """One arm's part of actions `[K, 20]`."""
    first = SIDES.index(arm) * NUMBERS_PER_ARM
    numbers = actions[:, first : first + NUMBERS_PER_ARM]
    return ArmChunk(base_T_anchor, se3.from_xyz_rot6d(numbers[:, POSE]), np.clip(numbers[:, 9], 0.0, 1.0))


def action_numbers(arms: Mapping[str, ArmChunk]) -> NDArray[np.float32]:
    """Steps by arm as the network's numbers `[d, 20]`; an arm that is not there is zero."""
    steps = min(len(arm.gripper) for arm in arms.values())
    numbers = np.zeros((steps, ARMS * NUMBERS_PER_ARM), np.float32)
    for name, arm in arms.items():
        first = SIDES.index(name) * NUMBERS_PER_ARM
        numbers[:, first : first + 9] = se3.to_xyz_rot6d(arm.anchor_T_tcp[:steps])
        numbers[:, first + 9] = arm.gripper[:steps]
    return numbers
