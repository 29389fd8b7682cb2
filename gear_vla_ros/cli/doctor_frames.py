"""What `gear-vla doctor` checks of frames: TF and drivers' poses against the URDF."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.cli.doctor_rows import Row
from gear_vla_ros.contracts import ContractError, RobotState
from gear_vla_ros.geometry import se3, so3
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.ros.poses import pose_from_msg
from gear_vla_ros.ros.probe import Snapshot
from gear_vla_ros.settings import ArmSpec
from gear_vla_ros.settings.errors import did_you_mean

Array = NDArray[np.float64]

FK_M, FK_RAD = 0.005, 0.03
MOUNT_M, MOUNT_RAD = 0.01, 0.05
"""Of cameras and of one arm's base seen from the other's."""


def frame_rows(snapshot: Snapshot, model: RobotModel, state: RobotState | None) -> Iterator[Row]:
    """TF against the YAML's frames, and forward kinematics of the joint states against TF."""
    spec, frames = snapshot.spec, snapshot.frames
    if not frames:
        yield Row("warn", "TF", "nothing on /tf and /tf_static", "start robot_state_publisher; nothing else needs it")
        return
    known = {*frames, *(parent for parent, _ in frames.values())}
    wanted = [name for arm in spec.arms for name in (arm.base_frame, arm.tcp_frame)]
    wanted += [camera.frame for camera in spec.cameras]
    for name in (name for name in wanted if name not in known):
        found = f"not there{did_you_mean(name, sorted(known))}"
        yield Row("fail", f"TF: {name}", found, "correct the YAML or the URDF")
    measured: dict[str, Array | None] = {arm.name: _between(frames, arm.base_frame, arm.tcp_frame) for arm in spec.arms}
    for arm in spec.arms:
        pose = measured[arm.name]
        if state is not None and pose is not None:
            yield _kinematics(arm.name, state, pose, measured)
    if state is not None:
        yield from _mountings(snapshot, model, state)


def _mountings(snapshot: Snapshot, model: RobotModel, state: RobotState) -> Iterator[Row]:
    """Where TF has the arms' bases and the cameras, from the first arm's base, against the URDF."""
    spec, q = snapshot.spec, {name: arm.q for name, arm in state.arms.items()}
    base = spec.arms[0].base_frame
    base_T_world = se3.inverse(model.world_T_base(spec.arms[0].name))
    known = {f"{arm.name}: base frame": arm.base_frame for arm in spec.arms[1:]}
    known |= {f"camera {camera.role}: place": camera.frame for camera in spec.cameras}
    for what, name in known.items():
        found = _between(snapshot.frames, base, name)
        if found is None:
            todo = f"publish the transform between {base} and {name}"
            yield Row("warn", what, f"TF does not connect {base} and {name}", todo)
            continue
        metres, radians = _apart(found, base_T_world @ model.world_T_frame(name, q))
        line = f"{metres * 1e3:.1f} mm, {np.degrees(radians):.1f} degrees from the URDF"
        if metres <= MOUNT_M and radians <= MOUNT_RAD:
            yield Row("pass", what, line)
        else:
            yield Row("fail", what, line, "put the measured mounting into the URDF, or correct who publishes TF")


def driver_rows(snapshot: Snapshot, model: RobotModel, state: RobotState | None) -> Iterator[Row]:
    """Each arm's own pose by its driver against the URDF, where the YAML names it."""
    for arm in snapshot.spec.arms:
        if arm.driver_pose is not None:
            yield _driver(arm, snapshot.topics[arm.driver_pose.topic].last, model, state)


def _driver(arm: ArmSpec, message: Any, model: RobotModel, state: RobotState | None) -> Row:
    spec, what = arm.driver_pose, f"{arm.name}: URDF against the driver's pose"
    assert spec is not None
    if message is None or state is None:
        return Row("fail", what, f"nothing on {spec.topic}", "start the driver, or correct driver_pose in the YAML")
    try:
        found = pose_from_msg(spec.topic, message.pose if spec.stamped else message)
    except ContractError as error:
        return Row("fail", what, str(error), "the driver must give a pose in metres with a quaternion of length 1")
    frame = spec.frame or arm.tcp_frame
    world_T_link = model.world_T_frame(frame, {name: one.q for name, one in state.arms.items()})
    metres, radians = _apart(found, se3.inverse(model.world_T_base(arm.name)) @ world_T_link)
    line = f"{frame}: {metres * 1e3:.1f} mm, {np.degrees(radians):.1f} degrees apart"
    if metres <= MOUNT_M and radians <= MOUNT_RAD:
        return Row("pass", what, line)
    return Row("fail", what, line, "another URDF or firmware, another tool in the driver, or a wrong driver_pose.frame")


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
