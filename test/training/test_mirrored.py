"""A two-armed robot in a mirror: what is learned from a mirrored sample is what the mirrored world would have shown."""

import dataclasses

import numpy as np
import pytest
import torch
from test_trainer import stage

from gear_vla_ros.contracts import VIEW_ROLES, Instruction, Observation
from gear_vla_ros.engines.arrays import SIDES, action_numbers, seen
from gear_vla_ros.geometry import se3
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.policies.expert import ExpertPolicy
from gear_vla_ros.settings import load_robot
from gear_vla_ros.sim.episode import state_of
from gear_vla_ros.sim.randomise import random_scene
from gear_vla_ros.sim.renderer import Renderer, sim_size
from gear_vla_ros.sim.world import World
from gear_vla_ros.training import run as runs
from gear_vla_ros.training.batches import Batches, Source
from gear_vla_ros.training.mirrored import ACROSS, POSE, mirror_of, mirrored, says_a_side
from gear_vla_ros.training.scenes import labels, write
from gear_vla_ros.training.targets import nothing
from gear_vla_ros.training.whereabouts import TURN_NUMBERS

SIZE = 96
TWO_ARMED = ("agilex", "ldt01")
TEXT = "pick up the {}"


def in_a_mirror(scene):
    """The same scene, left for right."""
    things = tuple(dataclasses.replace(t, xy=(t.xy[0], -t.xy[1]), yaw=-t.yaw) for t in scene.things)
    (x, y, z), (dx, dy, dz) = scene.look.lamp
    x_m, y_m, z_m, about_x, about_y, about_z = scene.look.head_offset
    look = dataclasses.replace(
        scene.look,
        table_texture=None,
        lamp=((x, -y, z), (dx, -dy, dz)),
        head_offset=(-x_m, y_m, z_m, about_x, -about_y, -about_z),
    )
    return dataclasses.replace(scene, things=things, look=look)


def sample(robot, model, scene, q, openings, folder):
    """A batch of one rendered sample of a world with the arms there, and the expert's chunk."""
    world = World(robot, scene=scene)
    for arm in robot.arms:
        world.command(arm.name, q[arm.name], openings[arm.name])
    world.jump()
    q = {arm: np.array(world.arms()[0][arm]) for arm in q}
    renderer = Renderer(world, *sim_size(robot))
    renderer.take(world)
    roles = [role for role in VIEW_ROLES if role in {camera.role for camera in robot.cameras}]
    views = np.stack([seen(renderer.render(role), robot, role, SIZE) for role in roles])
    renderer.close()
    names = [thing.name for thing in scene.things]
    poses = [world.objects()[name].world_T_object for name in names]
    text = TEXT.format(names[0].replace("_", " "))
    made = {"seed": 0, "text": text, "names": names, "views": views, **labels(robot, model, names, poses, q, openings)}
    samples = write(folder, robot.name, "lift", SIZE, [made])
    expert, state = ExpertPolicy(robot), state_of(world, model, 1)
    thought = expert.think(Observation(1, {"head": views[0]}, state, Instruction(1, text), scene=world.objects()))
    numbers = action_numbers(expert.act(thought, state).arms)
    samples = dataclasses.replace(samples, actions=numbers[None], known=np.ones((1, len(numbers)), bool))
    training = stage(batch=1, retold=0.0, vary_pictures=False, either_side=False)
    network, _ = runs.network("demo", 0)
    return Batches([Source(samples, nothing(samples, network.spec))], network, training).batch(0)


