"""Every row of `gear-vla doctor` against a healthy robot and against one that is spoilt in one place."""

import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped, Transform
from sensor_msgs.msg import CameraInfo, Image, JointState

from gear_vla_ros.cli.doctor_checks import examine
from gear_vla_ros.cli.doctor_move import move_rows
from gear_vla_ros.geometry import se3, so3
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.ros import images
from gear_vla_ros.ros.poses import pose_to_msg
from gear_vla_ros.ros.probe import SCENE, Heard, Snapshot
from gear_vla_ros.ros.stamps import to_msg
from gear_vla_ros.ros.trial_motion import Trial
from gear_vla_ros.settings import load_robot
from gear_vla_ros.settings.commands import DriverPoseSpec

SPEC = load_robot("agilex")
MODEL = RobotModel(SPEC)
NOW_NS, MS = 10**18, 10**6
TYPES = {
    JointState: "sensor_msgs/msg/JointState",
    Image: "sensor_msgs/msg/Image",
    CameraInfo: "sensor_msgs/msg/CameraInfo",
}


def heard(message, rate_hz, age_ms=3, seconds=2.0):
    period_ns = round(1e9 / rate_hz)
    times = list(range(NOW_NS, NOW_NS + round(seconds * 1e9), period_ns))
    name = TYPES[type(message)]
    message.header.stamp = to_msg(times[-1] - age_ms * MS)
    return Heard(name, [name], times, [t - age_ms * MS for t in times], message)


def transform(pose):
    made, (x, y, z, w) = Transform(), so3.to_quat(pose[:3, :3])
    made.translation.x, made.translation.y, made.translation.z = pose[:3, 3]
    made.rotation.x, made.rotation.y, made.rotation.z, made.rotation.w = x, y, z, w
    return made


@pytest.fixture
def robot():
    """Two arms at different places, three cameras, TF."""
    q = {arm.name: np.array(arm.home) for arm in SPEC.arms}
    q["left"] = q["left"] + 0.1
    opening = dict.fromkeys(q, 0.5)
    joints = JointState()
    for arm in SPEC.arms:
        joints.name += [*arm.joints, arm.gripper.joint]
        joints.position.extend([*q[arm.name], 0.5 * arm.gripper.open])
    snapshot = Snapshot(SPEC, 2.0, {SPEC.joint_states_topic: heard(joints, 200.0), SCENE: Heard("x")})
    for camera in SPEC.cameras:
        pixels = np.random.default_rng(0).integers(0, 255, (camera.height, camera.width, 3), np.uint8)
        picture = images.fill(Image(), pixels, camera.encoding)
        picture.header.frame_id = camera.frame
        info = CameraInfo(width=camera.width, height=camera.height)
        info.k[0], info.k[4], info.k[2], info.k[5] = camera.fx, camera.fy, camera.cx, camera.cy
        snapshot.topics[camera.topic] = heard(picture, 30.0)
        snapshot.topics[camera.info_topic] = heard(info, 30.0)
    for parent, child, pose in MODEL.transforms(q, opening):
        snapshot.frames[child] = (parent, transform(pose))
    return snapshot


def failed(snapshot):
    return [f"{row.what}: {row.found}" for row in examine(snapshot) if row.verdict == "fail"]


def test_a_healthy_robot_passes(robot):
    rows = examine(robot)
    assert [row for row in rows if row.verdict != "pass"] == []
    assert len(rows) > 20


def joints(robot):
    return robot.topics[SPEC.joint_states_topic]


def head(robot):
    return robot.topics[SPEC.cameras[0].topic]


def swap_arms_of_tf(robot):
    message = joints(robot).last
    positions = dict(zip(message.name, message.position, strict=True))
    poses = {arm.name: MODEL.fk(arm.name, np.array([positions[name] for name in arm.joints])) for arm in SPEC.arms}
    for arm, other in zip(SPEC.arms, reversed(SPEC.arms), strict=True):
        robot.frames[arm.tcp_frame] = (arm.base_frame, transform(poses[other.name]))


def renamed(robot):
    joints(robot).last.name[0] = "left_joint_1"


def reordered(robot):
    message = joints(robot).last
    message.name, message.position = message.name[::-1], message.position[::-1]


def in_degrees(robot):
    message = joints(robot).last
    for i in (0, 1, 2):
        message.position[i] = float(np.degrees(message.position[i]))


def as_width(robot):
    joints(robot).last.position[6] *= 4


def smaller(robot):
    message = head(robot).last
    images.fill(message, np.zeros((240, 320, 3), np.uint8), "rgb8")


def of_another_encoding(robot):
    head(robot).last.encoding = "bgr8"


def unlike_the_yaml(robot):
    robot.topics[SPEC.cameras[0].info_topic].last.k[0] = 300.0


def later(robot):
    other = robot.topics[SPEC.cameras[1].topic]
    other.stamps_ns = [stamp - 10**10 for stamp in other.stamps_ns]


def off_centre(robot):
    robot.topics[SPEC.cameras[1].info_topic].last.k[2] = 360.0


def calibrated_at_another_size(robot):
    robot.topics[SPEC.cameras[0].info_topic].last.width = 1280


def shift(robot, frame, way):
    parent, at = robot.frames[frame]
    at.translation.x += way
    robot.frames[frame] = (parent, at)


def with_a_moved_camera(robot):
    shift(robot, SPEC.cameras[0].frame, 0.05)


def with_a_moved_arm(robot):
    shift(robot, "right_base_link", 0.03)


def without_a_frame(robot):
    del robot.frames[SPEC.arms[0].tcp_frame]


