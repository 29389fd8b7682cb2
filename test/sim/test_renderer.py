"""Pictures: every camera sees the scene; the head camera's pixels are where its intrinsics say."""

import numpy as np
import pytest

from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.settings import load_robot, robot_names
from gear_vla_ros.sim.renderer import Renderer, sim_size
from gear_vla_ros.sim.world import World

CHANNEL = {"red": 0, "green": 1, "blue": 2}


def coloured(image, colour):
    """Pixels `[N, 2]` (x, y) in which one channel is far above the others."""
    channels = image.astype(int)
    rest = np.delete(channels, CHANNEL[colour], axis=-1).max(axis=-1)
    y, x = np.nonzero(channels[..., CHANNEL[colour]] > rest + 60)
    return np.stack([x, y], axis=1)


@pytest.mark.parametrize("robot", robot_names())
def test_the_head_camera_sees_each_cube_where_the_pinhole_model_puts_it(robot):
    world = World(load_robot(robot), seed=3)
    spec, (q, _) = world.spec, world.arms()
    camera, (width, height) = spec.cameras[0], sim_size(world.spec)
    renderer = Renderer(world, width, height)
    renderer.take(world)
    image = renderer.render("head")
    renderer.close()
    optical_T_world = np.linalg.inv(RobotModel(spec).world_T_frame(camera.frame, q))
    f = camera.fy * height / camera.height
    for one in world.objects().values():
        x, y, z, _ = optical_T_world @ one.world_T_object[:, 3]
        expected = np.array([f * x / z + (width - 1) / 2, f * y / z + (height - 1) / 2])
        pixels = coloured(image, one.colour)
        assert len(pixels) > 50, f"{one.name} is not seen"
        np.testing.assert_allclose(np.median(pixels, axis=0), expected, atol=0.3 * f * one.size[0] / z)


@pytest.mark.parametrize("robot", robot_names())
def test_every_camera_shows_something_and_what_moves_changes_it(robot):
    world = World(load_robot(robot), seed=3)
    renderer = Renderer(world, *sim_size(world.spec))
    renderer.take(world)
    before = {camera.role: renderer.render(camera.role) for camera in world.spec.cameras}
    for arm in world.spec.arms:
        world.command(arm.name, np.array(arm.home) + 0.15, None)
    world.step(0.8)
    unchanged = {role: renderer.render(role) for role in before}
    renderer.take(world)
    for role, image in before.items():
        assert image.std() > 10, f"{role} shows nothing"
        np.testing.assert_array_equal(image, unchanged[role], "only what was taken is drawn")
        assert np.abs(renderer.render(role).astype(int) - image).mean() > 1, f"{role} does not move"
    renderer.close()


def test_pictures_larger_than_the_usual_buffer():
    spec = load_robot("franka")
    sim = spec.sim.model_copy(update={"camera_width": 1280, "camera_height": 960})
    world = World(spec.model_copy(update={"sim": sim}))
    renderer = Renderer(world, 1280, 960)
    renderer.take(world)
    assert renderer.render("head").shape == (960, 1280, 3)
    renderer.close()
