"""What comes back from a written dataset is what was recorded, to the codec's error; LeRobot's form is kept."""

import json
import pickle

import moving
import numpy as np
import pyarrow.parquet as pq
import pytest
import synthetic
from hypothesis import given, settings
from hypothesis import strategies as st

from gear_vla_ros.geometry import se3
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.recording.dataset import features
from gear_vla_ros.recording.dataset.conversion import Options, convert, plan
from gear_vla_ros.recording.dataset.reader import DatasetReader
from gear_vla_ros.recording.dataset.resampling import NONE, asof, hold, interpolate, longest_run
from gear_vla_ros.recording.dataset.samples import take_samples
from gear_vla_ros.settings import load_robot

CODEC = 3.0
"""Mean difference of pixel values by H.264."""
FRANKA = load_robot("franka")
STAMPS = st.lists(st.integers(0, 1000), min_size=1, max_size=30, unique=True).map(sorted)
TIMES = st.lists(st.integers(-100, 1100), min_size=1, max_size=30)


@settings(deadline=None)
@given(STAMPS, TIMES, st.integers(0, 200), st.integers(0, 20))
def test_asof_is_the_newest_that_is_fresh(stamps, times, age, early):
    found = asof(np.array(stamps), np.array(times), age, early)
    for t, index in zip(times, found, strict=True):
        allowed = [i for i, s in enumerate(stamps) if s <= t + early]
        wanted = allowed[-1] if allowed and t - stamps[allowed[-1]] <= age else NONE
        assert index == wanted
    assert (hold(np.array(stamps), np.array(times)) == asof(np.array(stamps), np.array(times), 10**6)).all()


@settings(deadline=None)
@given(STAMPS, TIMES, st.integers(0, 300))
def test_interpolation_is_exact_on_a_line_and_refuses_gaps(stamps, times, gap):
    stamps_ns, times_ns = np.array(stamps), np.array(times)
    between, fit = interpolate(stamps_ns, times_ns, gap)
    for t, ok, value in zip(times, fit, between.linear(3.0 * stamps_ns[:, None] + 1.0)[:, 0], strict=True):
        around = [abs(s - t) for s in stamps]
        inside = stamps[0] <= t <= stamps[-1]
        before, after = [s for s in stamps if s <= t], [s for s in stamps if s >= t]
        assert ok == (inside and (min(around) == 0 or after[0] - before[-1] <= gap))
        if inside:
            assert value == pytest.approx(3.0 * t + 1.0)


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=40))
def test_the_longest_run_is_true_and_none_is_longer(usable):
    run = longest_run(np.array(usable, dtype=bool))
    runs = "".join("x" if one else " " for one in usable).split()
    assert all(usable[run]) and run.stop - run.start == max(map(len, runs), default=0)


def test_poses_are_interpolated_on_the_geodesic():
    twist = np.array([0.1, -0.2, 0.3, 0.0, 0.0, 1.0])
    ends = np.stack([np.eye(4), se3.advance(np.eye(4), twist)])
    between, _ = interpolate(np.array([0, 100]), np.array([25]), 100)
    np.testing.assert_allclose(between.poses(ends)[0], se3.advance(np.eye(4), 0.25 * twist), atol=1e-12)


@pytest.fixture(scope="module", params=["franka", "agilex"])
def written(request, tmp_path_factory):
    """A robot, its two episodes, and the dataset of them; the second has another instruction."""
    root, robot = tmp_path_factory.mktemp(request.param), load_robot(request.param)
    episodes = [moving.record(root, robot), moving.record(root, robot, 1.5, said="put it back")]
    convert(plan(episodes, Options()), root / "dataset")
    return robot, episodes, DatasetReader(root / "dataset")


