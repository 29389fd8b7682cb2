"""Rotations: matrices, quaternions (x, y, z, w), rot6d and rotation vectors, batched over leading axes."""

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_SMALL = 1e-6


def skew(v: Array) -> Array:
    """Cross-product matrices `[..., 3, 3]` of vectors `[..., 3]`."""
    out = np.zeros((*v.shape[:-1], 3, 3))
    out[..., 0, 1], out[..., 0, 2], out[..., 1, 2] = -v[..., 2], v[..., 1], -v[..., 0]
    out[..., 1, 0], out[..., 2, 0], out[..., 2, 1] = v[..., 2], -v[..., 1], v[..., 0]
    return out


def exp(rotvec: Array) -> Array:
    """Rotation matrices `[..., 3, 3]` of rotation vectors `[..., 3]` in radians (Rodrigues)."""
    if rotvec.ndim == 1:
        return _exp_of_one(rotvec)
    angle = np.linalg.norm(rotvec, axis=-1)[..., None, None]
    k = skew(rotvec)
    sin_term = np.sinc(angle / np.pi)
    half = np.sinc(angle / (2 * np.pi))
    result: Array = np.eye(3) + sin_term * k + 0.5 * half**2 * (k @ k)
    return result


def _exp_of_one(rotvec: Array) -> Array:
    """As `exp`, of one vector: numpy's overhead is ten times the arithmetic."""
    x, y, z = rotvec.tolist()
    angle = math.sqrt(x * x + y * y + z * z)
    a = math.sin(angle) / angle if angle > _SMALL else 1.0
    half = math.sin(angle / 2) / (angle / 2) if angle > _SMALL else 1.0
    b = 0.5 * half * half
    return np.array(
        [
            [1 - b * (y * y + z * z), b * x * y - a * z, b * x * z + a * y],
            [b * x * y + a * z, 1 - b * (x * x + z * z), b * y * z - a * x],
            [b * x * z - a * y, b * y * z + a * x, 1 - b * (x * x + y * y)],
        ]
    )


