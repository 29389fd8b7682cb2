"""What `gear-vla doctor` checks of cameras: pure functions from what was heard to rows."""

from collections.abc import Iterator

import numpy as np

from gear_vla_ros.cli.doctor_rows import Row, stream
from gear_vla_ros.contracts import ContractError
from gear_vla_ros.ros import images
from gear_vla_ros.ros.probe import Snapshot
from gear_vla_ros.ros.sim_cameras import camera_info
from gear_vla_ros.settings import CameraSpec

FOCAL_SHARE, CENTRE_SHARE = 0.05, 0.03
"""Of the YAML's focal lengths, and of the picture's width and height for the principal point."""


def camera_rows(snapshot: Snapshot, camera: CameraSpec) -> Iterator[Row]:
    spec, sim = snapshot.spec, snapshot.spec.sim
    heard, what = snapshot.topics[camera.topic], f"camera {camera.role}"
    rate_hz = sim.camera_rate_hz if snapshot.simulated else camera.rate_hz
    yield from stream(heard, what, camera.topic, rate_hz, spec.staleness.camera_s, spec.sync.max_future_s)
    if heard.last is None or not hasattr(heard.last, "encoding"):
        return
    width, height = (sim.camera_width, sim.camera_height) if snapshot.simulated else (camera.width, camera.height)
    picture = heard.last
    try:
        pixels = images.view(picture, width, height)
    except ContractError as error:
        yield Row("fail", f"{what}: picture", str(error), "set size and encoding in the YAML, or in the driver")
        return
    if picture.encoding != camera.encoding:
        found = f"{picture.encoding}, YAML {camera.encoding}"
        yield Row("fail", f"{what}: picture", found, "set the encoding in the YAML, or in the driver")
        return
    todo = "" if (bright := float(pixels.std())) > 2.0 else "is the lens covered?"
    yield Row("warn" if todo else "pass", f"{what}: picture", f"{width}x{height} {picture.encoding}", todo)
    if picture.header.frame_id != camera.frame:
        found = f"frame_id '{picture.header.frame_id}', YAML '{camera.frame}'"
        yield Row("warn", f"{what}: frame", found, f"wrong camera on this topic? (contrast {bright:.0f})")
    yield _intrinsics(snapshot, camera, width, height)


def _intrinsics(snapshot: Snapshot, camera: CameraSpec, width: int, height: int) -> Row:
    """fx, fy, cx, cy and the size of the driver's CameraInfo against the YAML's, or against the simulator's."""
    what, info = f"camera {camera.role}: intrinsics", snapshot.topics[camera.info_topic].last
    if info is None:
        return Row("warn", what, f"nothing on {camera.info_topic}", "publish CameraInfo; the YAML's are used unchecked")
    if (info.width, info.height) != (width, height):
        sizes = f"CameraInfo is of {info.width}x{info.height}, the picture of {width}x{height}"
        return Row("fail", what, sizes, "calibrate at the size that is published; scaled intrinsics are others")
    wanted = camera.fx, camera.fy, camera.cx, camera.cy
    if snapshot.simulated:
        k = camera_info(camera, width, height).k
        wanted = float(k[0]), float(k[4]), float(k[2]), float(k[5])
    found = float(info.k[0]), float(info.k[4]), float(info.k[2]), float(info.k[5])
    allowed = FOCAL_SHARE * wanted[0], FOCAL_SHARE * wanted[1], CENTRE_SHARE * width, CENTRE_SHARE * height
    named = zip(("fx", "fy", "cx", "cy"), found, wanted, allowed, strict=True)
    wrong = [f"{name} {f:.1f}, YAML {w:.1f} pixel" for name, f, w, off in named if not abs(f - w) <= off]
    if wrong:
        return Row("fail", what, "; ".join(wrong), "put the driver's fx, fy, cx, cy into the YAML")
    fx, fy, cx, cy = found
    return Row("pass", what, f"fx {fx:.1f}, fy {fy:.1f}, cx {cx:.1f}, cy {cy:.1f} pixel")


def skew_rows(snapshot: Snapshot) -> Iterator[Row]:
    spec = snapshot.spec
    head, limit_s = np.array(snapshot.topics[spec.cameras[0].topic].stamps_ns), spec.sync.max_skew_s
    for camera in spec.cameras[1:]:
        other = np.array(snapshot.topics[camera.topic].stamps_ns)
        if not head.size or not other.size:
            continue
        nearest = np.abs(head[:, None] - other[None]).min(axis=1) * 1e-9
        skew, what = float(np.median(nearest)), f"camera {camera.role}: skew to head"
        found = f"{skew * 1e3:.1f} ms, allowed {limit_s * 1e3:g}"
        if skew <= limit_s:
            yield Row("pass", what, found)
        else:
            yield Row("fail", what, found, "trigger the cameras together, or raise sync.max_skew_s")
