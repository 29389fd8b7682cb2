import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.linalg import expm

from gear_vla_ros.geometry import se3, so3

twists = arrays(np.float64, (6,), elements=st.floats(-1.5, 1.5))
transforms = twists.map(se3.exp)


def hat(twist):
    out = np.zeros((4, 4))
    out[:3, :3], out[:3, 3] = so3.skew(twist[3:]), twist[:3]
    return out


@given(twists)
def test_exp_is_the_matrix_exponential(twist):
    np.testing.assert_allclose(se3.exp(twist), expm(hat(twist)), atol=1e-10)


@given(twists)
def test_log_inverts_exp(twist):
    np.testing.assert_allclose(se3.log(se3.exp(twist)), twist, atol=1e-8)


@given(transforms, transforms, transforms)
def test_group_axioms(a_T_b, b_T_c, c_T_d):
    np.testing.assert_allclose((a_T_b @ b_T_c) @ c_T_d, a_T_b @ (b_T_c @ c_T_d), atol=1e-10)
    np.testing.assert_allclose(a_T_b @ se3.inverse(a_T_b), np.eye(4), atol=1e-12)
    assert se3.is_transform(a_T_b @ b_T_c, 1e-9)


@given(transforms)
def test_pose_formats_invert(a_T_b):
    np.testing.assert_allclose(se3.from_xyz_rot6d(se3.to_xyz_rot6d(a_T_b)), a_T_b, atol=1e-12)
    quat = so3.to_quat(a_T_b[:3, :3])
    np.testing.assert_allclose(se3.from_xyz_quat(a_T_b[:3, 3], quat), a_T_b, atol=1e-12)


@given(transforms, transforms, st.floats(0, 1))
def test_interpolation_is_a_straight_line_and_a_geodesic(a_T_0, a_T_1, fraction):
    middle = se3.interpolate(a_T_0, a_T_1, fraction)
    np.testing.assert_allclose(middle[:3, 3], (1 - fraction) * a_T_0[:3, 3] + fraction * a_T_1[:3, 3], atol=1e-12)
    whole = so3.angle_between(a_T_0[:3, :3], a_T_1[:3, :3])
    part = so3.angle_between(a_T_0[:3, :3], middle[:3, :3])
    np.testing.assert_allclose(part, fraction * whole, atol=1e-6)
    np.testing.assert_allclose(se3.interpolate(a_T_0, a_T_1, 0.0), a_T_0, atol=1e-12)


@given(transforms, transforms)
def test_advance_inverts_difference(a_T_0, a_T_1):
    np.testing.assert_allclose(se3.advance(a_T_0, se3.difference(a_T_0, a_T_1)), a_T_1, atol=1e-9)


@given(transforms, transforms, transforms)
def test_reanchoring_keeps_the_pose_in_the_base(base_T_old, base_T_new, old_T_tcp):
    new_T_tcp = se3.reanchor(base_T_old, base_T_new, old_T_tcp)
    np.testing.assert_allclose(base_T_new @ new_T_tcp, base_T_old @ old_T_tcp, atol=1e-10)


def test_reanchoring_is_not_a_subtraction_of_components():
    base_T_old = np.eye(4)
    base_T_new = se3.exp(np.array([0.0, 0, 0, 0, 0, np.pi / 2]))
    old_T_tcp = se3.exp(np.array([0.1, 0, 0, 0, 0, 0]))
    np.testing.assert_allclose(se3.reanchor(base_T_old, base_T_new, old_T_tcp)[:3, 3], [0, -0.1, 0], atol=1e-12)


@pytest.mark.parametrize(
    "bad", [np.eye(3), np.full((4, 4), np.nan), np.diag([1.0, 1, -1, 1]), np.diag([1.0, 1, 1, 2])],
    ids=["shape", "nan", "mirror", "bottom row"],
)  # fmt: skip
def test_is_transform_refuses(bad):
    assert not se3.is_transform(bad)
