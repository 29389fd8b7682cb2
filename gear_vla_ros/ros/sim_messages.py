"""What a simulated robot says of itself: joint states, transforms, success."""

from collections.abc import Iterable, Sequence

import numpy as np
from geometry_msgs.msg import Quaternion, TransformStamped, Vector3
from numpy.typing import NDArray
from sensor_msgs.msg import JointState
from tf2_msgs.msg import TFMessage

from gear_vla_ros.geometry import so3
from gear_vla_ros.msg import EpisodeEvent
from gear_vla_ros.ros.stamps import to_msg

Array = NDArray[np.float64]


def joint_state(names: Sequence[str], position: Array, velocity: Array, stamp_ns: int) -> JointState:
    """Positions [rad or m] and velocities of joints by name."""
    message = JointState(name=list(names), position=position.tolist(), velocity=velocity.tolist())
    message.header.stamp = to_msg(stamp_ns)
    return message


def transforms(links: Iterable[tuple[str, str, Array]], stamp_ns: int) -> TFMessage:
    """/tf of (parent, child, `parent_T_child`)."""
    named = list(links)
    poses = np.stack([pose for _, _, pose in named])
    quaternions, positions = so3.to_quat(poses[:, :3, :3]).tolist(), poses[:, :3, 3].tolist()
    stamp, message = to_msg(stamp_ns), TFMessage()
    for (parent, child, _), xyz, xyzw in zip(named, positions, quaternions, strict=True):
        one = TransformStamped(child_frame_id=child)
        one.header.frame_id, one.header.stamp = parent, stamp
        one.transform.translation = Vector3(x=xyz[0], y=xyz[1], z=xyz[2])
        one.transform.rotation = Quaternion(x=xyzw[0], y=xyzw[1], z=xyzw[2], w=xyzw[3])
        message.transforms.append(one)
    return message


def success(line: str, instruction_id: int, stamp_ns: int) -> EpisodeEvent:
    """The success predicate of the task in force holds."""
    event = EpisodeEvent(kind=EpisodeEvent.SUCCESS, source="sim", instruction_id=instruction_id, message=line)
    event.header.stamp = to_msg(stamp_ns)
    return event
