"""sensor_msgs/Image <-> numpy, without a copy on the way in and through `array.array` on the way out.

Assigning `bytes`, a memoryview or an ndarray to `Image.data` lets rclpy check every element: 0.4 to 43 ms for
640x480; an `array.array('B')` is taken as it is.
"""

import array

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image

from gear_vla_ros.contracts import ContractError

ENCODINGS = ("rgb8", "bgr8")
MAX_SIDE = 8192


def view(message: Image, width: int | None = None, height: int | None = None) -> NDArray[np.uint8]:
    """`[height, width, 3]` uint8 RGB that shares the message's memory (bgr8 is turned by its stride).

    width, height: what the robot's YAML promises, if known. Raises ContractError naming the field that is wrong.
    """
    if message.encoding not in ENCODINGS:
        raise ContractError(f"image.encoding: '{message.encoding}', allowed {', '.join(ENCODINGS)}")
    for field, found, wanted in (("width", message.width, width), ("height", message.height, height)):
        if not 0 < found <= MAX_SIDE or wanted not in (None, found):
            allowed = f"1 to {MAX_SIDE}" if wanted is None else f"{wanted}, as in the robot's YAML"
            raise ContractError(f"image.{field}: {found}, allowed {allowed}")
    if message.step < 3 * message.width:
        raise ContractError(f"image.step: {message.step}, allowed {3 * message.width} or more (3 x width)")
    if len(message.data) != message.step * message.height:
        wanted_bytes = message.step * message.height
        raise ContractError(f"image.data: {len(message.data)} bytes, allowed {wanted_bytes} (step x height)")
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    pixels = rows[:, : 3 * message.width].reshape(message.height, message.width, 3)
    return pixels if message.encoding == "rgb8" else pixels[:, :, ::-1]


def fill(message: Image, pixels: NDArray[np.uint8], encoding: str = "rgb8") -> Image:
    """`message` with size, encoding and data of `pixels`: `[height, width, 3]` uint8 in the order of `encoding`."""
    message.height, message.width = pixels.shape[:2]
    message.encoding, message.is_bigendian = encoding, 0
    message.step = 3 * message.width
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(pixels).data)
    message.data = data
    return message
