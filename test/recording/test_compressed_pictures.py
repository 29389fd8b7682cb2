"""Compressed pictures mean what the raw ones do: to every reader, after a cut, and in a dataset."""

import json
import re
import tempfile
import textwrap
from pathlib import Path

import moving
import numpy as np
import pytest
import synthetic
from hypothesis import given, settings
from hypothesis import strategies as st

from gear_vla_ros.recording.checks import check
from gear_vla_ros.recording.compression import PictureEncoder
from gear_vla_ros.recording.contact_sheet import save_contact_sheet
from gear_vla_ros.recording.dataset.conversion import Options, convert, pictures_of, plan
from gear_vla_ros.recording.dataset.reader import DatasetReader
from gear_vla_ros.recording.dataset.samples import take_samples
from gear_vla_ros.recording.episodes import new_folder
from gear_vla_ros.recording.errors import RecordingError
from gear_vla_ros.recording.h264 import KEY_EVERY, is_whole, packet_of
from gear_vla_ros.recording.mending import trim
from gear_vla_ros.recording.moments import read_moments
from gear_vla_ros.recording.pictures import PictureStream
from gear_vla_ros.recording.reader import EpisodeReader, RawMessage
from gear_vla_ros.recording.replaying import moments
from gear_vla_ros.recording.survey import survey
from gear_vla_ros.recording.topics import COMPRESSED, IMAGE, VIDEO, RecordedTopic, topics_of
from gear_vla_ros.recording.writer import EpisodeWriter, WriterOptions
from gear_vla_ros.settings import RobotSpec, load_robot
from gear_vla_ros.settings.loading import parse
from gear_vla_ros.settings.recording import RecordSpec

KINDS = {"jpeg": 6.0, "png": 0.0, "h264": 8.0}
"""Largest mean difference of pixel values by kind."""
SUFFIX = {"jpeg": "compressed", "png": "compressed", "h264": "foxglove"}


def compressed(kind, name="franka", **more):
    """A robot whose cameras are all recorded so."""
    data = load_robot(name).model_dump(mode="json")
    for camera in data["cameras"]:
        camera["record"] = {"compression": kind, **more}
    return parse(RobotSpec, data, "robot.yaml")


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def episodes(kind, tmp_path_factory):
    """The same episode raw and compressed."""
    root = tmp_path_factory.mktemp(kind)
    robots = load_robot("franka"), compressed(kind)
    return tuple(moving.record(root / name, robot) for name, robot in zip(("raw", "small"), robots, strict=True))


def pictures(path, topics):
    """Stamp and pixels of every picture by topic."""
    reader, found = EpisodeReader(path), {topic: [] for topic in topics}
    streams = {topic: PictureStream(reader) for topic in topics}
    for raw in reader.raw(topics):
        streams[raw.topic].take(raw)
        found[raw.topic].append((*streams[raw.topic].header(), streams[raw.topic].rgb()))
    return found


def test_every_picture_comes_back_with_its_stamp_and_frame(kind, episodes):
    raw, small = episodes
    topics = [camera.topic for camera in load_robot("franka").cameras]
    wanted, found = pictures(raw, topics), pictures(small, [f"{topic}/{SUFFIX[kind]}" for topic in topics])
    for topic in topics:
        ours = found[f"{topic}/{SUFFIX[kind]}"]
        assert [one[:2] for one in ours] == [one[:2] for one in wanted[topic]]
        for (*_, is_now), (*_, was) in zip(ours, wanted[topic], strict=True):
            assert np.abs(is_now.astype(float) - was).mean() <= KINDS[kind]


def test_in_the_file_are_the_types_that_tools_know(kind, episodes):
    reader = EpisodeReader(episodes[1])
    raws = [raw for raw in reader.raw() if raw.topic.startswith("/head")]
    message = reader.decode(raws[0])
    if kind == "h264":
        assert raws[0].type == VIDEO and message.format == "h264"
        assert bytes(message.data) == packet_of(raws[0].data)
        whole = [is_whole(packet_of(raw.data)) for raw in raws]
        assert whole[0] and not all(whole)
        assert all(any(whole[i : i + KEY_EVERY]) for i in range(len(whole) - KEY_EVERY))
    else:
        assert raws[0].type == COMPRESSED and message.format == f"rgb8; {kind} compressed bgr8"
    assert all(raw.publish_ns == raw.log_ns - 2_000_000 for raw in raws)
    assert json.loads(reader.attachments["robot.json"])["cameras"][0]["record"]["compression"] == kind


