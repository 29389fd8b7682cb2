"""Serialised pictures to serialised compressed ones, as image_transport's plugins publish them.

jpeg and png: sensor_msgs/CompressedImage, its format as compressed_image_transport writes it, so that a decoder knows
the original order of colours. h264: foxglove_msgs/CompressedVideo.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np

from gear_vla_ros.recording.definitions import typestore
from gear_vla_ros.recording.errors import RecordingError
from gear_vla_ros.recording.h264 import H264Encoder, Picture
from gear_vla_ros.recording.topics import COMPRESSED, IMAGE, VIDEO
from gear_vla_ros.settings.recording import RecordSpec


class PictureEncoder:
    """sensor_msgs/Image of one camera to the message that its `record` asks for. For one thread."""

    def __init__(self, spec: RecordSpec) -> None:
        """spec: jpeg, png or h264."""
        self._kind = spec.compression
        self._video = H264Encoder(spec.h264_crf)
        self._options = _png_options() if self._kind == "png" else [cv2.IMWRITE_JPEG_QUALITY, spec.jpeg_quality]
        self._types = typestore(IMAGE, COMPRESSED, VIDEO)

    def __call__(self, data: bytes) -> bytes:
        """A serialised message, with the stamp and the frame of the serialised picture. Raises RecordingError."""
        message: Any = self._types.deserialize_cdr(data, IMAGE)
        pixels = packed(message)
        if pixels is None:
            raise RecordingError(described(message))
        if self._kind == "h264":
            packet = np.frombuffer(self._video.encode(pixels, message.encoding), np.uint8)
            header, video = message.header, self._types.types[VIDEO]
            return bytes(self._types.serialize_cdr(video(header.stamp, header.frame_id, packet, "h264"), VIDEO))
        bgr = pixels if message.encoding == "bgr8" else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        done, encoded = cv2.imencode(f".{self._kind}", bgr, self._options)
        if not done:
            raise RecordingError(f"{described(message)}; not taken as {self._kind}")
        said = f"{message.encoding}; {self._kind} compressed bgr8"
        compressed = self._types.types[COMPRESSED](message.header, said, encoded.reshape(-1))
        return bytes(self._types.serialize_cdr(compressed, COMPRESSED))


def _png_options() -> list[int]:
    """For speed: of a picture with a sensor's noise OpenCV's defaults take longer and make more."""
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY]
    if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # OpenCV 4.12
        options += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]
    return options


class Compressor:
    """Encodes one camera's pictures in a thread of its own, in their order. One thread calls."""

    def __init__(self, spec: RecordSpec) -> None:
        self._encoder = PictureEncoder(spec)
        self._thread = ThreadPoolExecutor(1, "picture-encoder")

    def submit(self, data: bytes, done: Callable[[bytes, str], None]) -> None:
        """Encode next; then `done(message, problem)` is called in that thread, problem empty where all was well."""
        self._thread.submit(self._encode, data, done)

    def stop(self) -> None:
        """End the thread after the picture it is at."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _encode(self, data: bytes, done: Callable[[bytes, str], None]) -> None:
        try:
            message, problem = self._encoder(data), ""
        except Exception as error:  # a picture that is not taken costs that picture, never those after it
            message, problem = b"", str(error) or type(error).__name__
        done(message, problem)


def packed(message: Any) -> Picture | None:
    """`[height, width, 3]` of a sensor_msgs/Image in its own order of colours; None when we do not record its kind."""
    height, width, step, data = message.height, message.width, message.step, message.data
    if message.encoding not in ("rgb8", "bgr8") or not 0 < 3 * width <= step or data.size != step * height:
        return None
    return np.ascontiguousarray(data.reshape(height, step)[:, : 3 * width].reshape(height, width, 3))


def described(message: Any) -> str:
    """A sensor_msgs/Image that cannot be used, in one line."""
    found = f"{message.width} x {message.height} {message.encoding}, {message.data.size} bytes"
    return f"a picture of {found}; allowed are whole rgb8 and bgr8"
