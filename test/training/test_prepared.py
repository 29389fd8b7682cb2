"""Samples as arrays: what the dataset and the episode behind it say."""

import json
import math
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from gear_vla_ros.engines.arrays import seen
from gear_vla_ros.geometry import se3
from gear_vla_ros.recording.dataset.features import STAMP, XYZW
from gear_vla_ros.recording.dataset.grippers import TARGET
from gear_vla_ros.recording.dataset.labels import CHUNK, SCENE, labels_of
from gear_vla_ros.recording.dataset.reader import DatasetReader
from gear_vla_ros.recording.errors import RecordingError
from gear_vla_ros.recording.survey import survey
from gear_vla_ros.settings import load_robot
from gear_vla_ros.settings.training import FOLLOWED_STEPS
from gear_vla_ros.sim.randomise import random_scene
from gear_vla_ros.sim.scene import RGB
from gear_vla_ros.training.prepared import NOTHING, prepare

ROBOT = load_robot("franka")


def test_every_label_of_the_expert_is_a_sample_ten_times_a_second(dataset, samples):
    reader = DatasetReader(dataset)
    rows = reader.learnable()
    assert reader.labelled and len(samples) == len(rows) and samples.known.all()
    within = np.diff(samples.frame)[np.diff(samples.episode) == 0]
    assert set(within.tolist()) == {3}


def test_the_first_episodes_are_a_part_of_it(samples):
    part = samples.first(1)
    count = len(part)
    assert 0 < count < len(samples) and set(part.episode.tolist()) == {0} and samples.episode[count] == 1
    assert part.names_of(count - 1) == samples.names_of(count - 1) and part.views.shape[0] == count
    with pytest.raises(ValueError, match="99 episodes asked for, found"):
        samples.first(99)


def test_a_sample_is_the_frame_s_picture_state_and_chunk(dataset, samples):
    reader = DatasetReader(dataset)
    at = len(samples) // 2
    frame = reader.sample(int(reader.learnable()[at]))
    for index, role in enumerate(samples.roles):
        np.testing.assert_array_equal(samples.views[at, index], seen(frame.images[role], ROBOT, role, 96))
    arm, chunk = frame.arms["right"], frame.chunk.arms["right"]
    told = [*se3.to_xyz_rot6d(arm.base_T_tcp), *arm.q, arm.gripper]
    np.testing.assert_allclose(samples.state[at, 1], told, atol=1e-5)
    np.testing.assert_allclose(samples.actions[at, :, 10:19], se3.to_xyz_rot6d(chunk.anchor_T_tcp), atol=1e-6)
    assert not samples.actions[at, :, :10].any() and not samples.state[at, 0].any()
    assert samples.arms.tolist() == [False, True]


def test_what_was_followed_is_the_episode_s_targets_seen_from_the_tool(dataset, samples):
    reader = DatasetReader(dataset)
    episode = dataset.parent / "episodes" / "episode_0001"
    told = [message for _, message in survey(episode, ROBOT, {TARGET}).kept[TARGET]]
    ticks = np.array([m.header.stamp.sec * 1_000_000_000 + m.header.stamp.nanosec for m in told])
    places = np.array([[getattr(m.arms[0].pose.pose.position, axis) for axis in "xyz"] for m in told])
    known = ~np.isnan(samples.followed).any(axis=(1, 2))
    rows = np.flatnonzero(known & (samples.episode == 0))
    assert len(rows) > 20
    for row in rows.tolist():
        stamps = reader.numbers(STAMP)[samples.frame[row] + np.arange(1, FOLLOWED_STEPS + 1)]
        nearest = np.abs(ticks[:, None] - stamps).argmin(axis=0)
        assert np.abs(ticks[nearest] - stamps).max() < 4e6, "frames and ticks are hardly apart"
        base_T_now = se3.from_xyz_rot6d(samples.state[row, 1, :9].astype(float))
        base_T_told = base_T_now @ se3.from_xyz_rot6d(samples.followed[row, :, 10:19].astype(float))
        np.testing.assert_allclose(base_T_told[:, :3, 3], places[nearest], atol=2e-3)
        assert not samples.followed[row, :, :10].any(), "the arm that is not there"
    for last in np.flatnonzero(np.diff(samples.episode, append=-1)):
        assert np.isnan(samples.followed[last]).all(), "the episode ends before"


