"""What `gear-vla doctor` checks: pure functions from what was heard to rows of a table."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts import ContractError, RobotState
from gear_vla_ros.geometry import se3, so3
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.ros import images
from gear_vla_ros.ros.joint_states import JointStateReader
from gear_vla_ros.ros.probe import Heard, Snapshot
from gear_vla_ros.settings import CameraSpec
from gear_vla_ros.settings.errors import did_you_mean

Array = NDArray[np.float64]
Verdict = Literal["pass", "warn", "fail"]

RATE_SHARE, SLOW_SHARE = 0.8, 0.5
"""Shares of the YAML's rate: below the first a warning, below the second a failure."""
FOCAL_SHARE = 0.05
FK_M, FK_RAD = 0.005, 0.03
GRIPPER_SHARE, LIMIT_RAD = 0.1, 0.02


@dataclass(frozen=True)
class Row:
    """One check. todo: what to do about it, empty when it passed."""

    verdict: Verdict
    what: str
    found: str
    todo: str = ""


def examine(snapshot: Snapshot) -> list[Row]:
    """All rows, in the order of the YAML. Never raises for what a robot may have said."""
    spec = snapshot.spec
    model = RobotModel(spec)
    rows = list(_joints(snapshot, model))
    for camera in spec.cameras:
        rows += _camera(snapshot, camera)
    return [*rows, *_skew(snapshot), *_frames(snapshot, model)]


def _stream(heard: Heard, what: str, topic: str, rate_hz: float, limit_s: float, future_s: float) -> Iterator[Row]:
    """A topic that must keep coming: there, of its type, at its rate, with stamps of capture."""
    if heard.types_found and heard.type_name not in heard.types_found:
        yield Row("fail", what, f"{topic} is {', '.join(heard.types_found)}", f"publish {heard.type_name}")
        return
    if len(heard.times_ns) < 2:
        found = "no publisher" if not heard.types_found else f"a publisher, but {len(heard.times_ns)} messages"
        yield Row("fail", what, f"{topic}: {found}", "start its driver; check ROS_DOMAIN_ID, QoS and the YAML's topic")
        return
    hz = (len(heard.times_ns) - 1) / ((heard.times_ns[-1] - heard.times_ns[0]) * 1e-9)
    verdict: Verdict = "pass" if hz >= RATE_SHARE * rate_hz else "warn" if hz >= SLOW_SHARE * rate_hz else "fail"
    todo = "" if verdict == "pass" else "raise the driver's rate, or lower it in the YAML"
    yield Row(verdict, f"{what}: rate", f"{hz:.1f} Hz, YAML {rate_hz:g}", todo)
    yield _stamps(heard, what, limit_s, future_s)


def _stamps(heard: Heard, what: str, limit_s: float, future_s: float) -> Row:
    stamps, times = np.array(heard.stamps_ns), np.array(heard.times_ns)
    what = f"{what}: stamps"
    if (stamps == 0).any():
        return Row("fail", what, "zero", "the driver must stamp with the capture time")
    if (np.diff(stamps) < 0).any():
        return Row("fail", what, "go back", "two publishers on one topic, or a driver that mixes clocks")
    if (np.diff(stamps) == 0).all():
        return Row("fail", what, "never change: the picture is frozen", "restart the driver")
    ages = (times - stamps) * 1e-9
    age, least = float(np.median(ages)), float(ages.min())
    found = f"{age * 1e3:.1f} ms old at arrival"
    if least < -future_s:
        return Row("fail", what, f"{-least * 1e3:.0f} ms ahead of this machine's clock", "synchronise clocks (chrony)")
    if age > limit_s:
        return Row("fail", what, found, f"allowed {limit_s * 1e3:g} ms: synchronise clocks, or find the delay")
    return Row("pass", what, found)


def _joints(snapshot: Snapshot, model: RobotModel) -> Iterator[Row]:
    spec = snapshot.spec
    heard = snapshot.topics[spec.joint_states_topic]
    limits = spec.staleness.joint_states_s, spec.sync.max_future_s
    yield from _stream(heard, "joint states", spec.joint_states_topic, spec.rates.joint_states_hz, *limits)
    if heard.last is None or heard.type_name not in (heard.types_found or [heard.type_name]):
        return
    try:
        state = JointStateReader(spec, model).read(heard.last)
    except ContractError as error:
        yield Row("fail", "joint names and values", str(error), "correct arms.*.joints in the YAML, or the driver")
        return
    wanted = [name for arm in spec.arms for name in (*arm.joints, arm.gripper.joint)]
    in_order = [name for name in heard.last.name if name in wanted] == wanted
    yield Row("pass", "joint names", "all there" + ("" if in_order else ", in another order: put in order by name"))
    positions = dict(zip(heard.last.name, heard.last.position, strict=True))
    for arm in spec.arms:
        yield _within_limits(arm.name, state, model)
        yield _gripper(snapshot, arm.name, float(positions[arm.gripper.joint]))


def _within_limits(arm: str, state: RobotState, model: RobotModel) -> Row:
    limits, q = model.limits(arm), state.arms[arm].q
    beyond = np.maximum(limits.lower - q, q - limits.upper)
    worst = int(np.argmax(beyond))
    if beyond[worst] <= LIMIT_RAD:
        return Row("pass", f"{arm}: joints within limits", f"nearest has {-beyond[worst]:.2f} rad left")
    name = model.spec.arm(arm).joints[worst]
    found = f"{name} is at {q[worst]:.3f} rad, allowed {limits.lower[worst]:.3f} to {limits.upper[worst]:.3f}"
    return Row("fail", f"{arm}: joints within limits", found, "degrees for radians, a wrong order, or a wrong URDF")