def set_stamps(make):
    def change(robot):
        head(robot).stamps_ns = [make(stamp) for stamp in head(robot).stamps_ns]

    return change


def silent(robot):
    robot.topics[SPEC.cameras[2].topic] = Heard("sensor_msgs/msg/Image")


def of_another_type(robot):
    head(robot).types_found = ["sensor_msgs/msg/CompressedImage"]


def slow(robot):
    robot.topics[SPEC.cameras[0].topic] = heard(head(robot).last, 10.0)


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (renamed, "joint names and values: joint_state.name: lacks left_joint1; did you mean"),
        (in_degrees, "left: joints within limits: left_joint"),
        (as_width, "left: gripper: left_joint7 at 0.0700 m: 200% open"),
        (smaller, "camera head: picture"),
        (of_another_encoding, "camera head: picture: bgr8, YAML rgb8"),
        (unlike_the_yaml, "camera head: intrinsics: fx 300.0, YAML 605.0 pixel"),
        (off_centre, "camera left_wrist: intrinsics: cx 360.0, YAML 319.5 pixel"),
        (calibrated_at_another_size, "CameraInfo is of 1280x480, the picture of 640x480"),
        (with_a_moved_camera, "camera head: place: 50.0 mm, 0.0 degrees from the URDF"),
        (with_a_moved_arm, "right: base frame: 30.0 mm"),
        (later, "camera left_wrist: skew to head"),
        (without_a_frame, "TF: left_tcp: not there"),
        (swap_arms_of_tf, "it is where right is"),
        (silent, "no publisher"),
        (of_another_type, "is sensor_msgs/msg/CompressedImage"),
        (slow, "camera head: rate: 10.0 Hz, YAML 30"),
        (set_stamps(lambda stamp: 0), "camera head: stamps: zero"),
        (set_stamps(lambda stamp: NOW_NS), "the picture is frozen"),
        (set_stamps(lambda stamp: 2 * NOW_NS - stamp), "camera head: stamps: go back"),
        (set_stamps(lambda stamp: stamp + 10**9), "ahead of this machine's clock"),
        (set_stamps(lambda stamp: stamp - 10**9), "old at arrival"),
    ],
)
def test_what_is_wrong_is_found_and_said(robot, spoil, line):
    spoil(robot)
    lines = failed(robot)
    assert any(line in one for one in lines), lines


def test_another_order_of_joints_passes(robot):
    reordered(robot)
    assert failed(robot) == []
    assert any("in another order" in row.found for row in examine(robot))


def test_every_failure_says_what_to_do(robot):
    for spoil in (renamed, as_width, smaller, unlike_the_yaml, without_a_frame, silent):
        spoil(robot)
    assert all(row.todo for row in examine(robot) if row.verdict != "pass")


def test_no_tf_is_a_warning(robot):
    robot.frames.clear()
    assert [row.what for row in examine(robot) if row.verdict == "warn"] == ["TF"]


def with_driver_pose(robot, frame, pose):
    """The right arm's driver says that the link `frame` of the URDF is at `pose` in its base."""
    arm = SPEC.arm("right").model_copy(update={"driver_pose": DriverPoseSpec(topic="/right/end_pose", frame=frame)})
    robot.spec = SPEC.model_copy(update={"arms": (SPEC.arm("left"), arm)})
    last = None if pose is None else PoseStamped(pose=pose_to_msg(pose))
    robot.topics["/right/end_pose"] = Heard("geometry_msgs/msg/PoseStamped", last=last)
    return {row.what: row for row in examine(robot)}["right: URDF against the driver's pose"]


def test_the_drivers_own_pose_is_compared_with_the_urdf(robot):
    home = {"right": np.array(SPEC.arm("right").home)}
    base_T_flange = se3.inverse(MODEL.world_T_base("right")) @ MODEL.world_T_frame("right_link6", home)
    assert with_driver_pose(robot, "right_link6", base_T_flange).verdict == "pass"
    row = with_driver_pose(robot, None, base_T_flange)
    assert row.verdict == "fail" and row.found.startswith("right_tcp: ") and row.todo
    assert "nothing on /right/end_pose" in with_driver_pose(robot, None, None).found


WAY = np.array([0.0, 0.0, 0.029])
STAYS = np.array([0.0, 0.0, 0.001])


@pytest.mark.parametrize(
    ("way", "opening", "causes", "verdicts", "line"),
    [
        ({"left": WAY, "right": STAYS}, 0.29, (), ("pass", "pass"), "went 29 mm; look whether it was the left arm"),
        ({"left": STAYS, "right": WAY}, 0.29, (), ("fail", "pass"), "right moved instead"),
        ({"left": STAYS, "right": STAYS}, 0.0, ("hold_to_run_absent",), ("fail", "fail"), "held by hold_to_run_absent"),
        ({"left": -WAY, "right": STAYS}, -0.3, (), ("fail", "fail"), "went [0, 0, -29] mm in the world's axes"),
        ({"left": WAY[[2, 1, 0]], "right": STAYS}, 0.3, (), ("fail", "pass"), "went [29, 0, 0] mm"),
    ],
)
def test_what_a_trial_motion_shows_is_said(way, opening, causes, verdicts, line):
    rows = move_rows([Trial("left", 0.3, way, {"left": opening}, set(causes))])
    assert tuple(row.verdict for row in rows) == verdicts
    assert line in rows[0].found
    assert all(row.todo for row in rows if row.verdict == "fail")
    assert "the other way" in rows[1].found or opening >= 0
