"""RealSense: real SDK frames of software devices through the node, and back again after unplugging."""

import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
import rclpy
import yaml
from hypothesis import given
from hypothesis import strategies as st
from peer import Peer

from gear_vla_ros.nodes.realsense_node import CAMERA_INFO, RealsenseNode
from gear_vla_ros.ros import images
from gear_vla_ros.ros.running import StartError
from gear_vla_ros.ros.stamps import to_ns
from gear_vla_ros.ros.topics import CAMERA
from gear_vla_ros.settings import load_robot
from gear_vla_ros.settings.robot import robots_dir

rs = pytest.importorskip("pyrealsense2", exc_type=ImportError)
realsense = pytest.importorskip("gear_vla_ros.ros.realsense", exc_type=ImportError)

MS = 1_000_000
QUICK = {"silent_s": 0.3, "retry_s": (0.05, 0.2)}


class SoftwareCamera:
    """A software device with one colour stream, as the SDK shows it."""

    def __init__(self, camera, fx_factor=1.0, rate_hz=None):
        self.device = rs.software_device()
        self.device.register_info(rs.camera_info.serial_number, camera.serial)
        self.sensor = self.device.add_sensor("RGB Camera")
        intrinsics = rs.intrinsics()
        intrinsics.width, intrinsics.height = camera.width, camera.height
        intrinsics.fx, intrinsics.fy = camera.fx * fx_factor, camera.fy
        intrinsics.ppx, intrinsics.ppy = camera.cx, camera.cy
        intrinsics.model, intrinsics.coeffs = rs.distortion.brown_conrady, [0.1, 0.0, 0.0, 0.0, 0.0]
        stream = rs.video_stream()
        stream.type, stream.index, stream.uid, stream.bpp = rs.stream.color, 0, 1, 3
        stream.width, stream.height, stream.fps = camera.width, camera.height, round(rate_hz or camera.rate_hz)
        stream.fmt, stream.intrinsics = realsense.FORMATS[camera.encoding], intrinsics
        self.profile = self.sensor.add_video_stream(stream)
        self.number = 0

    def send(self, pixels, timestamp_ms, domain=rs.timestamp_domain.global_time, skip=0):
        frame = rs.software_video_frame()
        frame.pixels, frame.stride, frame.bpp = np.ascontiguousarray(pixels), pixels.shape[1] * 3, 3
        self.number += 1 + skip
        frame.timestamp, frame.domain, frame.frame_number = timestamp_ms, domain, self.number
        frame.profile = self.profile.as_video_stream_profile()
        self.sensor.on_video_frame(frame)


@pytest.fixture(scope="module")
def robot(tmp_path_factory):
    """The Franka with serial numbers, and the path of its YAML."""
    data = yaml.safe_load((robots_dir() / "franka.yaml").read_text(encoding="utf-8"))
    for i, camera in enumerate(data["cameras"]):
        camera["serial"] = f"00{i}"
    path = tmp_path_factory.mktemp("robots") / "franka_rs.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return load_robot(str(path)), path


def picture(camera):
    """Every pixel tells its place."""
    rows, columns = np.mgrid[: camera.height, : camera.width]
    return np.stack([rows % 251, columns % 241, np.full_like(rows, 7)], axis=-1).astype(np.uint8)


@contextmanager
def node(path, find):
    rclpy.init(args=["--ros-args", "-p", f"robot:={path}"])
    made = None
    try:
        made = RealsenseNode(find=find, **QUICK)
        yield made
    finally:
        if made is not None:
            made.close()
            made.destroy_node()
        rclpy.try_shutdown()


def test_a_frame_goes_through_the_node_unchanged(robot):
    spec, path = robot
    devices = {camera.serial: SoftwareCamera(camera, fx_factor=1.05) for camera in spec.cameras}
    with node(path, lambda serial: devices[serial].device) as made, Peer("realsense_node") as peer:
        heard = {c.role: (peer.hear(CAMERA, c.topic), peer.hear(CAMERA_INFO, c.info_topic)) for c in spec.cameras}
        stamp_ms = {}

        def send():
            for camera in spec.cameras:
                stamp_ms[camera.role] = time.time() * 1e3 - 8.0
                devices[camera.serial].send(picture(camera), stamp_ms[camera.role])

        peer.every(0.05, send)
        peer.until(lambda: all(len(a) > 3 and len(b) > 3 for a, b in heard.values()), "pictures of both cameras")
        for camera in spec.cameras:
            message, info = heard[camera.role][0][-1], heard[camera.role][1][-1]
            np.testing.assert_array_equal(
                images.view(message, camera.width, camera.height),
                picture(camera) if camera.encoding == "rgb8" else picture(camera)[:, :, ::-1],
            )
            assert message.header.frame_id == info.header.frame_id == camera.frame
            assert abs(to_ns(message.header.stamp) - stamp_ms[camera.role] * MS) < 200 * MS
            assert info.k[0] == pytest.approx(camera.fx * 1.05, rel=1e-5)
            assert info.d[0] == pytest.approx(0.1, abs=1e-5)
        assert made.health._values["intrinsics head"].startswith("device fx 635.2, YAML 605.0")


