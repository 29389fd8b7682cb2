import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from small_robot import DT, HOME, LIMITS, robot, state

from gear_vla_ros.contracts import Grade
from gear_vla_ros.geometry import se3, so3
from gear_vla_ros.runtime.safety import SafetyFilter
from gear_vla_ros.runtime.track import Desired

S = 1_000_000_000
LOW, HIGH = np.array(LIMITS.workspace_min), np.array(LIMITS.workspace_max)
SLOW = 0.4

offsets = st.tuples(
    arrays(np.float64, (3,), elements=st.floats(-1.5, 1.5)), arrays(np.float64, (3,), elements=st.floats(-3, 3))
).map(np.concatenate)
twists = arrays(np.float64, (6,), elements=st.floats(-3, 3))
orders = st.tuples(offsets, twists, st.sampled_from(Grade), st.integers(1, 12), st.floats(0.2, 1.25), st.floats(0, 1))


def started(pose=HOME, name="right"):
    safety = SafetyFilter(robot(name), SLOW)
    safety.start(state(S, {name: pose}))
    return safety


def desired(pose, twist=None, gripper=1.0):
    return {"right": Desired(pose, np.zeros(6) if twist is None else twist, gripper)}


def step(safety, *args, grade=Grade.FULL, dt=DT):
    return safety.step(desired(*args), grade, dt)[0]["right"]


def check_step(before, after, dt, acceleration=None):
    """The change from one target to the next keeps every limit; the twist is what the pose did. acceleration: of the
    tick before, where the jerk is looked at; returns that of this tick."""
    moved = se3.difference(before.base_T_tcp, after.base_T_tcp)
    np.testing.assert_allclose(moved, after.twist * dt, atol=1e-9)
    change = after.twist - before.twist
    assert np.linalg.norm(after.twist[:3]) <= LIMITS.max_linear_speed + 1e-9
    assert np.linalg.norm(after.twist[3:]) <= LIMITS.max_angular_speed + 1e-9
    assert np.linalg.norm(change[:3]) <= LIMITS.max_linear_acceleration * dt + 1e-9
    assert np.linalg.norm(change[3:]) <= LIMITS.max_angular_acceleration * dt + 1e-9
    assert abs(after.gripper - before.gripper) <= LIMITS.max_gripper_speed * dt + 1e-9
    xyz = after.base_T_tcp[:3, 3]
    assert np.all(xyz >= LOW - 1e-9) and np.all(xyz <= HIGH + 1e-9)
    if acceleration is not None:
        jerk = change / dt - acceleration
        assert np.linalg.norm(jerk[:3]) <= LIMITS.linear_jerk * dt + 1e-6
        assert np.linalg.norm(jerk[3:]) <= LIMITS.angular_jerk * dt + 1e-6
    return change / dt


@settings(max_examples=300, deadline=None)
@given(st.lists(orders, min_size=1, max_size=8))
def test_whatever_is_wanted_no_limit_is_exceeded(sequence):
    safety = started()
    before, acceleration = safety.targets["right"], np.zeros(6)
    for offset, twist, grade, ticks, pace, gripper in sequence:
        goal = desired(se3.advance(HOME, offset), twist, gripper)
        for _ in range(ticks):
            after = safety.step(goal, grade, pace * DT)[0]["right"]
            acceleration = check_step(before, after, pace * DT, acceleration)
            before = after


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.float64, (3,), elements=st.floats(0, 1)),
    arrays(np.float64, (3,), elements=st.floats(-1.8, 1.8)),
    st.sampled_from([Grade.FULL, Grade.SLOW]),
)
def test_a_constant_pose_in_reach_is_reached_straight_and_without_overshoot(where, rotvec, grade):
    safety = started()
    goal = se3.from_rotation_translation(so3.exp(rotvec) @ HOME[:3, :3], LOW + where * (HIGH - LOW))
    error = se3.difference(HOME, goal)
    for _ in range(320):
        target = step(safety, goal, grade=grade)
        left = se3.difference(target.base_T_tcp, goal)
        for part in (slice(0, 3), slice(3, 6)):
            assert np.linalg.norm(left[part]) <= np.linalg.norm(error[part]) + 1e-9
            along = error[part] / max(np.linalg.norm(error[part]), 1e-12)
            across = target.twist[part] - (target.twist[part] @ along) * along
            assert np.linalg.norm(across) <= 1e-3 * max(1.0, np.linalg.norm(target.twist[part]))
        error = left
    assert np.linalg.norm(left[:3]) < 1e-6 and np.linalg.norm(left[3:]) < 1e-6
    assert np.linalg.norm(target.twist) < 1e-4


