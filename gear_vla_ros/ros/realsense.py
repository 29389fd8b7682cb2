"""One RealSense colour camera: opened by serial, stamped in system time, opened again when it was unplugged.

The sensor API is used, not `rs.pipeline`: it is the same for devices and for the SDK's software devices.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyrealsense2 as rs
from numpy.typing import NDArray

from gear_vla_ros.settings import CameraSpec

FORMATS = {"rgb8": rs.format.rgb8, "bgr8": rs.format.bgr8}
INTRINSICS_TOLERANCE = 0.02
MS = 1_000_000


class CameraError(RuntimeError):
    """One line: which camera, what is wrong, what to do."""


@dataclass(frozen=True)
class Intrinsics:
    """As the device gives them; pixels. coefficients: 5 of Brown and Conrady (plumb_bob)."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    coefficients: tuple[float, ...]

    def differs(self, camera: CameraSpec) -> str:
        """What differs from the YAML by more than 2 % (of the image's size for cx, cy); empty if nothing does."""
        scales = {"fx": camera.fx, "fy": camera.fy, "cx": camera.width, "cy": camera.height}
        found = {
            name: (getattr(self, name), getattr(camera, name))
            for name, scale in scales.items()
            if abs(getattr(self, name) - getattr(camera, name)) > INTRINSICS_TOLERANCE * scale
        }
        return ", ".join(f"{name} {device:.1f}, YAML {yaml:.1f}" for name, (device, yaml) in found.items())


@dataclass(frozen=True)
class Frame:
    """One picture: `pixels` `[height, width, 3]` uint8 in the camera's encoding, valid during the callback only."""

    stamp_ns: int
    pixels: NDArray[np.uint8]
    intrinsics: Intrinsics


class StampMapper:
    """Device time -> system time. Frames of the global or system time domain are in it already.

    Of a hardware clock the offset is estimated as the least (arrival - device time) of the last frames: transport
    only ever delays, so the least delayed frame is the nearest to the truth; the window follows the clock's drift.
    """

    def __init__(self, window: int = 300) -> None:
        self._offsets: deque[int] = deque(maxlen=window)
        self._last_ns = 0

    def system_ns(self, device_ms: float, hardware_clock: bool, arrival_ns: int) -> int:
        """Capture time [ns], never after `arrival_ns`. A device clock that began anew starts a new estimate."""
        device_ns = round(device_ms * MS)
        if not hardware_clock:
            return min(device_ns, arrival_ns)
        if device_ns < self._last_ns:
            self._offsets.clear()
        self._last_ns = device_ns
        self._offsets.append(arrival_ns - device_ns)
        return device_ns + min(self._offsets)


def find_device(serial: str) -> Any | None:
    """The connected device of that serial number; None if there is none."""
    for device in rs.context().query_devices():
        if device.supports(rs.camera_info.serial_number) and device.get_info(rs.camera_info.serial_number) == serial:
            return device
    return None


class RealsenseCamera:
    """Reads one camera in a thread of its own until `close`.

    Callbacks come from that thread: on_frame for each picture, on_problem(cause, line) for whatever is wrong. Frames
    that the device counted but that never came are in `lost`, successful openings in `opened`.
    """

    def __init__(
        self,
        camera: CameraSpec,
        on_frame: Callable[[Frame], None],
        on_problem: Callable[[str, str], None],
        find: Callable[[str], Any | None] = find_device,
        silent_s: float = 2.0,
        retry_s: tuple[float, float] = (0.5, 10.0),
    ) -> None:
        """silent_s: a camera without frames for so long is opened again. retry_s: first and longest wait between."""
        if camera.serial is None:
            raise CameraError(f"cameras: {camera.role}: no serial, put the RealSense's serial number into the YAML")
        self.camera, self.serial = camera, camera.serial
        self.lost, self.opened = 0, 0
        self._on_frame, self._on_problem, self._find = on_frame, on_problem, find
        self._silent_ms, self._retry_s = round(silent_s * 1000), retry_s
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"camera-{camera.role}", daemon=True)
        self._thread.start()

    def close(self) -> bool:
        """Stop the camera. False when the SDK did not return within five seconds."""
        self._ending.set()
        self._thread.join(self._silent_ms / 1000 + 5.0)
        return not self._thread.is_alive()

    def _run(self) -> None:
        first_s, longest_s = self._retry_s
        wait_s = first_s
        while not self._ending.is_set():
            opened = self.opened
            try:
                self._stream()
            except CameraError as error:
                self._on_problem(f"camera_missing {self.camera.role}", str(error))
            except RuntimeError as error:  # what pyrealsense2 raises for everything
                if not self._ending.is_set():
                    line = f"{self.serial}: {' '.join(str(error).split())}"
                    self._on_problem(f"camera_lost {self.camera.role}", line)
            wait_s = first_s if self.opened > opened else min(2 * wait_s, longest_s)
            self._ending.wait(wait_s)

    def _stream(self) -> None:
        """Open and read until the end or a failure. Raises CameraError, or RuntimeError of the SDK."""
        device = self._find(self.serial)
        if device is None:
            raise CameraError(f"no RealSense with serial {self.serial} is connected; check cable and USB 3 port")
        sensor, profile = self._choose(device)
        if sensor.supports(rs.option.global_time_enabled):
            sensor.set_option(rs.option.global_time_enabled, 1)
        queue = rs.frame_queue(2)
        sensor.open(profile)
        try:
            sensor.start(queue)
            try:
                self.opened += 1
                self._read(queue)
            finally:
                sensor.stop()
        finally:
            sensor.close()

    def _choose(self, device: Any) -> tuple[Any, Any]:
        """Sensor and profile that give what the YAML asks for. Raises CameraError listing what there is."""
        camera, offered = self.camera, set()
        for sensor in device.query_sensors():
            for profile in sensor.get_stream_profiles():
                if profile.stream_type() != rs.stream.color:
                    continue
                video = profile.as_video_stream_profile()
                size = (video.width(), video.height(), video.fps())
                if profile.format() == FORMATS[camera.encoding]:
                    offered.add(size)
                    if size == (camera.width, camera.height, round(camera.rate_hz)):
                        return sensor, profile
        modes = ", ".join(f"{w}x{h} at {hz} Hz" for w, h, hz in sorted(offered)) or "none"
        wanted = f"{camera.width}x{camera.height} {camera.encoding} at {camera.rate_hz:g} Hz"
        raise CameraError(f"cameras: {camera.role}: {wanted} is not offered by {self.serial}; it offers {modes}")

    def _read(self, queue: Any) -> None:
        stamps, last_number = StampMapper(), -1
        while not self._ending.is_set():
            frame = queue.wait_for_frame(self._silent_ms)
            arrival_ns = time.time_ns()
            number = frame.get_frame_number()
            if number <= last_number:
                continue
            self.lost += number - last_number - 1 if last_number >= 0 else 0
            last_number = number
            hardware_clock = frame.get_frame_timestamp_domain() == rs.timestamp_domain.hardware_clock
            stamp_ns = stamps.system_ns(frame.get_timestamp(), hardware_clock, arrival_ns)
            profile = frame.get_profile().as_video_stream_profile()
            self._on_frame(Frame(stamp_ns, np.asanyarray(frame.get_data()), _intrinsics(profile)))


def _intrinsics(profile: Any) -> Intrinsics:
    of = profile.get_intrinsics()
    return Intrinsics(of.width, of.height, of.fx, of.fy, of.ppx, of.ppy, tuple(of.coeffs))
