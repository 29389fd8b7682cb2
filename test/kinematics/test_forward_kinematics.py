"""Against the manufacturers' Denavit-Hartenberg tables, evaluated here from their definition."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from robots import NAMES, home, model_of, within_limits

from gear_vla_ros.geometry import se3
from gear_vla_ros.kinematics.frames import parent_joint

FRANKA_CRAIG = (  # a [m], d [m], alpha [rad] of joints 1 to 7 and the flange: FCI documentation
    (0.0, 0.333, 0.0),
    (0.0, 0.0, -math.pi / 2),
    (0.0, 0.316, math.pi / 2),
    (0.0825, 0.0, math.pi / 2),
    (-0.0825, 0.384, -math.pi / 2),
    (0.0, 0.0, math.pi / 2),
    (0.088, 0.0, math.pi / 2),
    (0.0, 0.107, 0.0),
)
FR3_LIMITS = {  # FCI documentation, limits for Franka Research 3: lower, upper [rad], velocity [rad/s]
    "lower": (-2.7437, -1.7837, -2.9007, -3.0421, -2.8065, 0.5445, -3.0159),
    "upper": (2.7437, 1.7837, 2.9007, -0.1518, 2.8065, 4.5169, 3.0159),
    "velocity": (2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26),
}
PIPER_CRAIG = (  # a [m], d [m], alpha [rad], offset of theta [rad]: piper_sdk, joints 2 and 3 with their 2 degrees
    (0.0, 0.123, 0.0, 0.0),
    (0.0, 0.0, -math.pi / 2, math.radians(-172.22)),
    (0.28503, 0.0, 0.0, math.radians(-102.78)),
    (-0.02198, 0.25075, math.pi / 2, 0.0),
    (0.0, 0.0, -math.pi / 2, 0.0),
    (0.0, 0.091, math.pi / 2, 0.0),
)


def craig(a, d, alpha, theta):
    """Link transform by Craig's convention: Rot_x(alpha) Trans_x(a) Rot_z(theta) Trans_z(d)."""
    ca, sa, ct, st_ = math.cos(alpha), math.sin(alpha), math.cos(theta), math.sin(theta)
    return np.array(
        [
            [ct, -st_, 0.0, a],
            [st_ * ca, ct * ca, -sa, -sa * d],
            [st_ * sa, ct * sa, ca, ca * d],
            [0.0, 0.0, 0.0, 1.0],
        ]
    )


def along_z(metres, turn=0.0):
    return craig(0.0, metres, 0.0, turn)


def franka_flange(q):
    pose = np.eye(4)
    for (a, d, alpha), theta in zip(FRANKA_CRAIG, [*q, 0.0], strict=True):
        pose = pose @ craig(a, d, alpha, theta)
    return pose


def piper_link6(q):
    pose = np.eye(4)
    for (a, d, alpha, offset), theta in zip(PIPER_CRAIG, q, strict=True):
        pose = pose @ craig(a, d, alpha, theta + offset)
    return pose


@given(q=within_limits(model_of("franka"), "right"))
def test_franka_is_its_published_table(q):
    expected = franka_flange(q) @ along_z(0.0, -math.pi / 4) @ along_z(0.1034)
    assert np.allclose(model_of("franka").fk("right", q), expected, atol=1e-5)


def test_franka_ready_pose_is_where_the_literature_has_it():
    """The flange at Franka's own start pose: x 0.3069, z 0.5903, pointing down; all joints zero: x 0.088, z 0.926."""
    ready = np.array([0, -math.pi / 4, 0, -3 * math.pi / 4, 0, math.pi / 2, math.pi / 4])
    tcp = model_of("franka").fk("right", ready)
    assert np.allclose(tcp[:3, 3], [0.3069, 0.0, 0.5903 - 0.1034], atol=1e-4)
    assert np.allclose(tcp[:3, :3], np.diag([1.0, -1.0, -1.0]), atol=1e-5)
    assert np.allclose(model_of("franka").fk("right", np.zeros(7))[:3, 3], [0.088, 0.0, 0.926 - 0.1034], atol=1e-6)


def test_franka_limits_are_those_of_the_fr3():
    limits = model_of("franka").limits("right")
    assert np.allclose(limits.lower, FR3_LIMITS["lower"])
    assert np.allclose(limits.upper, FR3_LIMITS["upper"])
    assert np.allclose(limits.velocity, 0.5 * np.array(FR3_LIMITS["velocity"]))


