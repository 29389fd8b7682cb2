"""Pixels of recorded pictures, whatever they were recorded as."""

from collections.abc import Container

import cv2
import numpy as np

from gear_vla_ros.recording.compression import described, packed
from gear_vla_ros.recording.errors import RecordingError
from gear_vla_ros.recording.h264 import H264Decoder, Picture, is_whole, packet_of
from gear_vla_ros.recording.reader import EpisodeReader, RawMessage
from gear_vla_ros.recording.topics import IMAGE, VIDEO, picture_topics
from gear_vla_ros.settings import CameraSpec


def recorded_topic(camera: CameraSpec, topics: Container[str]) -> str:
    """Of the topics of an episode the one that a camera's pictures are on, raw before compressed.

    The raw one where there is none.
    """
    return next((topic for topic in picture_topics(camera) if topic in topics), camera.topic)


class PictureStream:
    """The newest picture of one camera; `take` every message of its topic in order. Decoded when it is asked for."""

    def __init__(self, reader: EpisodeReader) -> None:
        """reader: of the episode that the messages are of."""
        self._reader = reader
        self._newest: RawMessage | None = None
        self._pending: list[bytes] = []
        self._begun = False
        self._decoder = H264Decoder()
        self._shown: Picture | None = None

    def take(self, raw: RawMessage) -> None:
        """The next message."""
        self._newest, self._shown = raw, None
        if raw.type == VIDEO:
            packet = packet_of(raw.data)
            if is_whole(packet):
                self._pending.clear()
                self._begun = True
            self._pending.append(packet)

    def rgb(self) -> Picture:
        """`[height, width, 3]`. Raises RecordingError where it cannot be decoded, LookupError before the first."""
        if self._newest is None:
            raise LookupError("no picture was taken")
        if self._shown is None:
            try:
                self._shown = self._decode(self._newest)
            except RecordingError as error:
                raise RecordingError(f"{self._reader.file.parent}: {self._newest.topic}: {error}") from None
        return self._shown

    def header(self) -> tuple[int, str]:
        """Time of capture [ns] and optical frame of the newest picture. Raises LookupError before the first."""
        if self._newest is None:
            raise LookupError("no picture was taken")
        message = self._reader.decode(self._newest)
        if self._newest.type == VIDEO:
            stamp, frame = message.timestamp, message.frame_id
        else:
            stamp, frame = message.header.stamp, message.header.frame_id
        return stamp.sec * 1_000_000_000 + stamp.nanosec, frame.lstrip("/")

    def _decode(self, raw: RawMessage) -> Picture:
        if raw.type == VIDEO and not self._begun:
            raise RecordingError("an H.264 picture without the whole one before it; is the recording cut?")
        if raw.type == VIDEO:
            packets, self._pending = self._pending, []
            return self._decoder.last(packets)
        message = self._reader.decode(raw)
        if raw.type == IMAGE:
            pixels = packed(message)
            if pixels is None:
                raise RecordingError(described(message))
            return pixels if message.encoding == "rgb8" else np.ascontiguousarray(pixels[:, :, ::-1])
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        bgr = cv2.imdecode(message.data, flags) if message.data.size else None
        if bgr is None:
            found = f"'{message.format}', {message.data.size} bytes"
            raise RecordingError(f"a compressed picture of format {found}, which cannot be decoded; allowed: jpeg, png")
        return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)