@contextmanager
def reader(camera, find):
    frames, problems, changed = [], [], threading.Condition()

    def note(into, value):
        with changed:
            into.append(value)
            changed.notify_all()

    def until(true, what):
        with changed:
            assert changed.wait_for(true, timeout=20.0), f"waited for {what}; problems {problems[-3:]}"

    made = realsense.RealsenseCamera(
        camera, lambda f: note(frames, (f.stamp_ns, f.pixels.copy())), lambda *p: note(problems, p), find, **QUICK
    )
    try:
        yield made, frames, problems, until
    finally:
        assert made.close()


def keep_sending(device, camera, stop, **how):
    def run():
        while not stop.wait(0.03):
            device.send(picture(camera), time.time() * 1e3, **how)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_an_unplugged_camera_comes_back(robot):
    camera = robot[0].cameras[0]
    first, second = SoftwareCamera(camera), SoftwareCamera(camera)
    answers = iter([first.device, None, None, None])
    with reader(camera, lambda serial: next(answers, second.device)) as (made, frames, problems, until):
        for device, opened in ((first, 1), (second, 2)):
            stop, before = threading.Event(), len(frames)
            thread = keep_sending(device, camera, stop)
            try:
                until(lambda before=before: len(frames) > before + 3, f"frames of opening {opened}")
                assert made.opened == opened
            finally:
                stop.set()
                thread.join()
        causes = [cause for cause, _ in problems]
        assert "camera_lost head" in causes
        assert causes.count("camera_missing head") == 3
        assert any(camera.serial in line for _, line in problems)


def test_lost_frames_are_counted(robot):
    camera = robot[0].cameras[0]
    device = SoftwareCamera(camera)
    with reader(camera, lambda serial: device.device) as (made, frames, _, until):
        stop = threading.Event()
        thread = keep_sending(device, camera, stop, skip=2)
        try:
            until(lambda: len(frames) > 5, "frames")
        finally:
            stop.set()
            thread.join()
        assert made.lost >= 2 * 5


def test_a_mode_that_is_not_offered_lists_those_that_are(robot):
    camera = robot[0].cameras[0]
    device = SoftwareCamera(camera, rate_hz=15)
    with reader(camera, lambda serial: device.device) as (_, frames, problems, until):
        until(lambda: problems, "a problem")
        assert "640x480 rgb8 at 30 Hz is not offered by 000; it offers 640x480 at 15 Hz" in problems[0][1]
        assert not frames


def test_a_robot_without_serials_is_refused():
    with pytest.raises(StartError, match="head, right_wrist: no serial"), node("franka", lambda serial: None):
        pass


@given(
    delays=st.lists(st.floats(0.5, 60.0), min_size=30, max_size=80),
    begin_ms=st.floats(0, 1e7),
)
def test_hardware_stamps_err_by_the_least_delay_at_most(delays, begin_ms):
    mapper, epoch_ns = realsense.StampMapper(), 1_790_000_000 * 10**9
    errors = []
    for i, delay_ms in enumerate(delays):
        captured_ns = epoch_ns + i * 33 * MS
        arrival_ns = captured_ns + round(delay_ms * MS)
        stamp_ns = mapper.system_ns(begin_ms + i * 33, True, arrival_ns)
        assert stamp_ns <= arrival_ns
        errors.append(stamp_ns - captured_ns)
    assert all(error + 1 >= 0 for error in errors)
    assert errors[-1] <= min(delays) * MS + 1


def test_a_device_clock_that_began_anew_is_followed():
    mapper = realsense.StampMapper()
    mapper.system_ns(5000.0, True, 100_000 * MS)
    assert mapper.system_ns(1.0, True, 200_000 * MS) == 200_000 * MS


def test_global_time_is_taken_but_never_from_the_future():
    mapper = realsense.StampMapper()
    assert mapper.system_ns(1000.5, False, 2000 * MS) == round(1000.5 * MS)
    assert mapper.system_ns(3000.0, False, 2000 * MS) == 2000 * MS
