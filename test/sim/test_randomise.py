"""A seed is a scene: everything in it, byte by byte, and nothing of it anywhere else."""

import numpy as np
import pytest

from gear_vla_ros.contracts.naming import CONTAINER, understood
from gear_vla_ros.settings import load_robot, robot_names
from gear_vla_ros.sim.builder import mujoco
from gear_vla_ros.sim.randomise import FINGERS_M, TASKS, TWO_ARMS, other_instruction, random_scene
from gear_vla_ros.sim.renderer import Renderer
from gear_vla_ros.sim.wordings import HELD_OUT, TRAINING
from gear_vla_ros.sim.world import World

FRANKA = load_robot("franka")
AGILEX = load_robot("agilex")
CROWDED = [task for task in TASKS if task not in TWO_ARMS]


def compiled(world):
    """All bytes of the model."""
    buffer = np.zeros(mujoco.mj_sizeModel(world.model), np.uint8)
    mujoco.mj_saveModel(world.model, None, buffer)
    return buffer


@pytest.mark.parametrize("task", TASKS)
def test_the_same_seed_is_the_same_world_byte_for_byte(task):
    first, again, other = (World(AGILEX, scene=random_scene(AGILEX, task, seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(compiled(first), compiled(again))
    np.testing.assert_array_equal(first.data.qpos, again.data.qpos)
    assert first.scene.instruction == again.scene.instruction
    assert not np.array_equal(first.data.qpos, other.data.qpos)


def test_a_reset_of_a_random_world_brings_its_scene_back():
    world = World(FRANKA, scene=random_scene(FRANKA, "lift", 3))
    before = world.data.qpos.copy()
    world.command("right", np.array(FRANKA.arms[0].home) + 0.2, 0.0)
    world.step(0.5)
    world.reset(99)
    np.testing.assert_array_equal(world.data.qpos, before)


@pytest.mark.parametrize("task", CROWDED)
@pytest.mark.parametrize("robot", robot_names())
def test_scenes_fit_the_robot_and_differ(robot, task):
    spec = load_robot(robot)
    seen = set()
    for seed in range(20):
        scene = random_scene(spec, task, seed)
        names = [thing.name for thing in scene.things]
        assert len(set(names)) == len(names) == (3 if task == "lift" else 4)
        assert understood(scene.instruction, names).object == names[0]
        places = np.array([thing.xy for thing in scene.things])
        apart = np.linalg.norm(places[:, None] - places[None], axis=-1)[np.triu_indices(len(names), 1)]
        assert apart.min() > FINGERS_M
        stroke = min(arm.gripper.stroke for arm in spec.arms)
        assert all(min(thing.size[:2]) < 0.7 * stroke for thing in scene.things if thing.kind != CONTAINER)
        seen.add((names[0], scene.instruction, scene.look.table_rgb))
    assert len(seen) == 20


def test_things_stay_where_they_are_put():
    for seed in range(6):
        world = World(FRANKA, scene=random_scene(FRANKA, "place", seed))
        world.step(1.0)
        for thing in world.scene.things:
            np.testing.assert_allclose(world.position(thing.name)[:2], thing.xy, atol=3e-3)


@pytest.mark.parametrize("task", TASKS)
def test_held_out_wordings_are_understood_and_never_used_in_training(task):
    assert not set(TRAINING[task]) & set(HELD_OUT[task])
    names = ["red_cube", "blue_cube", "red_ball", "red_bowl", "red_bar", "red_parcel"]
    thing = {"handover": "red_bar", "flip_label": "red_parcel"}.get(task, "red_cube")
    for wording in (*TRAINING[task], *HELD_OUT[task]):
        request = understood(wording.format(object=thing.replace("_", " "), goal="red bowl"), names)
        assert (request.task, request.object) == (task, thing)
        assert request.goal == ("red_bowl" if task == "place" else "")
    held_out = {random_scene(AGILEX, task, seed, held_out=True).instruction for seed in range(30)}
    usual = {random_scene(AGILEX, task, seed).instruction for seed in range(30)}
    assert held_out and not held_out & usual
    scene = random_scene(AGILEX, task, 1, held_out=True)
    assert scene.held_out and scene.things == random_scene(AGILEX, task, 1).things


def test_the_look_is_seen():
    pictures = []
    for seed in (1, 2):
        world = World(FRANKA, scene=random_scene(FRANKA, "lift", seed))
        renderer = Renderer(world, 160, 120)
        renderer.take(world)
        pictures.append(renderer.render("head"))
        renderer.close()
    assert pictures[0].std() > 5
    corner = [picture[-20:, :20].mean(axis=(0, 1)) for picture in pictures]
    assert np.abs(corner[0] - corner[1]).max() > 5, "light, table or camera must differ"


def test_an_unknown_task_is_refused_with_what_there_is():
    with pytest.raises(
        ValueError, match=r"task: found 'lfit'; did you mean 'lift'\?; allowed lift, place, handover, flip_label"
    ):
        random_scene(FRANKA, "lfit", 0)


def test_a_handover_with_one_arm_is_refused():
    with pytest.raises(ValueError, match="needs two arms, robot franka has one; allowed for it lift, place"):
        random_scene(FRANKA, "handover", 0)


def test_a_shifted_scene_has_the_same_things_in_another_light_and_the_camera_elsewhere():
    for seed in range(10):
        usual, shifted = (random_scene(FRANKA, "lift", seed, shifted=shifted) for shifted in (False, True))
        assert usual.things == shifted.things and usual.instruction == shifted.instruction
        np.testing.assert_array_equal(usual.start["right"], shifted.start["right"])
        assert np.linalg.norm(shifted.look.head_offset[:3]) == pytest.approx(0.03)
        assert shifted.look.table_texture is None and np.ptp(shifted.look.table_rgb) > 0.24
        assert not 0.3 <= shifted.look.ambient <= 0.5
        World(FRANKA, scene=shifted)


def test_another_instruction_names_another_object_of_the_scene():
    for task in ("lift", "place"):
        for seed in range(10):
            scene = random_scene(FRANKA, task, seed)
            names = [thing.name for thing in scene.things]
            text = other_instruction(scene, seed)
            found = understood(text, names)
            assert found.task == task and found.object in names[1:3]
            assert text == other_instruction(scene, seed)


@pytest.mark.parametrize("task", ["lift", "place"])
def test_scenes_of_things_alike_have_a_distractor_of_the_named_colour(task):
    for seed in range(40):
        usual, alike = (random_scene(FRANKA, task, seed, alike=alike) for alike in (False, True))
        names = [thing.name for thing in alike.things]
        assert len(set(names)) == len(names)
        assert alike.things[0].colour == alike.things[1].colour
        assert names[0] == usual.things[0].name and names[2:] == [thing.name for thing in usual.things[2:]]
