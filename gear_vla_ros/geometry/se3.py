"""Rigid transforms `[..., 4, 4]`: composition is `@`, so the frame names on both sides of it cancel."""

import numpy as np

from gear_vla_ros.geometry import so3
from gear_vla_ros.geometry.so3 import Array


def from_rotation_translation(rotation: Array, xyz: Array) -> Array:
    """Transforms `[..., 4, 4]` of rotations `[..., 3, 3]` and translations `[..., 3]` in metres."""
    shape = np.broadcast_shapes(rotation.shape[:-2], xyz.shape[:-1])
    out = np.zeros((*shape, 4, 4))
    out[..., :3, :3], out[..., :3, 3], out[..., 3, 3] = rotation, xyz, 1.0
    return out


def inverse(a_T_b: Array) -> Array:
    """`b_T_a` of rigid transforms, by transposition."""
    b_R_a = np.swapaxes(a_T_b[..., :3, :3], -1, -2)
    return from_rotation_translation(b_R_a, -(b_R_a @ a_T_b[..., :3, 3:])[..., 0])


def exp(twist: Array) -> Array:
    """Transforms of twists `[..., 6]`, linear then angular: the screw followed for one second (Lynch & Park 3.3)."""
    linear, rotvec = twist[..., :3], twist[..., 3:]
    return from_rotation_translation(so3.exp(rotvec), (_left_jacobian(rotvec) @ linear[..., None])[..., 0])


def log(a_T_b: Array) -> Array:
    """Twists `[..., 6]` (linear, angular) whose `exp` is the transform; angles in [0, pi]."""
    rotvec = so3.log(a_T_b[..., :3, :3])
    linear = np.linalg.solve(_left_jacobian(rotvec), a_T_b[..., :3, 3:])[..., 0]
    return np.concatenate([linear, rotvec], axis=-1)


def _left_jacobian(rotvec: Array) -> Array:
    """Left Jacobians `[..., 3, 3]` of SO(3)."""
    angle = np.linalg.norm(rotvec, axis=-1)[..., None, None]
    k = so3.skew(rotvec)
    half = np.sinc(angle / (2 * np.pi))
    safe = np.maximum(angle, 1e-3)
    third = np.where(angle > 1e-3, (safe - np.sin(safe)) / safe**3, 1 / 6 - angle**2 / 120)
    result: Array = np.eye(3) + 0.5 * half**2 * k + third * (k @ k)
    return result


def from_xyz_rot6d(xyz_rot6d: Array) -> Array:
    """Transforms of `[..., 9]`: metres, then the first two columns of the rotation (the model's pose format)."""
    return from_rotation_translation(so3.from_rot6d(xyz_rot6d[..., 3:9]), xyz_rot6d[..., :3])


def to_xyz_rot6d(a_T_b: Array) -> Array:
    """`[..., 9]` of transforms; the inverse of `from_xyz_rot6d`."""
    return np.concatenate([a_T_b[..., :3, 3], so3.to_rot6d(a_T_b[..., :3, :3])], axis=-1)


def from_xyz_quat(xyz: Array, quat_xyzw: Array) -> Array:
    """Transforms of positions `[..., 3]` and quaternions `[..., 4]` (x, y, z, w)."""
    return from_rotation_translation(so3.from_quat(quat_xyzw), xyz)


def from_xyz_rpy(xyz: Array, rpy: Array) -> Array:
    """Transforms of positions `[..., 3]` and fixed-axis roll, pitch, yaw `[..., 3]` (URDF `<origin>`)."""
    return from_rotation_translation(so3.from_rpy(rpy), xyz)


def interpolate(a_T_0: Array, a_T_1: Array, fraction: Array | float) -> Array:
    """From `a_T_0` (0) to `a_T_1` (1): positions on the straight line, rotations on the geodesic at constant speed."""
    f = np.asarray(fraction, dtype=np.float64)[..., None]
    rotvec = so3.log(np.swapaxes(a_T_0[..., :3, :3], -1, -2) @ a_T_1[..., :3, :3])
    xyz = (1 - f) * a_T_0[..., :3, 3] + f * a_T_1[..., :3, 3]
    return from_rotation_translation(a_T_0[..., :3, :3] @ so3.exp(f * rotvec), xyz)


def difference(a_T_0: Array, a_T_1: Array) -> Array:
    """`[..., 6]` from pose 0 to pose 1 expressed in frame a: translation [m], then rotation vector [rad].

    Divided by the time between the poses it is the twist of the moving point, linear and angular apart, which is
    what speed limits are about (unlike `log`, whose linear part follows the screw).
    """
    rotvec = so3.log(a_T_1[..., :3, :3] @ np.swapaxes(a_T_0[..., :3, :3], -1, -2))
    return np.concatenate([a_T_1[..., :3, 3] - a_T_0[..., :3, 3], rotvec], axis=-1)


def advance(a_T_0: Array, displacement: Array) -> Array:
    """Pose 1 from pose 0 and their `difference`."""
    rotation = so3.exp(displacement[..., 3:]) @ a_T_0[..., :3, :3]
    return from_rotation_translation(rotation, a_T_0[..., :3, 3] + displacement[..., :3])


def is_transform(a_T_b: Array, tolerance: float = 1e-6) -> bool:
    """Whether every matrix `[..., 4, 4]` is finite and rigid."""
    if a_T_b.shape[-2:] != (4, 4) or not np.all(np.isfinite(a_T_b)):
        return False
    bottom = np.abs(a_T_b[..., 3, :] - np.array([0.0, 0.0, 0.0, 1.0])).max(initial=0.0)
    return bool(bottom < tolerance) and so3.is_rotation(a_T_b[..., :3, :3], tolerance)


def reanchor(base_T_old: Array, base_T_new: Array, old_T_tcp: Array) -> Array:
    """`new_T_tcp` of poses that were given relative to another anchor: inv(base_T_new) base_T_old old_T_tcp.

    Group-wise, as UMI's `tx_new_old @ tx_old_obj`; subtracting pose components would be wrong for any rotated anchor.
    """
    result: Array = inverse(base_T_new) @ base_T_old @ old_T_tcp
    return result
