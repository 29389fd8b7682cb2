"""Damaged recordings: read as far as they go, or refused in one line."""

from pathlib import Path

import numpy as np
import pytest
import synthetic
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.reader import NonSeekingReader

from gear_vla_ros.recording.definitions import definition
from gear_vla_ros.recording.episodes import new_folder
from gear_vla_ros.recording.errors import RecordingError
from gear_vla_ros.recording.reader import EpisodeReader, read_messages
from gear_vla_ros.recording.sealing import seal
from gear_vla_ros.recording.topics import RecordedTopic, topics_of
from gear_vla_ros.recording.writer import EpisodeWriter, WriterOptions
from gear_vla_ros.settings import load_robot, robot_names

JOINTS = RecordedTopic("/joint_states", "sensor_msgs/msg/JointState", reliable=False)
COUNT = 60


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An episode of many small chunks."""
    options = WriterOptions(reserve_bytes=0, chunk_bytes=600)
    episode = EpisodeWriter(new_folder(tmp_path_factory.mktemp("whole")), [JOINTS], {"robot": "x"}, options=options)
    for i in range(COUNT):
        episode.write(JOINTS.name, 1000 + i, 1000, synthetic.joint_state(1000 + i, [float(i)]))
    episode.close()
    return episode.file.read_bytes()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_bag_cut_anywhere_is_read_as_far_as_it_goes(whole: bytes, tmp_path: Path, data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(whole) - 1))
    path = tmp_path / "cut.mcap"
    path.write_bytes(whole[:cut])
    reader = EpisodeReader(path)
    values = [message.position[0] for _, _, message in reader.messages()]
    assert values == [float(i) for i in range(len(values))]
    assert reader.problem.count("\n") == 0
    assert str(path) in reader.problem
    seal(path)
    if cut > 8:
        again = EpisodeReader(path)
        assert [message.position[0] for _, _, message in again.messages()] == values
        assert again.problem == ""
        with path.open("rb") as stream:
            assert len(list(NonSeekingReader(stream).iter_messages())) == len(values)


def test_a_whole_bag_has_no_problem(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "whole.mcap"
    path.write_bytes(whole)
    reader = EpisodeReader(path)
    assert len(list(reader.raw())) == COUNT
    assert reader.problem == ""
    assert reader.about["robot"] == "x"


def test_a_flipped_bit_is_found(whole: bytes, tmp_path: Path) -> None:
    damaged = bytearray(whole)
    damaged[whole.index(b"joint0") + 2] ^= 1
    path = tmp_path / "flipped.mcap"
    path.write_bytes(damaged)
    reader = EpisodeReader(path)
    assert len(list(reader.raw())) < COUNT
    assert "crc" in reader.problem.lower()


@pytest.mark.parametrize(("content", "message"), [(b"", "empty"), (None, "no such episode")])
def test_what_is_no_recording_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "x.mcap"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RecordingError, match=message):
        list(read_messages(path))


def test_something_else_than_mcap_is_a_problem_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.mcap"
    path.write_bytes(b"not a recording at all")
    reader = EpisodeReader(path)
    assert list(reader.raw()) == []
    assert str(path) in reader.problem


def test_a_folder_without_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"0 \.mcap files"):
        EpisodeReader(tmp_path)


def test_arrays_are_numpy(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "whole.mcap"
    path.write_bytes(whole)
    _, _, message = next(iter(read_messages(path)))
    assert isinstance(message.position, np.ndarray)
    assert message.header.stamp.nanosec == 1000


def test_an_unknown_type_is_named_with_the_places_searched() -> None:
    with pytest.raises(LookupError, match=r"package/msg/Type"):
        definition("sensor_msgs/Image")
    with pytest.raises(LookupError, match=r"nowhere_msgs/msg/Thing: no definition Thing.msg in"):
        definition("nowhere_msgs/msg/Thing")


@pytest.mark.parametrize("name", robot_names())
def test_every_topic_of_a_robot_is_recorded_once(name: str) -> None:
    robot = load_robot(name)
    topics = topics_of(robot)
    names = [topic.name for topic in topics]
    assert len(names) == len(set(names))
    wanted = {camera.topic for camera in robot.cameras} | {arm.command.topic for arm in robot.arms}
    assert wanted | {robot.joint_states_topic, "/gear_vla/latents", "/tf_static"} <= set(names)
    assert "/gear_vla/latents" not in {topic.name for topic in topics_of(robot, latents=False)}
    for topic in topics:
        if not topic.type.startswith("tf2_msgs/"):
            assert definition(topic.type).text
