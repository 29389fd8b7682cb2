"""The world is the robot's own URDF at a table: same kinematics, gravity, contacts, reproducible by its seed."""

import numpy as np
import pytest

from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.settings import load_robot, robot_names
from gear_vla_ros.sim.scene import APART_M
from gear_vla_ros.sim.world import World


@pytest.fixture(scope="module", params=robot_names())
def world(request):
    return World(load_robot(request.param))


def poses(world):
    return {name: one.world_T_object for name, one in world.objects().items()}


def test_links_are_where_the_kinematics_say(world):
    world.reset(0)
    model, (q, opening) = RobotModel(world.spec), world.arms()
    compared = 0
    for arm in world.spec.arms:
        expected = model.world_T_base(arm.name) @ model.fk(arm.name, q[arm.name])
        body = world.data.body(arm.tcp_frame)
        np.testing.assert_allclose(body.xpos, expected[:3, 3], atol=1e-6)
        np.testing.assert_allclose(body.xmat.reshape(3, 3), expected[:3, :3], atol=1e-6)
        compared += 1
    assert compared == len(world.spec.arms) == len(opening)


def test_cameras_look_along_the_optical_frames(world):
    world.reset(0)
    model, (q, _) = RobotModel(world.spec), world.arms()
    for camera in world.spec.cameras:
        world_T_optical = model.world_T_frame(camera.frame, q)
        seen = world.data.camera(camera.role)
        np.testing.assert_allclose(seen.xpos, world_T_optical[:3, 3], atol=1e-6)
        flipped = seen.xmat.reshape(3, 3) @ np.diag([1.0, -1.0, -1.0])
        np.testing.assert_allclose(flipped, world_T_optical[:3, :3], atol=1e-6)
        f = camera.height / (2 * np.tan(np.radians(world.model.camera(camera.role).fovy[0]) / 2))
        assert f == pytest.approx(camera.fy, rel=1e-6)


def test_arms_hold_their_commanded_joints_against_gravity(world):
    world.reset(0)
    world.step(1.0)
    for arm in world.spec.arms:
        np.testing.assert_allclose(world.arms()[0][arm.name], arm.home, atol=2e-3)


def test_a_commanded_joint_is_reached_and_the_others_stay(world):
    world.reset(0)
    arm = world.spec.arms[0]
    q = np.array(arm.home)
    q[0] += 0.2
    world.command(arm.name, q, 0.5)
    world.step(1.5)
    joints, opening = world.arms()
    np.testing.assert_allclose(joints[arm.name], q, atol=5e-3)
    assert opening[arm.name] == pytest.approx(0.5, abs=0.05)


def test_joints_have_the_urdf_s_names_and_all_fingers(world):
    names, position, velocity = world.joints()
    for arm in world.spec.arms:
        assert {*arm.joints, arm.gripper.joint, *arm.gripper.mimic} <= set(names)
    assert len(names) == len(position) == len(velocity)


@pytest.mark.parametrize("seed", range(12))
def test_objects_are_placed_apart_inside_their_area_and_stay(world, seed):
    world.reset(seed)
    middle, size = np.array(world.spec.sim.table_center), np.array(world.spec.sim.spawn_size)
    places = np.array([pose[:3, 3] for pose in poses(world).values()])
    assert (abs(places[:, :2] - middle) <= size / 2 + 2e-3).all()
    apart = np.linalg.norm(places[:, None, :2] - places[None, :, :2], axis=-1)[np.triu_indices(3, 1)]
    assert apart.min() > APART_M - 4e-3
    np.testing.assert_allclose(places[:, 2], world.spec.sim.table_height + 0.02, atol=2e-3)
    before = poses(world)
    world.step(0.5)
    for name, pose in poses(world).items():
        np.testing.assert_allclose(pose, before[name], atol=2e-3)


def test_a_seed_gives_one_scene_and_one_motion(world):
    def trace():
        world.reset(7)
        world.command(world.spec.arms[0].name, np.array(world.spec.arms[0].home) + 0.1, 0.0)
        world.step(0.4)
        return world.data.qpos.copy()

    first = trace()
    world.reset(8)
    other = poses(world)["red_cube"]
    np.testing.assert_array_equal(first, trace())
    world.reset(7)
    assert np.linalg.norm(other[:3, 3] - poses(world)["red_cube"][:3, 3]) > 1e-3


def test_steps_of_less_than_a_time_step_add_up(world):
    world.reset(0)
    for _ in range(200):
        world.step(0.005)
    assert world.time_s == pytest.approx(1.0, abs=1e-6)