def test_the_example_of_the_documentation_reads_them(episodes):
    text = (Path(__file__).resolve().parents[2] / "docs" / "recording.md").read_text(encoding="utf-8")
    example = re.search(r"(    from gear_vla_ros.recording.pictures .*?)\n`EpisodeReader`", text, re.DOTALL)[1]
    for path in episodes:
        names = {"Path": lambda _, path=path: path}
        exec(textwrap.dedent(example), names)
        assert names["pixels"].shape == (moving.HEIGHT, moving.WIDTH, 3) and names["frame"] == "camera"
        assert names["stamp_ns"] == names["seen"].track_of(names["seen"].robot.cameras[0]).stamps_ns[-1]


def test_checks_find_the_same(episodes):
    raw, small = (survey(path) for path in episodes)
    assert check(small) == check(raw) == []
    assert small.seconds == raw.seconds


def test_a_frozen_camera_is_found(kind, tmp_path):
    robot = compressed(kind)
    head = robot.cameras[0].topic

    def spoil(topic, index, ns):
        return synthetic.image(ns, moving.picture(20, 0)) if topic == head and 20 <= index < 45 else None

    found = check(survey(moving.record(tmp_path, robot, spoil=spoil)))
    said = [f"{one.what}: {one.where}: {one.found}" for one in found]
    assert said == [f"frozen: {head}/{SUFFIX[kind]} at 0.67 s: the same picture 25 times"]


@settings(deadline=None, max_examples=10)
@given(share=st.floats(0.05, 1.0))
def test_of_a_cut_file_every_complete_picture_is_read(kind, episodes, share):
    topic = f"/head/image_raw/{SUFFIX[kind]}"
    whole, file = pictures(episodes[1], [topic])[topic], EpisodeReader(episodes[1]).file
    with tempfile.NamedTemporaryFile(suffix=".mcap") as cut:
        cut.write(file.read_bytes()[: int(share * file.stat().st_size)])
        cut.flush()
        found = pictures(Path(cut.name), [topic])[topic]
    assert len(found) <= len(whole)
    for (stamp, _, is_now), (wanted, _, was) in zip(found, whole, strict=False):
        assert stamp == wanted
        np.testing.assert_array_equal(is_now, was)


def test_the_dataset_is_the_same_to_the_codec(kind, episodes, tmp_path):
    raw, small = (take_samples(path, 30) for path in episodes)
    np.testing.assert_array_equal(raw.times_ns, small.times_ns)
    for role, chosen in raw.pictures.items():
        np.testing.assert_array_equal(chosen, small.pictures[role])
    made = plan(episodes, Options())
    convert(made, tmp_path / "both")
    reader = DatasetReader(tmp_path / "both")
    for index in range(0, len(raw), 7):
        one, two = reader.sample(index), reader.sample(len(raw) + index)
        for role in raw.pictures:
            assert np.abs(one.images[role].astype(float) - two.images[role]).mean() < KINDS[kind] + 3
    reader.close()


def test_a_policy_that_is_replayed_sees_the_same(kind, episodes):
    raw, small = (list(moments(take_samples(path, 30), 0.25, 0.1)) for path in episodes)
    assert len(raw) == len(small) > 4
    for one, two in zip(raw, small, strict=True):
        assert one.observation.stamp_ns == two.observation.stamp_ns
        for role, pixels in one.observation.images.items():
            assert np.abs(pixels.astype(float) - two.observation.images[role]).mean() <= KINDS[kind]


def test_a_trimmed_episode_is_whole(kind, episodes, tmp_path):
    """Of a video also its first pictures, although the cut falls between two whole ones."""
    cut = [trim(path, 0.9, 1.7, tmp_path / path.parent.name) for path in episodes]
    raw, small = (take_samples(path, 30) for path in cut)
    np.testing.assert_array_equal(raw.times_ns, small.times_ns)
    for role in raw.pictures:
        ours, wanted = ([one[1:] for one in pictures_of(which) if one[0] == role] for which in (small, raw))
        for (is_now, repeat), (was, times) in zip(ours, wanted, strict=True):
            assert np.abs(is_now.astype(float) - was).mean() <= KINDS[kind] and repeat == times


def test_the_contact_sheet_shows_them(episodes, tmp_path):
    robot = load_robot("franka")
    for moment in read_moments(episodes[1], robot, 6).moments:
        assert {seen.pixels.shape for seen in moment.images.values()} == {(moving.HEIGHT, moving.WIDTH, 3)}
    assert save_contact_sheet(episodes[1], robot, tmp_path / "sheet.png").is_file()


