"""Messages -> the bytes that would travel over the wire."""

from typing import Any

from rclpy.serialization import serialize_message
from rosbags.typesys.store import Typestore

from gear_vla_ros.recording.definitions import definition, register

_ENCAPSULATION = 4


class Serialiser:
    """`serialize_message` without what it adds at the end.

    rmw_fastrtps gives a buffer of the size that it estimated before, too large where a sequence of numbers is empty
    (four bytes for a JointState without efforts), and what is beyond the message was never written. A publisher sends
    the true size. It is found by reading the message once a topic and estimated size: the layout of a topic's messages
    differs by names and texts only, and those are estimated exactly.
    """

    def __init__(self) -> None:
        self._types, self._known = Typestore(), set[str]()
        self._true_size: dict[tuple[str, int], int] = {}

    def __call__(self, topic: str, type_name: str, message: Any) -> bytes:
        """type_name: as `sensor_msgs/msg/JointState`. Raises LookupError on a type without a definition."""
        data: bytes = serialize_message(message)
        key = topic, len(data)
        if key not in self._true_size:
            self._true_size[key] = self._size(type_name, data)
        return data[: self._true_size[key]]

    def _size(self, type_name: str, data: bytes) -> int:
        if type_name not in self._known:
            register(self._types, type_name, definition(type_name).text)
            self._known.add(type_name)
        layout = self._types.get_msgdef(type_name)
        _, size = layout.deserialize_cdr_le(data[_ENCAPSULATION:], 0, layout.cls, self._types)
        return int(size) + _ENCAPSULATION
