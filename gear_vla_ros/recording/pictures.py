"""Pixels of recorded pictures."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def rgb(message: Any) -> NDArray[np.uint8] | None:
    """`[height, width, 3]` RGB of a recorded sensor_msgs/Image; None when it is not of a kind we record."""
    height, width, step, data = message.height, message.width, message.step, message.data
    if message.encoding not in ("rgb8", "bgr8") or not 0 < 3 * width <= step or data.size != step * height:
        return None
    pixels = data.reshape(height, step)[:, : 3 * width].reshape(height, width, 3)
    return np.ascontiguousarray(pixels if message.encoding == "rgb8" else pixels[:, :, ::-1])
