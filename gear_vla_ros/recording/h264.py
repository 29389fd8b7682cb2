"""A camera's pictures as an H.264 stream of one message a picture, as foxglove_msgs/CompressedVideo wants it.

Annex B, no B-frames; every message holds what one picture needs, a whole picture (IDR) with its parameter sets. Each
carries a checksum of its picture before it was encoded, as user data (SEI) that decoders pass over: two pictures that
were the same are known to be so although their packets differ.
"""

import struct
import zlib
from collections.abc import Iterable
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.recording.errors import RecordingError

Picture = NDArray[np.uint8]
KEY_EVERY = 15
"""Pictures from one whole one to the next: what has to be decoded for a single picture, and is lost at a cut."""
_START, _IDR, _SLICE = b"\x00\x00\x01", 5, 1
_OPTIONS = {"preset": "ultrafast", "tune": "zerolatency", "g": str(KEY_EVERY), "threads": "1"}
_ENCAPSULATION, _STAMP_BYTES = 4, 8
_LENGTH = struct.Struct("<I")
_SEI, _USER_DATA, _NAME = 6, 5, b"gear_vla picture"
_DIGITS = 8
_CHECKSUM = _START + bytes([_SEI, _USER_DATA, len(_NAME) + _DIGITS]) + _NAME


class H264Encoder:
    """RGB or BGR pictures to packets, one each. For one thread. A picture of another size begins anew."""

    def __init__(self, crf: int) -> None:
        self._crf = crf
        self._codec: av.VideoCodecContext | None = None
        self._count = 0

    def encode(self, pixels: Picture, order: str) -> bytes:
        """The packet of one picture `[height, width, 3]`. order: rgb8 or bgr8. Raises RecordingError."""
        height, width = pixels.shape[:2]
        if height % 2 or width % 2:
            raise RecordingError(f"a picture of {width} x {height}; H.264 takes even sizes only, jpeg and png take any")
        if self._codec is None or (self._codec.width, self._codec.height) != (width, height):
            self._codec, self._count = self._open(width, height), 0
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24" if order == "rgb8" else "bgr24")
        frame.pts, self._count = self._count, self._count + 1
        try:
            packets = self._codec.encode(frame)
        except av.FFmpegError as error:
            raise RecordingError(f"H.264 does not take this picture: {error.strerror}") from None
        if len(packets) != 1:
            raise RecordingError(f"H.264 gave {len(packets)} packets for a picture, one is needed")
        return _marked(bytes(packets[0]), zlib.adler32(np.ascontiguousarray(pixels).data))

    def _open(self, width: int, height: int) -> av.VideoCodecContext:
        codec = av.VideoCodecContext.create("libx264", "w")
        codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
        codec.time_base, codec.framerate = Fraction(1, 30), Fraction(30, 1)
        codec.options = {**_OPTIONS, "crf": str(self._crf)}
        return codec


class H264Decoder:
    """Packets to RGB pictures. For one thread."""

    def __init__(self) -> None:
        self._codec = av.VideoCodecContext.create("h264", "r")
        self._codec.thread_count = 1  # more of them would answer a picture late

    def last(self, packets: Iterable[bytes]) -> Picture:
        """The picture `[height, width, 3]` after the last of `packets`, which begin whole or go on from those before.

        Raises RecordingError.
        """
        found: av.VideoFrame | None = None
        try:
            for packet in packets:
                found = next(iter(self._codec.decode(av.Packet(packet))), None)
        except av.FFmpegError as error:
            raise RecordingError(f"an H.264 picture that cannot be decoded: {error.strerror}") from None
        if found is None:
            raise RecordingError("an H.264 packet that no picture came of; is the recording damaged?")
        return np.asarray(found.to_ndarray(format="rgb24"), dtype=np.uint8)


def is_whole(packet: bytes) -> bool:
    """Whether a picture is decoded from this packet alone."""
    at = _slice_at(packet)
    return at is not None and packet[at + len(_START)] & 0x1F == _IDR


def checksum_of(packet: bytes) -> int | None:
    """Of the picture before it was encoded; None for a packet that is not ours."""
    at = packet.find(_CHECKSUM)
    try:
        return None if at < 0 else int(packet[at + len(_CHECKSUM) :][:_DIGITS], 16)
    except ValueError:
        return None


def _marked(packet: bytes, checksum: int) -> bytes:
    """With the checksum before the picture's first slice; in digits, as user data may not look like a start code."""
    at = _slice_at(packet) or 0
    return packet[:at] + _CHECKSUM + f"{checksum:0{_DIGITS}x}".encode() + b"\x80" + packet[at:]


def _slice_at(packet: bytes) -> int | None:
    """Where the start code of the first slice is."""
    at = packet.find(_START)
    while 0 <= at < len(packet) - len(_START):
        if packet[at + len(_START)] & 0x1F in (_IDR, _SLICE):
            return at
        at = packet.find(_START, at + len(_START))
    return None


def packet_of(cdr: bytes) -> bytes:
    """The packet in a serialised CompressedVideo: stamp, frame name, data, format. Raises RecordingError."""
    try:
        at = _ENCAPSULATION + _STAMP_BYTES
        at += _LENGTH.size + _LENGTH.unpack_from(cdr, at)[0]
        at += -at % _LENGTH.size
        (length,) = _LENGTH.unpack_from(cdr, at)
    except struct.error:
        raise RecordingError(f"a CompressedVideo of {len(cdr)} bytes, which is too short") from None
    return cdr[at + _LENGTH.size : at + _LENGTH.size + length]
