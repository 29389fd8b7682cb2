"""Serialised messages made without ROS, from the same definitions that the writer embeds."""

from typing import Any

import numpy as np
from rosbags.typesys import get_types_from_msg
from rosbags.typesys.store import Typestore

from gear_vla_ros.recording.definitions import definition

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
