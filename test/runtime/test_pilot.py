"""One arm's goal: relative motion, scales, leash, gripper."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from small_robot import HOME, LIMITS

from gear_vla_ros.contracts import ArmTarget, ContractError
from gear_vla_ros.geometry import se3, so3
from gear_vla_ros.runtime.pilot import DevicePose, DeviceTwist, Pilot
from gear_vla_ros.runtime.refused import Refused
from gear_vla_ros.settings.teleop import TeleopSpec

S, MS = 1_000_000_000, 1_000_000
anchors = arrays(np.float64, (6,), elements=st.floats(-2, 2)).map(se3.exp)
moves = st.lists(arrays(np.float64, (6,), elements=st.floats(-0.1, 0.1)), min_size=1, max_size=30)
STANDING = ArmTarget(HOME, np.zeros(6), 0.5)


def engaged(target=STANDING, base_R_device=None, **spec):
    pilot = Pilot(TeleopSpec(**spec), LIMITS, base_R_device)
    pilot.engage(target)
    return pilot


def follow(pilot, poses, period_ns=20 * MS):
    for i, pose in enumerate(poses, start=1):
        pilot.take(DevicePose(S + i * period_ns, pose))


def way_of(start, displacements):
    poses = [start]
    for displacement in displacements:
        poses.append(se3.advance(poses[-1], displacement))
    return poses


@given(anchors, moves, st.floats(0.1, 3), arrays(np.float64, (3,), elements=st.floats(-3, 3)).map(so3.exp))
def test_the_tool_does_what_the_device_did_since_the_press_wherever_the_device_is(start, displacements, scale, turned):
    poses = way_of(start, displacements)
    pilot = engaged(base_R_device=turned, scale=scale)
    follow(pilot, poses)
    moved = se3.difference(poses[0], poses[-1])
    goal = pilot.at(pilot.stamp_ns)
    np.testing.assert_allclose(goal[:3, 3], HOME[:3, 3] + scale * turned @ moved[:3], atol=1e-9)
    device = poses[-1][:3, :3] @ poses[0][:3, :3].T
    np.testing.assert_allclose(goal[:3, :3], turned @ device @ turned.T @ HOME[:3, :3], atol=1e-9)


@given(st.floats(-6, 6), st.floats(0, 2))
def test_a_rotation_is_scaled_along_its_geodesic_beyond_half_a_turn(angle, scale):
    axis = np.array([0.6, 0.0, 0.8])
    poses = way_of(np.eye(4), [np.concatenate([np.zeros(3), axis * angle / 20])] * 20)
    pilot = engaged(rotation_scale=scale)
    follow(pilot, poses)
    expected = so3.exp(axis * angle * scale) @ HOME[:3, :3]
    np.testing.assert_allclose(pilot.at(pilot.stamp_ns)[:3, :3], expected, atol=1e-9)


@settings(deadline=None)
@given(anchors, anchors)
def test_the_first_pose_after_the_press_moves_nothing(before, after):
    pilot = engaged()
    pilot.take(DevicePose(S, before))
    pilot.engage(STANDING)
    pilot.take(DevicePose(S + 20 * MS, after))
    np.testing.assert_allclose(pilot.at(S + 50 * MS), HOME, atol=1e-12)


@given(arrays(np.float64, (6,), elements=st.floats(-0.3, 0.3)), st.booleans())
def test_a_twist_is_carried_on_for_the_lead_and_then_ends(twist, in_tool):
    pilot = engaged(lead_s=0.1)
    pilot.take(DeviceTwist(S, twist, in_tool))
    axes = HOME[:3, :3] if in_tool else np.eye(3)
    turned = np.concatenate([axes @ twist[:3], axes @ twist[3:]])
    np.testing.assert_allclose(pilot.at(S + 50 * MS), se3.advance(HOME, 0.05 * turned), atol=1e-12)
    np.testing.assert_allclose(pilot.at(S + 900 * MS), se3.advance(HOME, 0.1 * turned), atol=1e-12)
    pilot.take(DeviceTwist(S + 60 * MS, np.zeros(6)))
    np.testing.assert_allclose(pilot.at(S + 900 * MS), se3.advance(HOME, 0.06 * turned), atol=1e-12)


def test_between_poses_the_motion_goes_on_at_the_speed_of_the_hand():
    pilot = engaged()
    follow(pilot, way_of(np.eye(4), [np.array([0.004, 0, 0, 0, 0, 0])] * 50))
    ahead = pilot.at(pilot.stamp_ns + 20 * MS)[0, 3] - pilot.at(pilot.stamp_ns)[0, 3]
    assert ahead == pytest.approx(0.004, rel=1e-3)


def test_a_moving_arm_is_anchored_where_it_comes_to_rest():
    twist = np.array([0.3, 0, 0, 0, 0, 0.6])
    goal = engaged(ArmTarget(HOME, twist, 1.0)).at(S)
    assert goal[0, 3] - HOME[0, 3] == pytest.approx(
        0.3**2 / (2 * 0.8 * LIMITS.max_linear_acceleration) + 0.3 * LIMITS.linear_lag_s
    )
    angle = so3.angle_between(HOME[:3, :3], goal[:3, :3])
    assert angle == pytest.approx(0.6**2 / (2 * 0.8 * LIMITS.max_angular_acceleration) + 0.6 * LIMITS.angular_lag_s)


def test_a_lost_tracking_is_refused_and_the_hand_goes_on_from_where_it_is_found():
    pilot = engaged(jump_m=0.2)
    follow(pilot, way_of(np.eye(4), [np.zeros(6)] * 3))
    far = se3.from_xyz_rpy(np.array([0.5, 0, 0]), np.zeros(3))
    with pytest.raises(Refused, match=r"jump: 0\.500 m and 0\.00 rad in 20 ms, allowed 0\.2 m and 1 rad") as refused:
        pilot.take(DevicePose(pilot.stamp_ns + 20 * MS, far))
    assert refused.value.cause == "jump"
    np.testing.assert_allclose(pilot.at(pilot.stamp_ns + 90 * MS), HOME, atol=1e-12)
    near = se3.advance(far, np.array([0.01, 0, 0, 0, 0, 0]))
    pilot.take(DevicePose(pilot.stamp_ns + 20 * MS, near))
    np.testing.assert_allclose(pilot.at(pilot.stamp_ns)[:3, 3] - HOME[:3, 3], [0.01, 0, 0], atol=1e-12)


def test_after_a_pause_of_the_device_nothing_is_caught_up():
    pilot = engaged(timeout_s=0.25)
    pilot.take(DevicePose(S, np.eye(4)))
    pilot.take(DevicePose(S + 300 * MS, se3.from_xyz_rpy(np.array([0.1, 0, 0]), np.zeros(3))))
    np.testing.assert_allclose(pilot.at(pilot.stamp_ns), HOME, atol=1e-12)


@pytest.mark.parametrize("stamp_ns", [S, S - 1])
def test_stamps_go_on(stamp_ns):
    pilot = engaged()
    pilot.take(DevicePose(S, np.eye(4)))
    with pytest.raises(ContractError, match=f"stamp {stamp_ns}: allowed are stamps after {S}"):
        pilot.take(DevicePose(stamp_ns, np.eye(4)))


@given(arrays(np.float64, (6,), elements=st.floats(-2, 2)), st.integers(0, 300), st.booleans())
def test_the_goal_stays_on_the_leash_and_at_the_target_while_held(twist, passed_ms, held):
    pilot = engaged(leash_m=0.08, leash_rad=0.4)
    pilot.take(DeviceTwist(S, twist))
    now_ns = S + passed_ms * MS
    before = se3.difference(HOME, pilot.at(now_ns))
    pilot.keep_near(HOME, now_ns, held)
    after = se3.difference(HOME, pilot.at(now_ns))
    limits = (0.0, 0.0) if held else (0.08, 0.4)
    for part, limit in ((slice(0, 3), limits[0]), (slice(3, 6), limits[1])):
        was, left = np.linalg.norm(before[part]), np.linalg.norm(after[part])
        assert left <= limit + 1e-9
        if was <= limit:
            np.testing.assert_allclose(after[part], before[part], atol=1e-9)
        elif limit > 0:
            np.testing.assert_allclose(after[part] / left, before[part] / was, atol=1e-6)


def opening_at(pilot, passed_ms):
    return pilot.ahead(np.array([S + passed_ms * MS]))[1][0]


@given(arrays(np.float64, (6,), elements=st.floats(-0.5, 0.5)), st.lists(st.integers(0, 400), min_size=1, max_size=9))
def test_many_times_at_once_are_as_one_by_one(twist, passed_ms):
    pilot = engaged()
    pilot.take(DeviceTwist(S, twist))
    times_ns = S + np.array(passed_ms) * MS
    goals, _ = pilot.ahead(times_ns)
    np.testing.assert_allclose(goals, np.stack([pilot.at(int(one)) for one in times_ns]), atol=1e-12)


def test_a_gripper_button_moves_it_at_its_rate_and_leaves_it_there():
    pilot = engaged()
    pilot.take(DeviceTwist(S, np.zeros(6), opening_rate=-1.0))
    assert opening_at(pilot, 50) == pytest.approx(0.45)
    pilot.take(DeviceTwist(S + 50 * MS, np.zeros(6)))
    assert opening_at(pilot, 900) == pytest.approx(0.45)


def test_an_open_leader_drops_nothing_before_it_has_met_the_robots_gripper():
    pilot = engaged(ArmTarget(HOME, np.zeros(6), 0.3))
    for opening, expected in ((1.0, 0.3), (0.6, 0.3), (0.28, 0.28), (0.9, 0.9)):
        pilot.open_to(opening)
        assert pilot.opening == pytest.approx(expected)


def test_a_leader_that_passes_the_robots_gripper_between_two_messages_takes_it():
    pilot = engaged(ArmTarget(HOME, np.zeros(6), 0.5))
    pilot.open_to(1.0)
    pilot.open_to(0.0)
    assert pilot.opening == 0.0
