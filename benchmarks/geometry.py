"""Decoding a dual-arm chunk: 2 x 30 poses from xyz + rot6d, composed with each arm's anchor.

    .venv/bin/pip install transforms3d==0.4.2
    .venv/bin/python benchmarks/geometry.py

All ways do the same work, results are compared to 1e-9 first; figures are the best of several runs, in one process.
"""

import json
import timeit
from collections.abc import Callable

import numpy as np
import transforms3d
from scipy.spatial.transform import Rotation

from gear_vla_ros.geometry import se3
from gear_vla_ros.geometry.so3 import Array

ARMS, STEPS = 2, 30


def ours(anchors: Array, poses: Array) -> Array:
    """Batched numpy, as `ArmChunk` is built and used."""
    result: Array = anchors[:, None] @ se3.from_xyz_rot6d(poses)
    return result


def scipy_batched(anchors: Array, poses: Array) -> Array:
    """One `Rotation` an arm for all of its steps."""
    out = np.tile(np.eye(4), (ARMS, STEPS, 1, 1))
    for arm in range(ARMS):
        base_R_anchor = Rotation.from_matrix(anchors[arm, :3, :3])
        a, b = poses[arm, :, 3:6], poses[arm, :, 6:9]
        x = a / np.linalg.norm(a, axis=-1, keepdims=True)
        y = b - np.sum(x * b, axis=-1, keepdims=True) * x
        y /= np.linalg.norm(y, axis=-1, keepdims=True)
        rotations = Rotation.from_matrix(np.stack([x, y, np.cross(x, y)], axis=-1))
        out[arm, :, :3, :3] = (base_R_anchor * rotations).as_matrix()
        out[arm, :, :3, 3] = base_R_anchor.apply(poses[arm, :, :3]) + anchors[arm, :3, 3]
    return out


def rotation_of(rot6d: Array) -> Array:
    """One rotation matrix by Gram-Schmidt."""
    x = rot6d[:3] / np.linalg.norm(rot6d[:3])
    y = rot6d[3:] - (x @ rot6d[3:]) * x
    y = y / np.linalg.norm(y)
    return np.column_stack([x, y, np.cross(x, y)])


def scipy_loop(anchors: Array, poses: Array) -> Array:
    """A `Rotation` a step."""
    out = np.tile(np.eye(4), (ARMS, STEPS, 1, 1))
    for arm in range(ARMS):
        for step in range(STEPS):
            base_R_anchor = Rotation.from_matrix(anchors[arm, :3, :3])
            rotation = Rotation.from_matrix(rotation_of(poses[arm, step, 3:]))
            out[arm, step, :3, :3] = (base_R_anchor * rotation).as_matrix()
            out[arm, step, :3, 3] = base_R_anchor.apply(poses[arm, step, :3]) + anchors[arm, :3, 3]
    return out


def transforms3d_loop(anchors: Array, poses: Array) -> Array:
    """Quaternions of transforms3d a step."""
    quaternions = transforms3d.quaternions
    out = np.tile(np.eye(4), (ARMS, STEPS, 1, 1))
    for arm in range(ARMS):
        for step in range(STEPS):
            anchor = quaternions.mat2quat(anchors[arm, :3, :3])
            rotation = quaternions.mat2quat(rotation_of(poses[arm, step, 3:]))
            out[arm, step, :3, :3] = quaternions.quat2mat(quaternions.qmult(anchor, rotation))
            out[arm, step, :3, 3] = quaternions.rotate_vector(poses[arm, step, :3], anchor) + anchors[arm, :3, 3]
    return out


def best_us(call: Callable[[], object]) -> float:
    """Shortest time of one call in microseconds."""
    timer = timeit.Timer(call)
    number, _ = timer.autorange()
    return min(timer.repeat(repeat=9, number=number)) / number * 1e6


def main() -> None:
    rng = np.random.default_rng(0)
    anchors = se3.exp(rng.normal(size=(ARMS, 6)))
    poses = se3.to_xyz_rot6d(se3.exp(0.5 * rng.normal(size=(ARMS, STEPS, 6))))
    poses[..., 3:] *= rng.uniform(0.5, 2.0, (ARMS, STEPS, 1))
    figures = {}
    for way in (ours, scipy_batched, scipy_loop, transforms3d_loop):
        np.testing.assert_allclose(way(anchors, poses), ours(anchors, poses), atol=1e-9)
        figures[way.__name__] = best_us(lambda way=way: way(anchors, poses))  # type: ignore[misc]
    for name, us in figures.items():
        print(json.dumps({"way": name, "us": round(us, 1), "times_ours": round(us / figures["ours"], 2)}))


if __name__ == "__main__":
    main()