def _gripper(snapshot: Snapshot, arm: str, position: float) -> Row:
    gripper = snapshot.spec.arm(arm).gripper
    share = (position - gripper.closed) / (gripper.open - gripper.closed)
    found = f"{gripper.joint} at {position:.4f} {gripper.unit}: {share:.0%} open"
    if -GRIPPER_SHARE <= share <= 1 + GRIPPER_SHARE:
        return Row("pass", f"{arm}: gripper", f"{found}; look whether it is")
    todo = "closed and open are swapped, in another unit, or of both fingers together"
    return Row("fail", f"{arm}: gripper", f"{found}, allowed 0 to 100 %", todo)


def _camera(snapshot: Snapshot, camera: CameraSpec) -> Iterator[Row]:
    spec, sim = snapshot.spec, snapshot.spec.sim
    heard, what = snapshot.topics[camera.topic], f"camera {camera.role}"
    rate_hz = sim.camera_rate_hz if snapshot.simulated else camera.rate_hz
    yield from _stream(heard, what, camera.topic, rate_hz, spec.staleness.camera_s, spec.sync.max_future_s)
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
    yield _intrinsics(snapshot, camera, width / camera.width, height / camera.height)


def _intrinsics(snapshot: Snapshot, camera: CameraSpec, wider: float, higher: float) -> Row:
    what, info = f"camera {camera.role}: intrinsics", snapshot.topics[camera.info_topic].last
    if info is None:
        return Row("warn", what, f"nothing on {camera.info_topic}", "publish CameraInfo; the YAML's are used unchecked")
    scale = higher if snapshot.simulated else wider
    wanted, found = (camera.fy if snapshot.simulated else camera.fx) * scale, float(info.k[0])
    line = f"fx {found:.1f}, YAML {wanted:.1f} pixel"
    if abs(found - wanted) <= FOCAL_SHARE * wanted:
        return Row("pass", what, line)
    return Row("fail", what, line, "put the driver's fx, fy, cx, cy into the YAML")


def _skew(snapshot: Snapshot) -> Iterator[Row]:
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


def _frames(snapshot: Snapshot, model: RobotModel) -> Iterator[Row]:
    """TF against the YAML's frames, and forward kinematics of the joint states against TF."""
    spec, frames = snapshot.spec, snapshot.frames
    if not frames:
        yield Row("warn", "TF", "nothing on /tf and /tf_static", "start robot_state_publisher; nothing else needs it")
        return
    known = {*frames, *(parent for parent, _ in frames.values())}
    wanted = [name for arm in spec.arms for name in (arm.base_frame, arm.tcp_frame)]
    wanted += [camera.frame for camera in spec.cameras]
    for name in (name for name in wanted if name not in known):
        yield Row(
            "fail", f"TF: {name}", f"not there{did_you_mean(name, sorted(known))}", "correct the YAML or the URDF"
        )
    joints = snapshot.topics[spec.joint_states_topic].last
    try:
        state = None if joints is None else JointStateReader(spec, model).read(joints)
    except ContractError:
        state = None
    measured: dict[str, Array | None] = {arm.name: _between(frames, arm.base_frame, arm.tcp_frame) for arm in spec.arms}
    for arm in spec.arms:
        pose = measured[arm.name]
        if state is not None and pose is not None:
            yield _kinematics(arm.name, state, pose, measured)


def _kinematics(arm: str, state: RobotState, pose: Array, measured: dict[str, Array | None]) -> Row:
    what = f"{arm}: URDF against TF"
    metres, radians = _apart(state.arms[arm].base_T_tcp, pose)
    found = f"{metres * 1e3:.1f} mm, {np.degrees(radians):.1f} degrees apart"
    if metres <= FK_M and radians <= FK_RAD:
        return Row("pass", what, found)
    for other, theirs in measured.items():
        if other != arm and theirs is not None and _apart(state.arms[arm].base_T_tcp, theirs)[0] <= FK_M:
            return Row("fail", what, f"{found}; it is where {other} is", "left and right are swapped")
    return Row("fail", what, found, "another URDF, other joint zeros, or left and right swapped")


def _apart(a: Array, b: Array) -> tuple[float, float]:
    return float(np.linalg.norm(a[:3, 3] - b[:3, 3])), float(so3.angle_between(a[:3, :3], b[:3, :3]))


def _between(frames: dict[str, tuple[str, object]], base: str, tip: str) -> Array | None:
    """`base_T_tip` from TF; None when they are not connected."""
    base_T_root, tip_T_root = _to_root(frames, base), _to_root(frames, tip)
    if base_T_root[0] != tip_T_root[0]:
        return None
    pose: Array = se3.inverse(base_T_root[1]) @ tip_T_root[1]
    return pose


def _to_root(frames: dict[str, tuple[str, object]], name: str) -> tuple[str, Array]:
    """The root above a frame, and `root_T_frame`."""
    root_T_frame, seen = np.eye(4), set()
    while name in frames and name not in seen:
        seen.add(name)
        parent, transform = frames[name]
        t, r = transform.translation, transform.rotation  # type: ignore[attr-defined]
        pose = se3.from_xyz_quat(np.array([t.x, t.y, t.z]), np.array([r.x, r.y, r.z, r.w]))
        root_T_frame, name = pose @ root_T_frame, parent
    return name, root_T_frame