def test_numbers_come_back(written):
    robot, episodes, reader = written
    model = RobotModel(robot)
    assert [e["length"] for e in reader.episodes] == [len(take_samples(episode, 30)) for episode in episodes]
    for index in range(0, len(reader), 7):
        sample = reader.sample(index)
        seconds = (int(reader.numbers("stamp_ns")[index]) - moving.BEGIN_NS) * 1e-9
        for arm in robot.arms:
            frame, chunk = sample.arms[arm.name], sample.chunk.arms[arm.name]
            base_T_now = model.fk(arm.name, moving.joints(arm, seconds))
            np.testing.assert_allclose(frame.q, moving.joints(arm, seconds), atol=1e-5)
            np.testing.assert_allclose(frame.base_T_tcp, base_T_now, atol=1e-5)
            assert frame.gripper == pytest.approx(moving.opening(seconds), abs=0.011)
            for i in np.flatnonzero(sample.valid):
                later = seconds + (i + 1) / 30
                base_T_later = model.fk(arm.name, moving.joints(arm, later))
                np.testing.assert_allclose(chunk.anchor_T_tcp[i], se3.inverse(base_T_now) @ base_T_later, atol=2e-5)
                if abs(later - moving.CLOSES_S) > 0.011:
                    assert chunk.gripper[i] == moving.commanded(later)
        assert sample.chunk.steps == 30 and sample.chunk.rate_hz == 30 and sample.valid[0]


def test_pictures_come_back(written):
    robot, episodes, reader = written
    index = 0
    for episode in episodes:
        samples = take_samples(episode, 30)
        for at in range(len(samples)):
            for number, camera in enumerate(robot.cameras):
                wanted = moving.picture(int(samples.pictures[camera.role][at]), number)
                seen = reader.picture(index, camera.role)
                assert np.abs(seen.astype(float) - wanted).mean() < CODEC, (index, camera.role)
            index += 1
    assert index == len(reader)


@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_any_order_of_reading_gives_the_same_pictures(written, data):
    robot, _, reader = written
    index = data.draw(st.integers(0, len(reader) - 1))
    role = data.draw(st.sampled_from([camera.role for camera in robot.cameras]))
    fresh = DatasetReader(reader.root)
    np.testing.assert_array_equal(reader.picture(index, role), fresh.picture(index, role))
    fresh.close()


def test_instructions_and_the_end_of_an_episode(written):
    _, _, reader = written
    first, second = reader.episodes
    assert reader.sample(0).instruction == moving.SAID
    assert reader.sample(first["dataset_to_index"]).instruction == "put it back"
    last = reader.sample(first["dataset_to_index"] - 1)
    assert last.valid.tolist() == [True] + 29 * [False]
    for chunk in last.chunk.arms.values():
        np.testing.assert_array_equal(chunk.anchor_T_tcp[0], chunk.anchor_T_tcp[-1])
    assert reader.numbers("episode_index").tolist() == [0] * first["length"] + [1] * second["length"]


def test_a_reader_goes_to_other_processes(written):
    _, _, reader = written
    reader.picture(3, "head")
    copy = pickle.loads(pickle.dumps(reader))
    np.testing.assert_array_equal(copy.picture(3, "head"), reader.picture(3, "head"))


def test_the_form_is_lerobots(written):
    robot, _, reader = written
    info = json.loads((reader.root / "meta/info.json").read_text())
    assert info["codebase_version"] == "v3.0" and info["robot_type"] == robot.name and info["fps"] == 30
    assert info["total_frames"] == len(reader) and info["splits"] == {"train": "0:2"} and info["total_tasks"] == 2
    names = info["features"]["observation.state"]["names"]
    arm = robot.arms[0]
    assert names[:3] == [f"{arm.name}.tcp.{axis}" for axis in "xyz"] and arm.joints[0] in names
    schema = pq.read_schema(reader.root / "data/chunk-000/file-000.parquet")
    videos = {key for key, feature in info["features"].items() if feature["dtype"] == "video"}
    assert set(schema.names) == set(info["features"]) - videos
    assert videos == {f"observation.images.{camera.role}" for camera in robot.cameras}
    row = pq.read_table(reader.root / "meta/episodes/chunk-000/file-000.parquet").to_pylist()[1]
    assert row["videos/observation.images.head/from_timestamp"] == pytest.approx(reader.episodes[0]["length"] / 30)
    assert row["tasks"] == ["put it back"] and row["stats/action/count"] == [row["length"]]
    tasks = pq.read_table(reader.root / "meta/tasks.parquet")
    assert json.loads(tasks.schema.metadata[b"pandas"])["index_columns"] == ["task"]