@settings(deadline=None, max_examples=20)
@given(order=st.sampled_from(["rgb8", "bgr8"]), padding=st.integers(0, 5), seed=st.integers(0, 99))
def test_colours_keep_their_order(order, padding, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 10, 3), np.uint8)
    message = synthetic.TYPES.deserialize_cdr(synthetic.image(5, pixels, encoding=order), "sensor_msgs/msg/Image")
    message.step += padding
    message.data = np.pad(message.data.reshape(8, 30), ((0, 0), (0, padding))).reshape(-1)
    encoded = PictureEncoder(RecordSpec(compression="png"))(synthetic.cdr(message))
    synthetic.known(COMPRESSED)
    back = synthetic.TYPES.deserialize_cdr(encoded, COMPRESSED)
    assert back.format == f"{order}; png compressed bgr8"

    class Reader:
        @staticmethod
        def decode(raw):
            return back

    stream = PictureStream(Reader)
    stream.take(RawMessage("/a", COMPRESSED, 0, 0, encoded))
    np.testing.assert_array_equal(stream.rgb(), pixels if order == "rgb8" else pixels[:, :, ::-1])


@pytest.mark.parametrize(
    ("kind_", "pixels", "encoding", "line"),
    [
        ("jpeg", np.zeros((4, 4, 3), np.uint8), "mono16", "4 x 4 mono16, 48 bytes; allowed are whole rgb8 and bgr8"),
        ("h264", np.zeros((5, 8, 3), np.uint8), "rgb8", "8 x 5; H.264 takes even sizes only"),
    ],
)
def test_a_picture_that_is_not_taken_is_dropped_and_said(tmp_path, kind_, pixels, encoding, line):
    robot = compressed(kind_)

    def spoil(topic, index, ns):
        bad = topic == robot.cameras[0].topic and index == 3
        return synthetic.image(ns, pixels, encoding=encoding) if bad else None

    folder = moving.record(tmp_path, robot, seconds=0.5, spoil=spoil)
    seen = survey(folder)
    assert seen.about["dropped"] == "1" and line in seen.about["refused"]
    assert any(one.what == "dropped while recording" and line in one.found for one in check(seen))
    assert len(seen.track_of(robot.cameras[0]).stamps_ns) == 14


def test_a_video_without_its_beginning_says_so(tmp_path):
    reader = EpisodeReader(moving.record(tmp_path, compressed("h264"), seconds=0.5))
    stream = PictureStream(reader)
    raws = list(reader.raw({"/head/image_raw/foxglove"}))
    stream.take(raws[2])
    with pytest.raises(RecordingError, match="episode_0001: /head/image_raw/foxglove: an H"):
        stream.rgb()


def test_a_driver_that_compresses_is_recorded_as_it_is(tmp_path):
    robot = compressed("driver")
    kinds = {topic.name: topic for topic in topics_of(robot)}
    assert kinds["/head/image_raw/compressed"].type == COMPRESSED and "/head/image_raw" not in kinds
    encoder = PictureEncoder(RecordSpec(compression="jpeg"))
    folder = moving.record(tmp_path, robot, publish=lambda data: encoder(data))
    assert check(survey(folder)) == []
    assert len(list(pictures_of(take_samples(folder, 30)))) > 80


def test_what_one_robot_recorded_in_two_ways_is_one_dataset(tmp_path):
    paths = [moving.record(tmp_path, robot, 1.0) for robot in (load_robot("franka"), compressed("jpeg"))]
    assert len(plan(paths, Options()).samples) == 2


def test_an_encoder_that_is_too_slow_costs_pictures_and_nothing_else(tmp_path):
    """More at once than may wait: the video has a gap, is whole otherwise, and joint states are all there."""
    random, folder = np.random.default_rng(0), new_folder(tmp_path)
    camera = RecordedTopic("/a", IMAGE, compress=RecordSpec(compression="h264"))
    joint_topic = next(topic for topic in topics_of(load_robot("franka")) if topic.name == "/joint_states")
    writer = EpisodeWriter(folder, [camera, joint_topic], {}, options=WriterOptions(queue_bytes=4 * 2**20))
    data = [synthetic.image(i, random.integers(0, 256, (240, 320, 3), np.uint8)) for i in range(60)]
    taken = [i for i, one in enumerate(data) if writer.write("/a", i + 1, i + 1, one)]
    assert all(writer.write("/joint_states", i, i, synthetic.joint_state(i, [0.1])) for i in range(100, 200))
    writer.close()
    assert 5 < len(taken) < 60 and writer.dropped == 60 - len(taken) and "the queue is full" in writer.problem
    assert writer.counts == {"/a/foxglove": len(taken), "/joint_states": 100} and writer.waiting_bytes == 0
    assert [stamp for stamp, _, _ in pictures(folder, ["/a/foxglove"])["/a/foxglove"]] == taken