@settings(max_examples=50, deadline=None)
@given(st.floats(0.02, 0.35), st.floats(0.1, 0.9))
def test_a_motion_within_the_limits_is_followed_without_lag_or_oscillation(radius, turn):
    """A circle that needs at most 60% of speed and acceleration; after the start the target lies on it."""
    rate = min(0.6 * LIMITS.max_linear_speed / radius, np.sqrt(0.6 * LIMITS.max_linear_acceleration / radius), turn)
    centre = np.array([0.1, 0.0, 0.4])

    def on_circle(t):
        a = rate * t
        radial = np.array([np.cos(a), np.sin(a), 0.0])
        pose = se3.from_rotation_translation(so3.exp(np.array([0, 0, a])) @ HOME[:3, :3], centre + radius * radial)
        return pose, np.array([-radius * rate * np.sin(a), radius * rate * np.cos(a), 0, 0, 0, rate])

    safety = started(on_circle(0.0)[0])
    for i in range(1, 151):
        pose, twist = on_circle(i * DT)
        target = step(safety, pose, twist)
        if i > 45:
            assert np.linalg.norm(target.base_T_tcp[:3, 3] - pose[:3, 3]) < 1e-3
            assert so3.angle_between(target.base_T_tcp[:3, :3], pose[:3, :3]) < 1e-2


def test_a_target_moving_back_and_forth_faster_than_allowed_is_not_amplified():
    safety = started()
    reached = []
    for i in range(600):
        swing = 0.1 * np.sin(2 * np.pi * 2.0 * i * DT)
        target = step(safety, se3.advance(HOME, np.array([swing, 0, 0, 0, 0, 0])))
        reached.append(target.base_T_tcp[0, 3] - HOME[0, 3])
    assert max(map(abs, reached[300:])) < 0.1


@pytest.mark.parametrize("grade", [Grade.HOLD, Grade.STOP])
def test_hold_brakes_along_the_way_in_the_time_the_limit_allows(grade):
    safety = started()
    far = se3.advance(HOME, np.array([0.2, 0.1, 0, 0, 0, 2.0]))
    for _ in range(15):
        moving = step(safety, far)
    speed = np.linalg.norm(moving.twist[:3])
    assert speed > 0.35
    ticks, begin = 0, moving.base_T_tcp[:3, 3]
    while np.any(moving.twist):
        after = step(safety, far, grade=grade)
        check_step(moving, after, DT)
        np.testing.assert_allclose(np.cross(after.twist[:3], moving.twist[:3]), 0, atol=1e-12)
        moving, ticks = after, ticks + 1
    assert ticks <= np.ceil(LIMITS.stopping_s / DT) + 1
    assert np.linalg.norm(moving.base_T_tcp[:3, 3] - begin) <= LIMITS.stopping_m
    still = step(safety, far, grade=grade)
    np.testing.assert_array_equal(still.base_T_tcp, moving.base_T_tcp)


def test_slow_scales_the_speed():
    safety, far = started(), se3.advance(HOME, np.array([0, 0.4, 0, 0, 0, 0]))
    speeds = [np.linalg.norm(step(safety, far, grade=Grade.SLOW).twist[:3]) for _ in range(40)]
    assert max(speeds) == pytest.approx(SLOW * LIMITS.max_linear_speed, rel=1e-4)


def test_a_goal_outside_is_met_at_the_wall_and_said():
    safety = started()
    outside = se3.advance(HOME, np.array([5.0, 0, 0, 0, 0, 0]))
    for _ in range(200):
        _, causes = safety.step(desired(outside, np.array([1.0, 0, 0, 0, 0, 0])), Grade.FULL, DT)
    assert "workspace_right" in causes
    np.testing.assert_allclose(safety.targets["right"].base_T_tcp[:3, 3], [HIGH[0], 0, 0.4], atol=1e-3)


@settings(max_examples=40, deadline=None)
@given(offsets)
def test_an_arm_that_begins_outside_comes_in_and_never_goes_farther_out(offset):
    begin = se3.advance(HOME, offset)
    safety = started(begin)

    def outside(target):
        xyz = target.base_T_tcp[:3, 3]
        return np.maximum(np.maximum(LOW - xyz, xyz - HIGH), 0.0)

    before = outside(safety.targets["right"])
    for _ in range(300):
        after = outside(step(safety, HOME))
        assert np.all(after <= before + 1e-9)
        before = after
    assert not np.any(before > 1e-6)


def test_gripper_takes_its_time_and_stays_while_held():
    safety = started()
    assert step(safety, HOME, None, 0.0).gripper == pytest.approx(1 - LIMITS.max_gripper_speed * DT)
    held = step(safety, HOME, None, 0.0, grade=Grade.HOLD).gripper
    assert held == pytest.approx(1 - LIMITS.max_gripper_speed * DT)


def test_lag_is_said_and_a_missing_arm_brakes():
    safety = SafetyFilter(robot(), SLOW)
    safety.start(state(S))
    far = se3.advance(HOME, np.array([0.2, 0, 0, 0, 0, 0]))
    targets, causes = safety.step(desired(far), Grade.FULL, DT)
    assert causes == ("limited_right",)
    np.testing.assert_allclose(targets["left"].base_T_tcp, HOME, atol=1e-12)
    assert safety.step(desired(far), Grade.FULL, 0.0)[0]["right"] == safety.targets["right"]