@pytest.mark.parametrize("arm", ["left", "right"])
@given(data=st.data())
def test_piper_is_its_published_table(arm, data):
    """Within what rounding the published URDF's angles to 1e-4 rad makes."""
    model = model_of("agilex")
    q = data.draw(within_limits(model, arm))
    assert np.allclose(model.fk(arm, q), piper_link6(q) @ along_z(0.1358), atol=2e-4)


def test_piper_at_zero_is_where_its_sdk_says():
    """piper_sdk's pose of the last link at zero: 56.128, 0, 213.266 mm, turned by 85 degrees about y."""
    model = model_of("agilex")
    base_T_link6 = se3.inverse(model.world_T_base("left")) @ model.world_T_frame("left_link6", {"left": np.zeros(6)})
    assert np.allclose(base_T_link6[:3, 3], [0.056128, 0.0, 0.213266], atol=1e-4)
    expected = se3.from_xyz_rpy(np.zeros(3), np.array([0.0, math.radians(85.0), 0.0]))
    assert np.allclose(base_T_link6[:3, 2], expected[:3, 2], atol=2e-4)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_jacobian_is_the_derivative_of_fk(name, data):
    model = model_of(name)
    arm = data.draw(st.sampled_from([arm.name for arm in model.spec.arms]))
    q, h = data.draw(within_limits(model, arm)), 1e-6
    columns = [se3.difference(model.fk(arm, q - h * e), model.fk(arm, q + h * e)) / (2 * h) for e in np.eye(len(q))]
    assert np.allclose(model.jacobian(arm, q), np.stack(columns, axis=1), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_fk_and_transforms_agree_and_cover_every_link_once(name):
    model = model_of(name)
    q, opening = home(model), dict.fromkeys(home(model), 1.0)
    world_T = {model.spec.world_frame: np.eye(4)}
    for parent, child, parent_T_child in model.transforms(q, opening):
        assert child not in world_T, f"{child} twice"
        world_T[child] = world_T[parent] @ parent_T_child
    for arm in model.spec.arms:
        base_T_tcp = se3.inverse(world_T[arm.base_frame]) @ world_T[arm.tcp_frame]
        assert np.allclose(base_T_tcp, model.fk(arm.name, q[arm.name]), atol=1e-9)
    assert all(camera.frame in world_T for camera in model.spec.cameras)


@pytest.mark.parametrize("name", NAMES)
def test_fingers_open_along_the_tcp_y_axis_by_the_same_amount(name):
    model = model_of(name)
    for arm in model.spec.arms:
        moved = []
        for opening in (0.0, 1.0):
            world_T = {model.spec.world_frame: np.eye(4)}
            for parent, child, parent_T_child in model.transforms(home(model), {arm.name: opening}):
                world_T[child] = world_T[parent] @ parent_T_child
            fingers = [model.pin_model.frames[model.pin_model.getFrameId(joint)] for joint in _gripper_joints(arm)]
            links = [_link_below(model, frame.name) for frame in fingers]
            moved.append([(se3.inverse(world_T[arm.tcp_frame]) @ world_T[link])[:3, 3] for link in links])
        strokes = np.array(moved[1]) - np.array(moved[0])
        assert np.allclose(strokes[:, [0, 2]], 0.0, atol=1e-5)
        assert np.allclose(strokes[0], -strokes[1], atol=1e-5)
        assert abs(strokes[0, 1]) == pytest.approx(arm.gripper.open)


def _gripper_joints(arm):
    return [arm.gripper.joint, *arm.gripper.mimic]


def _link_below(model, joint):
    at = model.pin_model.getJointId(joint)
    return next(f.name for f in model.pin_model.frames if parent_joint(f) == at and f.name != joint)


@pytest.mark.parametrize("name", NAMES)
@given(opening=st.floats(0, 1), beyond=st.floats(0, 10))
def test_gripper_units_go_both_ways_and_end_at_the_ends(name, opening, beyond):
    model = model_of(name)
    for arm in model.spec.arms:
        there = model.gripper_from_unit(arm.name, opening)
        assert model.gripper_to_unit(arm.name, there) == pytest.approx(opening, abs=1e-9)
        assert model.gripper_from_unit(arm.name, 1 + beyond) == model.gripper_from_unit(arm.name, 1.0)
        assert model.gripper_from_unit(arm.name, -beyond) == model.gripper_from_unit(arm.name, 0.0)
