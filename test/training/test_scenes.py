"""Rendered scenes: what they say of places is what is there, and training takes them beside episodes."""

import math
import shutil

import numpy as np
import pytest
from rich.console import Console
from test_trainer import stage, train

from gear_vla_ros.cli.sim_scenes import run
from gear_vla_ros.contracts.naming import is_container
from gear_vla_ros.geometry import se3
from gear_vla_ros.sim.scene import RGB
from gear_vla_ros.training.scenes import STATES, Wanted, load, render, write
from gear_vla_ros.training.whereabouts import turns

SIZE = 96


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes") / "scenes"
    return folder, write(folder, "franka", "lift", SIZE, render(Wanted("franka", "lift", [7, 8, 9], SIZE)))


def test_views_show_objects_where_they_are_said_to_be(rendered):
    """Some are behind the arm."""
    _, samples = rendered
    assert len(samples) == 3 * STATES and samples.roles == ("head", "right_wrist")
    seen = shown = 0
    for row in range(len(samples)):
        for index, name in enumerate(samples.names_of(row)):
            colour = np.array(RGB[name.split("_")[0]])
            for view in range(len(samples.roles)):
                column, line = (samples.point[row, index, view] * SIZE).astype(int)
                if 4 <= column < SIZE - 4 and 24 <= line < SIZE - 24:
                    patch = samples.views[row, view, line - 3 : line + 4, column - 3 : column + 4].reshape(-1, 3)
                    alike = patch @ colour / np.linalg.norm(patch.astype(float), axis=1).clip(1)
                    shown += bool((alike > 0.95 * np.linalg.norm(colour)).any())
                    seen += 1
    assert seen > 30 and shown > 0.7 * seen, f"{shown} of {seen}"


def test_places_are_told_from_the_tool_and_from_the_base(rendered):
    _, samples = rendered
    for row in range(len(samples)):
        state, near = samples.state[row, 1], samples.near[row, :3, 1]
        x, y = state[3:6], state[6:9]
        base_T_tcp = np.stack([x, y, np.cross(x, y)], axis=1)
        np.testing.assert_allclose(near[:, :3] @ base_T_tcp.T + state[:3], near[:, 3:], atol=1e-4)


def test_how_objects_lie_is_told_from_the_tool_and_from_the_base(rendered):
    """The two differ by how the tool is turned; a cube is told after quarters, what is round not at all."""
    _, samples = rendered
    kinds = set()
    for row in range(len(samples)):
        x, y = samples.state[row, 1, 3:6], samples.state[row, 1, 6:9]
        turned = math.atan2(x[1], x[0])
        for index, name in enumerate(samples.names_of(row)):
            in_tool, in_base = np.split(samples.turn[row, index, 1], 2)
            kind = name.split("_")[1]
            kinds.add(kind)
            assert np.isfinite(in_base).tolist() == [kind == "block"] * 2 + [kind in ("block", "cube")] * 2
            if kind in ("block", "cube") and np.cross(x, y)[2] < -0.999:
                tool, base = (math.atan2(four[3], four[2]) for four in (in_tool, in_base))
                assert math.cos(tool + base - 4 * turned) > 0.99, "the tool looks down: angles change their sign"
    assert {"block", "cube"} < kinds


def lying(kind, yaw):
    """From one frame."""
    return np.array(turns(kind, se3.from_xyz_rpy(np.zeros(3), np.array([0.0, 0.0, yaw])), [np.eye(4)]))


def test_what_looks_the_same_lies_the_same():
    for angle in (0.3, -1.2):
        quarter = angle + math.pi / 2
        np.testing.assert_allclose(lying("block", angle), lying("block", angle + math.pi), atol=1e-9)
        np.testing.assert_allclose(lying("cube", angle), lying("cube", quarter), atol=1e-9)
        np.testing.assert_allclose(lying("block", angle)[:2], -lying("block", quarter)[:2], atol=1e-9)
    assert np.isnan(lying("ball", 0.3)).all()
    fallen = se3.from_xyz_rpy(np.zeros(3), np.array([0.0, math.pi / 2, 0.0]))
    assert np.isnan(turns("block", fallen, [np.eye(4)])).all()


def test_tools_are_above_a_bowl_too_and_not_in_its_walls(tmp_path):
    samples = write(tmp_path / "place", "franka", "place", SIZE, render(Wanted("franka", "place", range(8), SIZE)))
    above = []
    for row in range(len(samples)):
        names = samples.names_of(row)
        bowl = next(index for index, name in enumerate(names) if is_container(name))
        away = samples.state[row, 1, :3] - samples.near[row, bowl, 1, 3:]
        if np.linalg.norm(away[:2]) < 0.04:
            above.append(away[2])
    assert len(above) > 3 and min(above) > 0.01, above


def test_a_folder_is_read_as_it_was_written_and_for_its_size_alone(rendered):
    folder, samples = rendered
    again = load(folder, SIZE)
    assert again.texts == samples.texts and again.names == samples.names
    np.testing.assert_array_equal(again.views, samples.views)
    with pytest.raises(ValueError, match="views of 96 px, the network has 112"):
        load(folder, 112)


def test_a_folder_of_a_version_that_kept_less_is_refused(rendered, tmp_path):
    older = shutil.copytree(rendered[0], tmp_path / "older")
    (older / "followed.npy").unlink()
    with pytest.raises(ValueError, match="lacks followed, rendered by another version; render them again"):
        load(older, SIZE)


def test_training_takes_scenes_beside_episodes(rendered, samples, tmp_path):
    losses = train([samples, rendered[1]], tmp_path, stage(steps=8))
    assert {"flow" in step for step in losses} == {True, False}
    assert all(np.isfinite(value) for step in losses for value in step.values())


def test_scenes_alone_teach_a_stem_and_nothing_else(rendered, tmp_path):
    weighed = {"grounding": 1.0, "latent": 0.0, "fast": 0.0, "flow": 0.0}
    stem = stage(steps=2, stage="convolutional_stem", convolutions=8, weights=weighed)
    losses = train(rendered[1], tmp_path / "stem", stem)
    assert [list(step) for step in losses] == [["lies"]] * 2 and all(step["lies"] > 0 for step in losses)
    with pytest.raises(ValueError, match="rendered scenes alone, in which nothing is done"):
        train(rendered[1], tmp_path / "policy", stage(steps=2))


def test_a_share_of_the_scenes_has_a_distractor_of_the_first_ones_colour(tmp_path):
    made = write(tmp_path / "alike", "franka", "lift", SIZE, render(Wanted("franka", "lift", range(8), SIZE, 0.5)))
    colours = [[name.split("_")[0] for name in made.names_of(row)] for row in range(0, len(made), STATES)]
    assert 1 < sum(mine[0] == mine[1] for mine in colours) < 8
    with pytest.raises(ValueError, match="--alike: task 'handover' has one object; allowed with lift, place"):
        run(Wanted("ldt01", "handover", range(1), SIZE, alike=1.0), 1, tmp_path / "none", Console(quiet=True))