@pytest.mark.parametrize("name", TWO_ARMED)
def test_a_mirrored_sample_is_one_of_the_mirrored_world(name, tmp_path):
    robot = load_robot(name)
    model, mirror = RobotModel(robot), mirror_of(robot)
    scenes = (random_scene(robot, "lift", seed) for seed in range(40))
    scene = dataclasses.replace(next(scene for scene in scenes if scene.things[0].kind == "block"), start={})
    scene = dataclasses.replace(scene, look=dataclasses.replace(scene.look, table_texture=None))
    left = np.array(robot.arms[0].home) + 0.15
    right = np.array(robot.arms[1].home) - 0.1
    q, openings = {"left": left, "right": right}, {"left": 0.8, "right": 0.3}
    signs = np.array(mirror.joints)
    other_q, other_openings = {"left": signs * right, "right": signs * left}, {"left": 0.3, "right": 0.8}
    mine = mirrored(sample(robot, model, scene, q, openings, tmp_path / "one"), mirror)
    theirs = sample(robot, model, in_a_mirror(scene), other_q, other_openings, tmp_path / "other")
    torch.testing.assert_close(mine.inputs.state, theirs.inputs.state, atol=2e-3, rtol=0)
    torch.testing.assert_close(mine.near, theirs.near, atol=2e-3, rtol=0)
    torch.testing.assert_close(mine.point, theirs.point, atol=1e-2, rtol=0)
    torch.testing.assert_close(mine.turn, theirs.turn, atol=2e-2, rtol=0, equal_nan=True)
    torch.testing.assert_close(mine.lies, theirs.lies, atol=2e-2, rtol=0, equal_nan=True)
    assert mine.turn.isfinite().any() and mine.lies.isfinite().any()
    torch.testing.assert_close(mine.actions, theirs.actions, atol=1e-2, rtol=0)
    assert (mine.shown == theirs.shown).float().mean() > 0.99 and mine.shown.any()
    apart = (mine.inputs.views - theirs.inputs.views).abs().mean(dim=(0, 2, 3, 4))
    turned = (mine.inputs.views - theirs.inputs.views.flip(-1)).abs().mean(dim=(0, 2, 3, 4))
    assert (apart < 0.02).all() and (apart < 0.5 * turned).all(), (apart, turned)


def test_what_is_mirrored_twice_is_as_it_was(tmp_path):
    robot = load_robot("agilex")
    q = {arm.name: np.array(arm.home) for arm in robot.arms}
    batch = sample(
        robot, RobotModel(robot), random_scene(robot, "lift", 3), q, dict.fromkeys(SIDES, 1.0), tmp_path / "s"
    )
    mirror = mirror_of(robot)
    again = mirrored(mirrored(batch, mirror), mirror)
    for name in ("actions", "earlier", "near", "turn", "lies", "point", "shown", "valid"):
        torch.testing.assert_close(getattr(again, name), getattr(batch, name), equal_nan=True)
    torch.testing.assert_close(again.inputs.views, batch.inputs.views)
    assert torch.equal(again.inputs.text, batch.inputs.text) and torch.equal(again.naming, batch.naming)


def test_a_pose_s_numbers_are_those_of_the_mirrored_pose():
    a_T_b = se3.from_xyz_rpy(np.array([0.1, -0.2, 0.3]), np.array([0.4, 0.5, -0.6]))
    np.testing.assert_allclose(se3.to_xyz_rot6d(a_T_b) * POSE, se3.to_xyz_rot6d(ACROSS @ a_T_b @ ACROSS), atol=1e-12)


def test_robots_that_are_no_mirror_images_are_refused():
    with pytest.raises(ValueError, match="franka: arms are right, allowed left and right; train it with mirrored: 0"):
        mirror_of(load_robot("franka"))
    robot = load_robot("agilex")
    cameras = [c.model_copy(update={"roi": (0.1, 0.0, 1.0, 1.0)}) if c.role == "head" else c for c in robot.cameras]
    with pytest.raises(ValueError, match="agilex: camera head: roi or cx"):
        mirror_of(robot.model_copy(update={"cameras": cameras}))
    one_wrist = [camera for camera in robot.cameras if camera.role != "left_wrist"]
    with pytest.raises(ValueError, match="no camera left_wrist, but right_wrist"):
        mirror_of(robot.model_copy(update={"cameras": one_wrist}))


def test_where_an_instruction_names_a_side_nothing_is_mirrored():
    assert says_a_side(["lift the red cube", "Hand it to the Left, please"])
    assert not says_a_side(["lift the red cube", "put it upright"])


@pytest.mark.parametrize(("text", "some"), [("lift the red cube", True), ("lift the cube on the left", False)])
def test_a_share_of_the_steps_is_mirrored(tmp_path, text, some):
    robot = load_robot("agilex")
    made = {
        "seed": 0, "text": text, "names": ["red_cube"], "views": np.zeros((3, SIZE, SIZE, 3), np.uint8),
        "state": np.zeros((2, 16), np.float32), "near": np.ones((8, 2, 6), np.float32),
        "turn": np.full((8, 2, TURN_NUMBERS), np.nan, np.float32),
        "point": np.full((8, 3, 2), 0.4, np.float32),
    }  # fmt: skip
    samples = write(tmp_path / "one", robot.name, "lift", SIZE, [made])
    network, _ = runs.network("demo", 0)
    training = stage(batch=1, steps=40, retold=0.0, mirrored=0.5)
    batches = Batches([Source(samples, nothing(samples, network.spec))], network, training)
    turned = [bool(batches.batch(step).near[0, 0, 0, 1] < 0) for step in range(40)]
    assert any(turned) == some and not all(turned)
    assert not some or 8 < sum(turned) < 32