def test_statistics_are_those_of_the_data(written):
    _, _, reader = written
    stats = json.loads((reader.root / "meta/stats.json").read_text())
    state = reader.numbers("observation.state").astype(np.float64)
    np.testing.assert_allclose(stats["observation.state"]["mean"], state.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(stats["observation.state"]["q90"], np.quantile(state, 0.9, axis=0), atol=1e-9)
    pictures = np.stack([reader.picture(i, "head") for i in range(len(reader))]) / 255.0
    seen = stats["observation.images.head"]
    np.testing.assert_allclose(np.reshape(seen["mean"], 3), pictures.mean(axis=(0, 1, 2)), atol=0.01)
    np.testing.assert_allclose(np.reshape(seen["std"], 3), pictures.std(axis=(0, 1, 2)), atol=0.01)
    assert seen["count"] == [len(reader)]


def test_pictures_of_a_slow_camera_are_repeated_and_never_from_later(tmp_path):
    samples = take_samples(moving.record(tmp_path, FRANKA, camera_hz=15), 30)
    assert (np.bincount(samples.pictures["head"])[1:-1] == 2).all()
    for ages in samples.ages_ns.values():
        assert ages.min() >= -0.25e9 / 30 and ages.max() < 1e9 / 15


def test_jitter_of_a_stamp_neither_drops_nor_repeats_a_picture(tmp_path):
    random, heads = np.random.default_rng(0), {camera.topic for camera in FRANKA.cameras}

    def jitter(topic, index, ns):
        late = int(random.integers(-3_000_000, 3_000_000))
        return synthetic.image(ns + late, moving.picture(index, 0)) if topic in heads and index else None

    samples = take_samples(moving.record(tmp_path, FRANKA, spoil=jitter), 30)
    assert set(np.diff(samples.pictures["head"])) == {1}


def test_large_datasets_go_on_in_further_files_and_chunks(tmp_path, monkeypatch):
    for name, value in (("DATA_MB", 0), ("VIDEO_MB", 0), ("FILES_A_CHUNK", 2)):
        monkeypatch.setattr(features, name, value)
    episodes = [moving.record(tmp_path, FRANKA, 0.5 + 0.1 * i) for i in range(3)]
    convert(plan(episodes, Options()), tmp_path / "dataset")
    reader, index = DatasetReader(tmp_path / "dataset"), 0
    files = sorted(
        str(path.relative_to(reader.root)) for path in reader.root.glob("*/**/file-*") if "head" in str(path)
    )
    videos = "videos/observation.images.head/"
    assert files == [
        videos + name for name in ("chunk-000/file-000.mp4", "chunk-000/file-001.mp4", "chunk-001/file-000.mp4")
    ]
    assert reader.episodes[2]["data/chunk_index"] == 1 and reader.episodes[2]["data/file_index"] == 0
    for episode in episodes:
        for at in take_samples(episode, 30).pictures["head"]:
            seen = reader.picture(index, "head").astype(float)
            assert np.abs(seen - moving.picture(int(at), 0)).mean() < CODEC
            index += 1


def test_without_commands_the_measured_opening_is_taken(tmp_path):
    topic = FRANKA.arms[0].gripper.topic
    samples = take_samples(moving.record(tmp_path, FRANKA, spoil=lambda t, i, ns: b"" if t == topic else None), 30)
    frames = samples.arms["right"]
    assert frames.commanded_by == "measured"
    np.testing.assert_array_equal(frames.commanded, frames.opening)


def test_another_rate(tmp_path):
    convert(plan([moving.record(tmp_path, FRANKA)], Options(fps=10)), tmp_path / "slow")
    reader = DatasetReader(tmp_path / "slow")
    chunk, valid = reader.chunk(0, 5)
    assert chunk.rate_hz == 10 and valid.all() and 18 <= len(reader) <= 20