def log(rotation: Array) -> Array:
    """Rotation vectors `[..., 3]` with angles in [0, pi] of rotation matrices `[..., 3, 3]`."""
    if rotation.ndim == 2:
        return _log_of_one(rotation)
    q = to_quat(rotation)
    q = np.where(q[..., 3:] < 0, -q, q)
    sin_half = np.linalg.norm(q[..., :3], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(sin_half, q[..., 3:])
    scale = np.where(sin_half > _SMALL, angle / np.maximum(sin_half, _SMALL), 2.0)
    return q[..., :3] * scale


def _log_of_one(rotation: Array) -> Array:
    x, y, z, w = _quat_of_one(rotation)
    sin_half = math.sqrt(x * x + y * y + z * z)
    angle = 2 * math.atan2(sin_half, abs(w))
    scale = math.copysign(angle / sin_half if sin_half > _SMALL else 2.0, w)
    return np.array([x * scale, y * scale, z * scale])


def angle_between(a_R_b: Array, a_R_c: Array) -> Array:
    """Geodesic angles `[...]` in radians between rotation matrices."""
    result: Array = np.linalg.norm(log(np.swapaxes(a_R_b, -1, -2) @ a_R_c), axis=-1)
    return result


def to_quat(rotation: Array) -> Array:
    """Unit quaternions `[..., 4]` (x, y, z, w) of rotation matrices `[..., 3, 3]`, well conditioned at every angle.

    Takes the row with the largest diagonal of the symmetric matrix 4 q q^T (Shepperd 1978).
    """
    if rotation.ndim == 2:
        return np.array(_quat_of_one(rotation))
    m = rotation
    trace = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    qq = np.empty((*m.shape[:-2], 4, 4))
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        qq[..., i, i] = 1 + 2 * m[..., i, i] - trace
        qq[..., i, j] = qq[..., j, i] = m[..., i, j] + m[..., j, i]
        qq[..., i, 3] = qq[..., 3, i] = m[..., k, j] - m[..., j, k]
    qq[..., 3, 3] = 1 + trace
    best = np.argmax(np.diagonal(qq, axis1=-2, axis2=-1), axis=-1)
    row = np.take_along_axis(qq, best[..., None, None], axis=-2)[..., 0, :]
    result: Array = row / np.linalg.norm(row, axis=-1, keepdims=True)
    return result


def _quat_of_one(rotation: Array) -> tuple[float, float, float, float]:
    """As `to_quat`, of one matrix."""
    (a, b, c), (d, e, f), (g, h, i) = rotation.tolist()
    diagonal = (1 + a - e - i, 1 - a + e - i, 1 - a - e + i, 1 + a + e + i)
    xy, xz, yz, xw, yw, zw = b + d, c + g, f + h, h - f, c - g, d - b
    rows = (
        (diagonal[0], xy, xz, xw), (xy, diagonal[1], yz, yw), (xz, yz, diagonal[2], zw), (xw, yw, zw, diagonal[3])
    )  # fmt: skip
    x, y, z, w = rows[diagonal.index(max(diagonal))]
    length = math.sqrt(x * x + y * y + z * z + w * w)
    return x / length, y / length, z / length, w / length


def from_quat(quat: Array) -> Array:
    """Rotation matrices `[..., 3, 3]` of quaternions `[..., 4]` (x, y, z, w); their length does not matter."""
    x, y, z, w = np.moveaxis(quat / np.linalg.norm(quat, axis=-1, keepdims=True), -1, 0)
    out = np.empty((*x.shape, 3, 3))
    out[..., 0, 0], out[..., 0, 1], out[..., 0, 2] = 1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)
    out[..., 1, 0], out[..., 1, 1], out[..., 1, 2] = 2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)
    out[..., 2, 0], out[..., 2, 1], out[..., 2, 2] = 2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)
    return out


def to_rot6d(rotation: Array) -> Array:
    """First two columns `[..., 6]` of rotation matrices `[..., 3, 3]`, column by column."""
    return np.concatenate([rotation[..., 0], rotation[..., 1]], axis=-1)


def from_rot6d(rot6d: Array) -> Array:
    """Rotation matrices `[..., 3, 3]` by Gram-Schmidt on `[..., 6]` (Zhou et al. 2019, eq. 12)."""
    a, b = rot6d[..., :3], rot6d[..., 3:]
    x = a / np.linalg.norm(a, axis=-1, keepdims=True)
    y = b - np.sum(x * b, axis=-1, keepdims=True) * x
    y = y / np.linalg.norm(y, axis=-1, keepdims=True)
    return np.stack([x, y, np.cross(x, y)], axis=-1)


def from_rpy(rpy: Array) -> Array:
    """Rotation matrices `[..., 3, 3]` of roll, pitch, yaw about fixed x, y, z axes (URDF, REP 103)."""
    roll, pitch, yaw = np.moveaxis(rpy, -1, 0)
    cr, sr, cp, sp, cy, sy = np.cos(roll), np.sin(roll), np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw)
    out = np.empty((*roll.shape, 3, 3))
    out[..., 0, 0], out[..., 0, 1], out[..., 0, 2] = cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr
    out[..., 1, 0], out[..., 1, 1], out[..., 1, 2] = sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr
    out[..., 2, 0], out[..., 2, 1], out[..., 2, 2] = -sp, cp * sr, cp * cr
    return out


def is_rotation(rotation: Array, tolerance: float = 1e-6) -> bool:
    """Whether every matrix `[..., 3, 3]` is orthonormal with determinant +1, to `tolerance` per element."""
    if not np.all(np.isfinite(rotation)):
        return False
    gram = np.swapaxes(rotation, -1, -2) @ rotation
    return bool(np.all(np.abs(gram - np.eye(3)) < tolerance) and np.all(np.linalg.det(rotation) > 0))