def test_episodes_without_what_labels_need_are_refused(dataset):
    kept = survey(dataset.parent / "episodes" / "episode_0001", ROBOT, {CHUNK, SCENE, TARGET}).kept
    times_ns = np.array([3_000_000_000])
    assert labels_of(ROBOT, kept, times_ns).targets.shape == (1, 1, 10)
    with pytest.raises(RecordingError, match="disturbed on purpose, but nothing on /gear_vla/target; collect it again"):
        labels_of(ROBOT, kept | {TARGET: []}, times_ns)
    kept[TARGET][5][1].arms[0].arm = "left"
    with pytest.raises(RecordingError, match="target: arms left; allowed are those of the robot, right is missing"):
        labels_of(ROBOT, kept, times_ns)


def test_what_is_named_is_where_the_fingers_end(samples):
    """In the last samples of a lift the named object is between the fingers."""
    last = np.flatnonzero(np.diff(samples.episode, append=-1))
    distances = [np.linalg.norm(samples.near[row, samples.named(row)[0], 1, :3]) for row in last.tolist()]
    assert min(distances) < 0.03


def test_how_objects_lie_is_told_as_the_scenes_have_it(samples):
    """Before anything touches them; the base stands as the world does."""
    for episode, seed in ((0, 100), (1, 101)):
        row = int(np.flatnonzero(samples.episode == episode)[0])
        things = {thing.name: thing for thing in random_scene(ROBOT, "lift", seed).things}
        for index, name in enumerate(samples.names[episode]):
            in_base, fold = samples.turn[row, index, 1, 4:], 4 * things[name].yaw
            if things[name].kind in ("block", "cube"):
                np.testing.assert_allclose(in_base[2:], [math.cos(fold), math.sin(fold)], atol=0.05)
            assert np.isfinite(in_base).any() == (things[name].kind in ("block", "cube"))


def test_a_dataset_of_before_says_nothing_of_how_objects_lie(dataset):
    reader = DatasetReader(dataset)
    assert reader.object_poses(0).keys() == reader.objects(0).keys()
    del reader.features[XYZW]
    assert reader.objects(0) and not reader.object_poses(0)


def test_another_object_can_be_named_in_the_same_words(samples):
    own, others = samples.named(0)[0], samples.others(0)
    assert own != NOTHING and len(others) == 2 and own not in others
    retold = samples.retold(0, others[0])
    assert retold != samples.texts[samples.task[0]]
    assert samples.names[0][others[0]].replace("_", " ") in retold


def test_a_clip_ends_with_its_episode(samples):
    assert samples.clip(0, 6, 0.2).tolist() == [0, 2, 4, 6, 8, 10]
    last = int(np.flatnonzero(np.diff(samples.episode))[0])
    assert samples.clip(last, 6, 0.2) is None


def test_it_is_made_once_and_again_when_the_dataset_is_another(dataset, samples):
    told = []
    prepare(dataset, 96, lambda at, total: told.append(at))
    assert told == []
    about = dataset / "prepared" / "96px" / "about.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"frames": 1}))
    prepare(dataset, 96, lambda at, total: told.append(at))
    assert told[-1] == len(samples)


def test_of_two_processes_one_makes_it_and_the_other_waits(dataset):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert sum(pool.map(how_many_are_made, [dataset, dataset])) == len(prepare(dataset, 64))


def how_many_are_made(dataset):
    """Samples that this process made itself."""
    told = []
    prepare(dataset, 64, lambda at, total: told.append(at))
    return len(told)


@pytest.mark.parametrize("size", [48])
def test_another_view_size_stands_beside_it(dataset, size):
    assert prepare(dataset, size).views.shape[2:] == (size, size, 3)
    assert {"48px", "96px"} <= {path.name for path in (dataset / "prepared").iterdir()}


def test_the_head_view_shows_an_object_s_colour_where_it_is_said_to_be(samples):
    """At an episode's beginning, before the arm is in the way. The head camera is not quite where the URDF says."""
    found = 0
    for episode, names in enumerate(samples.names):
        row = int(np.flatnonzero(samples.episode == episode)[0])
        view = samples.views[row, samples.roles.index("head")].astype(float)
        for index, name in enumerate(names):
            colour = np.array(RGB[name.split("_")[0]])
            column, line = (samples.point[row, index, 0] * 96).astype(int)
            patch = view[max(0, line - 4) : line + 5, max(0, column - 4) : column + 5].reshape(-1, 3)
            alike = patch @ colour / np.linalg.norm(patch, axis=1).clip(1) / np.linalg.norm(colour)
            found += bool((alike > 0.97).any())
    assert found >= 5, "of six objects"
