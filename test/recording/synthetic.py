"""Serialised messages made without ROS, from the same definitions that the writer embeds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from rosbags.typesys import get_types_from_msg
from rosbags.typesys.store import Typestore

from gear_vla_ros.geometry import so3
from gear_vla_ros.recording.definitions import definition
from gear_vla_ros.settings import CameraSpec

TYPES = Typestore()


def known(type_name: str) -> Any:
    """The message class of a type."""
    if type_name not in TYPES.fielddefs:
        found = get_types_from_msg(definition(type_name).text, type_name)
        TYPES.register({name: fields for name, fields in found.items() if name not in TYPES.fielddefs})
    return TYPES.types[type_name]


def make(type_name: str, **fields: Any) -> Any:
    """A message; all fields must be given."""
    return known(f"{type_name.split('/')[0]}/msg/{type_name.split('/')[1]}")(**fields)


def stamp(ns: int) -> Any:
    return make("builtin_interfaces/Time", sec=ns // 10**9, nanosec=ns % 10**9)


def header(ns: int, frame: str = "") -> Any:
    return make("std_msgs/Header", stamp=stamp(ns), frame_id=frame)


def cdr(message: Any) -> bytes:
    return bytes(TYPES.serialize_cdr(message, message.__msgtype__))


def joint_state(ns: int, q: Any) -> bytes:
    q = np.asarray(q, dtype=np.float64)
    names = [f"joint{i}" for i in range(len(q))]
    return cdr(make("sensor_msgs/JointState", header=header(ns), name=names, position=q, velocity=q * 0, effort=q * 0))


def image(ns: int, pixels: Any, frame: str = "camera", encoding: str = "rgb8") -> bytes:
    height, width = pixels.shape[:2]
    return cdr(
        make(
            "sensor_msgs/Image", header=header(ns, frame), height=height, width=width, encoding=encoding,
            is_bigendian=0, step=3 * width, data=np.ascontiguousarray(pixels).reshape(-1),
        )
    )  # fmt: skip


def pose(a_T_b: Any) -> Any:
    x, y, z, w = so3.to_quat(a_T_b[:3, :3]).tolist()
    position = make("geometry_msgs/Point", **dict(zip("xyz", a_T_b[:3, 3].tolist(), strict=True)))
    return make(
        "geometry_msgs/Pose", position=position, orientation=make("geometry_msgs/Quaternion", x=x, y=y, z=z, w=w)
    )


def transforms_message(ns: int, parent: str, children: Mapping[str, Any]) -> Any:
    """tf2_msgs/TFMessage of `parent_T_child` by child."""
    known("tf2_msgs/msg/TFMessage")
    listed = []
    for child, parent_T_child in children.items():
        at = pose(parent_T_child)
        place = make("geometry_msgs/Vector3", x=at.position.x, y=at.position.y, z=at.position.z)
        moved = make("geometry_msgs/Transform", translation=place, rotation=at.orientation)
        listed.append(
            make("geometry_msgs/TransformStamped", header=header(ns, parent), child_frame_id=child, transform=moved)
        )
    return make("tf2_msgs/TFMessage", transforms=listed)


def transforms(ns: int, parent: str, children: Mapping[str, Any]) -> bytes:
    return cdr(transforms_message(ns, parent, children))


def instruction(ns: int, text: str) -> bytes:
    return cdr(make("gear_vla_ros/Instruction", header=header(ns), id=1, text=text, kind="language"))


def camera_info(ns: int, camera: CameraSpec) -> bytes:
    k = np.array([camera.fx, 0, camera.cx, 0, camera.fy, camera.cy, 0, 0, 1], dtype=np.float64)
    region = make("sensor_msgs/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    return cdr(
        make(
            "sensor_msgs/CameraInfo", header=header(ns, camera.frame), height=camera.height, width=camera.width,
            distortion_model="plumb_bob", d=np.zeros(5), k=k, r=np.eye(3).reshape(-1),
            p=np.concatenate([k.reshape(3, 3), np.zeros((3, 1))], axis=1).reshape(-1),
            binning_x=0, binning_y=0, roi=region,
        )
    )  # fmt: skip
