"""Poses and twists in messages <-> `[4, 4]` and `[6]`."""

import numpy as np
from geometry_msgs.msg import Point, Pose, PoseStamped, Quaternion, Twist, Vector3
from numpy.typing import NDArray

from gear_vla_ros.contracts import ContractError
from gear_vla_ros.contracts.action import MAX_STEPS
from gear_vla_ros.geometry import se3, so3
from gear_vla_ros.ros.stamps import to_msg

Array = NDArray[np.float64]
QUATERNION_TOLERANCE = 1e-3
MAX_DISTANCE_M = 1000.0
"""Positions beyond it along an axis are no positions of a tool or an object."""


def pose_to_msg(a_T_b: Array) -> Pose:
    """One pose."""
    x, y, z = a_T_b[:3, 3].tolist()
    qx, qy, qz, qw = so3.to_quat(a_T_b[:3, :3]).tolist()
    return Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw))


def stamped_to_msg(a_T_b: Array, frame: str, stamp_ns: int) -> PoseStamped:
    """One pose with its frame a and its time."""
    message = PoseStamped(pose=pose_to_msg(a_T_b))
    message.header.frame_id, message.header.stamp = frame, to_msg(stamp_ns)
    return message


def pose_from_msg(field: str, message: Pose) -> Array:
    """`a_T_b`. Raises ContractError naming `field`: not finite, too far away, or a quaternion not of length 1."""
    return poses_from_msgs(field, [message])[0]


def poses_from_msgs(field: str, messages: list[Pose]) -> Array:
    """`[K, 4, 4]` of K poses at once, 1 to `MAX_STEPS`; errors as `pose_from_msg`."""
    if not 1 <= len(messages) <= MAX_STEPS:
        raise ContractError(f"{field}: {len(messages) or 'empty'}, allowed 1 to {MAX_STEPS} poses")
    xyz = np.array([(m.position.x, m.position.y, m.position.z) for m in messages], dtype=np.float64)
    quat = np.array([(q.x, q.y, q.z, q.w) for q in (m.orientation for m in messages)], dtype=np.float64)
    if not (np.isfinite(xyz).all() and np.isfinite(quat).all()):
        raise ContractError(f"{field}: holds NaN or infinity, allowed are finite numbers")
    if (furthest := float(np.abs(xyz).max())) > MAX_DISTANCE_M:
        raise ContractError(f"{field}: position {furthest:g} m along an axis, allowed {MAX_DISTANCE_M:g} at most")
    lengths = np.linalg.norm(quat, axis=-1)
    worst = int(np.argmax(np.abs(lengths - 1)))
    if abs(lengths[worst] - 1) > QUATERNION_TOLERANCE:
        raise ContractError(f"{field}: quaternion of length {lengths[worst]:.4f}, allowed 1 to {QUATERNION_TOLERANCE}")
    return se3.from_xyz_quat(xyz, quat)


def stamped_from_msg(field: str, message: PoseStamped, frame: str) -> Array:
    """`frame_T_b`. Raises ContractError, also when the pose is in another frame."""
    if message.header.frame_id != frame:
        raise ContractError(f"{field}.header.frame_id: '{message.header.frame_id}', allowed '{frame}'")
    return pose_from_msg(f"{field}.pose", message.pose)


def twist_to_msg(twist: Array) -> Twist:
    """Linear, then angular."""
    vx, vy, vz, wx, wy, wz = twist.tolist()
    return Twist(linear=Vector3(x=vx, y=vy, z=vz), angular=Vector3(x=wx, y=wy, z=wz))


def twist_from_msg(field: str, message: Twist) -> Array:
    """`[6]`. Raises ContractError when a number is not finite."""
    v, w = message.linear, message.angular
    twist = np.array([v.x, v.y, v.z, w.x, w.y, w.z], dtype=np.float64)
    if not np.isfinite(twist).all():
        raise ContractError(f"{field}: holds NaN or infinity, allowed are finite numbers")
    return twist
