"""What `gear-vla doctor` checks: pure functions from what was heard to rows of a table."""

from collections.abc import Iterator

import numpy as np

from gear_vla_ros.cli.doctor_cameras import camera_rows, skew_rows
from gear_vla_ros.cli.doctor_frames import driver_rows, frame_rows
from gear_vla_ros.cli.doctor_rows import Row, stream
from gear_vla_ros.contracts import ContractError, RobotState
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.ros.joint_states import JointStateReader
from gear_vla_ros.ros.probe import Snapshot

GRIPPER_SHARE, LIMIT_RAD = 0.1, 0.02


def examine(snapshot: Snapshot) -> list[Row]:
    """All rows, in the order of the YAML. Never raises for what a robot may have said."""
    spec = snapshot.spec
    model = RobotModel(spec)
    state = _state(snapshot, model)
    rows = list(_joints(snapshot, model))
    for camera in spec.cameras:
        rows += camera_rows(snapshot, camera)
    return [
        *rows,
        *skew_rows(snapshot),
        *frame_rows(snapshot, model, state),
        *([] if snapshot.simulated else driver_rows(snapshot, model, state)),
    ]


def _state(snapshot: Snapshot, model: RobotModel) -> RobotState | None:
    heard = snapshot.topics[snapshot.spec.joint_states_topic]
    if heard.last is None or heard.type_name not in (heard.types_found or [heard.type_name]):
        return None
    try:
        return JointStateReader(snapshot.spec, model).read(heard.last)
    except ContractError:
        return None


def _joints(snapshot: Snapshot, model: RobotModel) -> Iterator[Row]:
    spec = snapshot.spec
    heard = snapshot.topics[spec.joint_states_topic]
    limits = spec.staleness.joint_states_s, spec.sync.max_future_s
    yield from stream(heard, "joint states", spec.joint_states_topic, spec.rates.joint_states_hz, *limits)
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
