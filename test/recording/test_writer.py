"""The writer against real files: what goes in comes out, by other libraries too; nothing is lost or overwritten."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import synthetic
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.highlevel import AnyReader

from gear_vla_ros.recording.episodes import new_folder
from gear_vla_ros.recording.errors import RecordingError
from gear_vla_ros.recording.reader import EpisodeReader
from gear_vla_ros.recording.topics import RecordedTopic
from gear_vla_ros.recording.writer import EpisodeWriter, WriterOptions

JOINTS = RecordedTopic("/joint_states", "sensor_msgs/msg/JointState", reliable=False)
CAMERA = RecordedTopic("/head/image_raw", "sensor_msgs/msg/Image", reliable=False)
INSTRUCTION = RecordedTopic("/gear_vla/instruction", "gear_vla_ros/msg/Instruction", latched=1)
SMALL = WriterOptions(reserve_bytes=0)
T0 = 1_700_000_000_000_000_000


def writer(folder: Path, options: WriterOptions = SMALL, **more: object) -> EpisodeWriter:
    return EpisodeWriter(folder, (JOINTS, CAMERA, INSTRUCTION), {"robot": "franka"}, options=options, **more)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sent=st.lists(st.tuples(st.sampled_from([JOINTS.name, CAMERA.name]), st.binary(max_size=5000)), max_size=40),
    compression=st.sampled_from(["none", "lz4", "zstd"]),
)
def test_bytes_come_back_as_they_went_in(tmp_path: Path, sent: list[tuple[str, bytes]], compression: str) -> None:
    options = WriterOptions(compression=compression, reserve_bytes=0, chunk_bytes=4096)
    episode = writer(new_folder(tmp_path), options)
    for i, (topic, data) in enumerate(sent):
        assert episode.write(topic, T0 + i, T0 + i - 5, data)
    episode.close()
    read = [(m.topic, m.log_ns, m.publish_ns, m.data) for m in EpisodeReader(episode.path).raw()]
    assert read == [(topic, T0 + i, T0 + i - 5, data) for i, (topic, data) in enumerate(sent)]
    assert (episode.error, episode.dropped) == ("", 0)


def record_one_of_each(folder: Path) -> np.ndarray:
    pixels = np.arange(48 * 64 * 3, dtype=np.uint64).astype(np.uint8).reshape(48, 64, 3)
    episode = writer(folder, attachments={"robot.yaml": b"name: franka\n"})
    episode.write(JOINTS.name, T0 + 10, T0 + 9, synthetic.joint_state(T0, [0.1, 0.2]))
    episode.write(CAMERA.name, T0 + 20, T0 + 19, synthetic.image(T0, pixels))
    text = synthetic.make(
        "gear_vla_ros/Instruction", header=synthetic.header(T0), id=3, text="pick up the red cube", kind="language"
    )
    episode.write(INSTRUCTION.name, T0 + 30, T0 + 29, synthetic.cdr(text))
    episode.close({"outcome": "success"})
    assert not episode.error
    return pixels


def test_rosbags_reads_it_as_a_rosbag2_folder(tmp_path: Path) -> None:
    folder = new_folder(tmp_path)
    pixels = record_one_of_each(folder)
    with AnyReader([folder]) as bag:
        assert bag.message_count == 3
        assert {c.topic: c.msgcount for c in bag.connections} == {
            "/joint_states": 1, "/head/image_raw": 1, "/gear_vla/instruction": 1,
        }  # fmt: skip
        for connection, log_ns, raw in bag.messages():
            message = bag.deserialize(raw, connection.msgtype)
            if connection.topic == CAMERA.name:
                assert log_ns == T0 + 20
                np.testing.assert_array_equal(message.data.reshape(48, 64, 3), pixels)


def test_mcap_reads_it_with_the_definitions_inside(tmp_path: Path) -> None:
    folder = new_folder(tmp_path)
    record_one_of_each(folder)
    with (folder / f"{folder.name}_0.mcap").open("rb") as stream:
        reader = make_reader(stream, decoder_factories=[DecoderFactory()])
        decoded = {c.topic: (m, d) for _, c, m, d in reader.iter_decoded_messages()}
        assert reader.get_header().profile == "ros2"
        metadata = {m.name: m.metadata for m in reader.iter_metadata()}
        attachments = {a.name: a.data for a in reader.iter_attachments()}
    message, instruction = decoded[INSTRUCTION.name]
    assert (instruction.id, instruction.text) == (3, "pick up the red cube")
    assert (message.log_time, message.publish_time) == (T0 + 30, T0 + 29)
    assert list(decoded[JOINTS.name][1].position) == [0.1, 0.2]
    assert metadata["outcome"]["outcome"] == "success"
    assert attachments == {"robot.yaml": b"name: franka\n"}


def test_metadata_yaml_is_rosbag2s(tmp_path: Path) -> None:
    folder = new_folder(tmp_path)
    record_one_of_each(folder)
    info = yaml.safe_load((folder / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert info["storage_identifier"] == "mcap"
    assert info["message_count"] == 3
    assert info["starting_time"]["nanoseconds_since_epoch"] == T0 + 10
    assert info["duration"]["nanoseconds"] == 20
    assert info["relative_file_paths"] == [f"{folder.name}_0.mcap"]
    topics = {t["topic_metadata"]["name"]: t["topic_metadata"] for t in info["topics_with_message_count"]}
    offered = yaml.safe_load(topics[INSTRUCTION.name]["offered_qos_profiles"])
    assert offered[0]["durability"] == 1


def test_episodes_are_numbered_and_never_shared(tmp_path: Path) -> None:
    made: list[Path] = []
    threads = [threading.Thread(target=lambda: made.append(new_folder(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(p.name for p in made) == [f"episode_{i:04d}" for i in range(1, 9)]


def test_a_folder_in_use_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    folder = new_folder(tmp_path)
    record_one_of_each(folder)
    before = (folder / f"{folder.name}_0.mcap").read_bytes()
    with pytest.raises(RecordingError, match="nothing was overwritten"):
        writer(folder)
    assert (folder / f"{folder.name}_0.mcap").read_bytes() == before


def test_a_full_queue_counts_what_it_refuses(tmp_path: Path) -> None:
    episode = writer(new_folder(tmp_path), WriterOptions(queue_bytes=10, reserve_bytes=0))
    assert not episode.write(JOINTS.name, T0, T0, bytes(11))
    assert episode.write(JOINTS.name, T0, T0, bytes(10))
    episode.close()
    assert (episode.dropped, episode.counts[JOINTS.name]) == (1, 1)


def test_a_topic_that_was_not_announced_is_named(tmp_path: Path) -> None:
    episode = writer(new_folder(tmp_path))
    with pytest.raises(KeyError, match="/other"):
        episode.write("/other", T0, T0, b"")
    episode.close()


def test_a_disk_that_is_nearly_full_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="10 MiB free on this disk, at least 256 MiB"):
        writer(new_folder(tmp_path), WriterOptions(), free_bytes=lambda folder: 10 * 2**20)


def test_a_disk_that_fills_up_ends_the_episode_with_a_complete_file(tmp_path: Path) -> None:
    free = iter([2**30, 0])
    episode = writer(new_folder(tmp_path), WriterOptions(), free_bytes=lambda folder: next(free))
    data = synthetic.joint_state(T0, [0.0])
    wrote = 0
    ended = threading.Event()
    while not ended.wait(0.01) and wrote < 1000:
        wrote += episode.write(JOINTS.name, T0 + wrote, T0, data)
        if episode.error:
            ended.set()
    assert "0 MiB free" in episode.error
    assert not episode.write(JOINTS.name, T0, T0, data)
    episode.close()
    reader = EpisodeReader(episode.path)
    assert len(list(reader.raw())) == episode.counts[JOINTS.name] > 0
    assert reader.problem == ""
    assert "0 MiB free" in reader.about["error"]
    with AnyReader([episode.path]) as bag:
        assert bag.message_count == episode.counts[JOINTS.name]


LIMITED = """
import resource, signal, sys
from pathlib import Path
from gear_vla_ros.recording.topics import RecordedTopic
from gear_vla_ros.recording.writer import EpisodeWriter, WriterOptions
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
topic = RecordedTopic("/head/image_raw", "sensor_msgs/msg/Image")
folder = Path(sys.argv[1])
episode = EpisodeWriter(folder, [topic], {}, options=WriterOptions(reserve_bytes=0))
for i in range(8):
    episode.write(topic.name, 1000 + i, 1000, bytes([i]) * 700_000)
episode.close()
print(episode.error)
"""


def test_a_failing_write_leaves_a_readable_file_and_says_so(tmp_path: Path) -> None:
    folder = new_folder(tmp_path)
    done = subprocess.run([sys.executable, "-c", LIMITED, str(folder)], capture_output=True, text=True, timeout=30)
    assert "write failed" in done.stdout, done.stderr
    assert done.stderr == ""
    reader = EpisodeReader(folder)
    messages = list(reader.raw())
    assert reader.problem == ""
    assert [m.data[:1] for m in messages] == [bytes([i]) for i in range(len(messages))]
    assert 2 <= len(messages) <= 4
    with (folder / f"{folder.name}_0.mcap").open("rb") as stream:
        assert len(list(make_reader(stream).iter_messages())) == len(messages)
