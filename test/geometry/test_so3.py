import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from gear_vla_ros.geometry import so3

rotvecs = arrays(np.float64, (3,), elements=st.floats(-1.8, 1.8))
quats = arrays(np.float64, (4,), elements=st.floats(-1, 1)).filter(lambda q: np.linalg.norm(q) > 0.1)


@given(rotvecs)
def test_exp_matches_scipy(rotvec):
    np.testing.assert_allclose(so3.exp(rotvec), Rotation.from_rotvec(rotvec).as_matrix(), atol=1e-12)


@given(rotvecs.filter(lambda v: np.linalg.norm(v) < 3.1))
def test_log_inverts_exp(rotvec):
    np.testing.assert_allclose(so3.log(so3.exp(rotvec)), rotvec, atol=1e-9)


@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-7, 1e-3, np.pi - 1e-9, np.pi])
def test_log_at_the_ends_of_the_angle(angle):
    axis = np.array([2.0, -1.0, 0.5]) / np.linalg.norm([2.0, -1.0, 0.5])
    found = so3.log(so3.exp(angle * axis))
    np.testing.assert_allclose(so3.exp(found), so3.exp(angle * axis), atol=1e-9)
    assert np.linalg.norm(found) <= np.pi + 1e-9


@given(quats)
def test_quaternion_order_is_xyzw_as_scipy(quat):
    matrix = Rotation.from_quat(quat).as_matrix()
    np.testing.assert_allclose(so3.from_quat(quat), matrix, atol=1e-12)
    back = so3.to_quat(matrix)
    np.testing.assert_allclose(so3.from_quat(back), matrix, atol=1e-9)


@given(quats)
def test_rot6d_is_the_first_two_columns_and_inverts(quat):
    matrix = so3.from_quat(quat)
    rot6d = so3.to_rot6d(matrix)
    np.testing.assert_array_equal(rot6d, np.concatenate([matrix[:, 0], matrix[:, 1]]))
    np.testing.assert_allclose(so3.from_rot6d(rot6d), matrix, atol=1e-12)
    np.testing.assert_allclose(so3.from_rot6d(3.7 * rot6d), matrix, atol=1e-12)


@given(arrays(np.float64, (3,), elements=st.floats(-3, 3)))
def test_rpy_is_fixed_axes_xyz_as_in_urdf(rpy):
    np.testing.assert_allclose(so3.from_rpy(rpy), Rotation.from_euler("xyz", rpy).as_matrix(), atol=1e-12)


def test_batches_equal_single_calls():
    rng = np.random.default_rng(0)
    rotvec = rng.normal(size=(4, 5, 3))
    batch = so3.exp(rotvec)
    for index in np.ndindex(4, 5):
        np.testing.assert_allclose(batch[index], so3.exp(rotvec[index]), atol=1e-15)
        np.testing.assert_allclose(so3.to_quat(batch)[index], so3.to_quat(batch[index]), atol=1e-15)
        np.testing.assert_allclose(so3.log(batch)[index], so3.log(batch[index]), atol=1e-15)


def test_is_rotation_refuses_mirrors_scales_and_nan():
    assert so3.is_rotation(np.eye(3))
    assert not so3.is_rotation(np.diag([1.0, 1.0, -1.0]))
    assert not so3.is_rotation(1.01 * np.eye(3))
    assert not so3.is_rotation(np.full((3, 3), np.nan))
