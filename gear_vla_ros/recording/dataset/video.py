"""Pictures of one camera as H.264 in MP4, one after the other and each by its time."""

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.recording.errors import RecordingError

CODEC, PIXELS = "libx264", "yuv420p"
KEY_EVERY = 2
"""Frames from one whole picture to the next, as LeRobot's: any frame is read by decoding two at most."""
OPTIONS = {"crf": "18", "preset": "veryfast", "g": str(KEY_EVERY), "bf": "0"}
Picture = NDArray[np.uint8]


class VideoWriter:
    """One MP4 file, made anew. Raises RecordingError: the file is there, odd sizes, no place on the disk."""

    def __init__(self, file: Path, fps: int, width: int, height: int) -> None:
        if width % 2 or height % 2:
            raise RecordingError(f"{file.name}: pictures of {width} x {height}; H.264 takes even sizes only")
        if file.exists():
            raise RecordingError(f"{file}: is there already; nothing was overwritten")
        self.file, self.frames, self._fps = file, 0, fps
        file.parent.mkdir(parents=True, exist_ok=True)
        self._container = av.open(str(file), "w", options={"movflags": "faststart"})
        self._stream = cast(av.VideoStream, self._container.add_stream(CODEC, rate=fps, options=OPTIONS))
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, PIXELS
        self._stream.codec_context.time_base = Fraction(1, fps)

    def add(self, pixels: Picture, count: int = 1) -> None:
        """`count` frames of one RGB picture `[height, width, 3]`."""
        try:
            for _ in range(count):
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts, frame.time_base = self.frames, Fraction(1, self._fps)
                self._container.mux(self._stream.encode(frame))
                self.frames += 1
        except av.FFmpegError as error:
            raise RecordingError(f"{self.file}: frame {self.frames} cannot be written: {error.strerror}") from None

    def close(self) -> None:
        """Write what is still in the encoder, and the file's index."""
        try:
            self._container.mux(self._stream.encode(None))
            self._container.close()
        except av.FFmpegError as error:
            raise RecordingError(f"{self.file}: cannot be finished: {error.strerror}") from None

    def abandon(self) -> None:
        """Give the file back as it is, after an error."""
        with suppress(av.FFmpegError):
            self._container.close()


class VideoReader:
    """Frames by their time. For one thread: it keeps its place, so reading in order decodes each frame once."""

    def __init__(self, file: Path) -> None:
        """Raises RecordingError when it cannot be opened or holds no video."""
        self.file = file
        try:
            self._container = av.open(str(file))
            self._stream = self._container.streams.video[0]
        except (av.FFmpegError, IndexError, OSError) as error:
            reason = getattr(error, "strerror", None) or "it holds no video"
            raise RecordingError(f"{file}: no readable video: {reason}") from None
        rate = self._stream.average_rate
        if rate is None or self._stream.time_base is None:
            raise RecordingError(f"{file}: no readable video: it has no frame rate")
        self._period_s, self._tick_s = float(1 / rate), float(self._stream.time_base)
        self._frames: Iterator[av.VideoFrame] = iter(())
        self._at_s: float | None = None

    def at(self, seconds: float) -> Picture:
        """The RGB picture `[height, width, 3]` shown at `seconds`. Raises RecordingError when there is none."""
        ahead = None if self._at_s is None else seconds - self._at_s
        if ahead is None or not 0.5 * self._period_s < ahead < (KEY_EVERY + 0.5) * self._period_s:
            self._seek(seconds)
        try:
            for frame in self._frames:
                self._at_s = float(frame.pts or 0) * self._tick_s
                if abs(self._at_s - seconds) < 0.5 * self._period_s:
                    return np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
                if self._at_s > seconds:
                    break
        except av.FFmpegError as error:
            raise RecordingError(f"{self.file}: cannot be read at {seconds:.3f} s: {error.strerror}") from None
        raise RecordingError(f"{self.file}: no frame at {seconds:.3f} s; is it cut?")

    def close(self) -> None:
        """Give the file back."""
        self._container.close()

    def _seek(self, seconds: float) -> None:
        self._at_s = None
        try:
            self._container.seek(round(seconds / self._tick_s), stream=self._stream, backward=True)
        except av.FFmpegError as error:
            raise RecordingError(f"{self.file}: no frame at {seconds:.3f} s: {error.strerror}") from None
        self._frames = self._container.decode(self._stream)
