"""Episodes of the expert without a graph: what a recorder would have written, gone on with after a kill."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest

from gear_vla_ros.recording.checks import check
from gear_vla_ros.recording.dataset.samples import take_samples
from gear_vla_ros.recording.reader import EpisodeReader, read_messages
from gear_vla_ros.recording.survey import survey
from gear_vla_ros.recording.topics import topics_of
from gear_vla_ros.settings import load_robot

LIMIT_S = 170
SPEC = load_robot("franka")


def command(folder, *words):
    return [sys.executable, "-m", "gear_vla_ros.cli.main", "sim", "collect", "-o", str(folder), "--limit", "4", *words]


def collect(folder, *words):
    return subprocess.run(command(folder, *words), capture_output=True, text=True, timeout=LIMIT_S, check=False)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    """Two episodes of 4 s at most."""
    folder = tmp_path_factory.mktemp("collect") / "lift"
    done = collect(folder, "--episodes", "2", "--first-seed", "50")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 episodes" in done.stdout and "times real time" in done.stdout
    return folder


def test_episodes_are_good_and_say_how_they_came_about(collected):
    assert names(collected) == ["collection.json", "episode_0001", "episode_0002"]
    for seed, episode in ((50, "episode_0001"), (51, "episode_0002")):
        seen = survey(collected / episode)
        assert [one for one in check(seen, SPEC) if one.verdict == "fail"] == []
        assert seen.about["seed"] == str(seed) and seen.about["task"] == "lift"
        assert seen.about["outcome"] in ("success", "failure") and seen.about["held_out"] == "false"
        for one in json.loads(seen.about["disturbances"]):
            assert one["kind"] in ("kick", "close", "open") and one["begin_ns"] < one["end_ns"]


def test_topics_types_and_definitions_are_the_recorder_s(collected):
    reader = EpisodeReader(collected / "episode_0001")
    counts = {}
    for raw in reader.raw():
        counts[raw.topic] = counts.get(raw.topic, 0) + 1
        reader.decode(raw)
    wanted = {topic.name for topic in topics_of(SPEC)} - {"/tf_static", "/diagnostics"}
    assert set(counts) == wanted
    assert reader.attachments["robot.json"] == SPEC.model_dump_json(indent=2).encode()
    assert reader.about["instruction"] and reader.problem == ""


def test_log_times_are_the_stamps_and_pictures_show_the_scene(collected):
    stamps, pictures = [], []
    for topic, log_ns, message in read_messages(collected / "episode_0001", {"/joint_states", "/head/image_raw"}):
        stamp_ns = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        assert stamp_ns == log_ns
        if topic == "/joint_states":
            stamps.append(stamp_ns)
        else:
            pictures.append(message.data.reshape(message.height, message.width, 3))
    assert set(np.diff(stamps)) == {5_000_000}
    assert pictures[0].shape == (SPEC.sim.camera_height, SPEC.sim.camera_width, 3) and pictures[0].std() > 5
    assert np.abs(pictures[0].astype(int) - pictures[-1]).mean() > 0.5, "the arm moves"


def essence(episode):
    """What was felt, seen, wanted and commanded; the padding inside a serialised message is never written."""
    told = []
    topics = {"/joint_states", "/head/image_raw", "/gear_vla/chunk", "/gear_vla/target"}
    for topic, log_ns, message in read_messages(episode, topics):
        if topic == "/joint_states":
            told.append((log_ns, message.position.tolist()))
        elif topic == "/head/image_raw":
            told.append((log_ns, zlib.crc32(message.data.tobytes())))
        else:
            told.append((log_ns, repr(message)))
    return told


def test_the_same_seed_is_the_same_episode(collected, tmp_path):
    assert collect(tmp_path / "again", "--episodes", "1", "--first-seed", "50", "--jobs", "1").returncode == 0
    assert essence(collected / "episode_0001") == essence(tmp_path / "again" / "episode_0001")


def test_what_is_there_is_kept_and_more_is_added(collected):
    before = {path: path.stat().st_mtime_ns for path in collected.rglob("*.mcap")}
    done = collect(collected, "--episodes", "3", "--first-seed", "50")
    assert done.returncode == 0 and "2 of 3 episodes are there already" in done.stdout
    assert all(path.stat().st_mtime_ns == mtime for path, mtime in before.items())
    assert survey(collected / "episode_0003").about["seed"] == "52"


def test_it_goes_on_after_a_kill(tmp_path):
    folder = tmp_path / "killed"
    words = command(folder, "--episodes", "3", "--jobs", "1")
    running = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    begun_s = time.monotonic()
    while not (folder / "episode_0001").is_dir() and time.monotonic() - begun_s < 100:
        time.sleep(0.05)
    os.kill(running.pid, signal.SIGKILL)
    running.wait(30)
    there = [name for name in names(folder) if name.startswith("episode_")]
    assert there and len(there) < 3
    assert all((folder / name / "metadata.yaml").is_file() for name in there)
    done = collect(folder, "--episodes", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert names(folder) == ["collection.json", "episode_0001", "episode_0002", "episode_0003"]
    assert all(survey(folder / name).problem == "" for name in names(folder)[1:])


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--task", "juggle"], "task: found 'juggle'; allowed lift, place, handover, flip_label"),
        (["--task", "handover"], "task: 'handover' needs two arms, robot franka has one; allowed for it lift, place"),
        (["--robot", "frank"], "did you mean 'franka'?"),
        (["--compression", "zip"], "compression: found 'zip'; allowed none, lz4, zstd"),
        (
            ["--robot", "agilex", "--task", "handover", "--switched", "0.5"],
            "task: 'handover' has one object, no other can be named; allowed lift, place",
        ),
    ],
)
def test_wrong_words_are_one_line(tmp_path, words, line):
    done = collect(tmp_path / "none", *words)
    assert done.returncode == 2
    assert line in done.stderr and done.stderr.strip().count("\n") == 0
    assert not (tmp_path / "none").exists()


def test_two_at_once_in_one_folder_are_refused(tmp_path):
    """The second would lose what the first has not finished."""
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    done = collect(tmp_path, "--episodes", "1")
    os.close(handle)
    assert done.returncode == 2 and "another collection is at work in it; wait for it" in done.stderr
    assert names(tmp_path) == []


def test_another_collection_s_folder_is_refused(collected, tmp_path):
    done = collect(collected, "--episodes", "2", "--first-seed", "7")
    assert done.returncode == 2 and "first_seed 50 instead of 7" in done.stderr
    (tmp_path / "notes.txt").write_text("mine")
    done = collect(tmp_path, "--episodes", "2")
    assert done.returncode == 2 and "no collection of this command" in done.stderr


def test_a_learner_drives_first_and_the_expert_labels(tmp_path):
    done = collect(tmp_path / "lift", "--episodes", "1", "--first-seed", "50", "--learner", "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    about = survey(tmp_path / "lift" / "episode_0001").about
    assert about["operator"] == "demo, then the scripted expert" and about["disturbances"] == "[]"
    models = {m.model_id for _, _, m in read_messages(tmp_path / "lift" / "episode_0001", {"/gear_vla/chunk"})}
    assert models == {"expert-5-franka"}, "labels are the expert's"
    other = collect(tmp_path / "lift", "--episodes", "2", "--first-seed", "50")
    assert other.returncode == 2 and "learner demo instead of" in other.stderr


def test_a_learner_that_is_not_there_is_one_line(tmp_path):
    done = collect(tmp_path / "lift", "--episodes", "1", "--learner", "nowhere")
    assert done.returncode == 2 and "nowhere" in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert not (tmp_path / "lift").exists(), "found before anything is begun"


def test_another_object_is_named_on_the_way_and_done(tmp_path):
    done = collect(tmp_path / "lift", "--episodes", "1", "--first-seed", "700", "--switched", "1", "--limit", "10")
    assert done.returncode == 0 and "1 of them successes" in done.stdout, done.stdout + done.stderr
    about = survey(tmp_path / "lift" / "episode_0001").about
    said = [m for _, _, m in read_messages(tmp_path / "lift" / "episode_0001", {"/gear_vla/instruction"})]
    assert [one.text for one in said] == [about["instruction"], about["then"]] and about["outcome"] == "success"
    samples = take_samples(tmp_path / "lift" / "episode_0001", 30)
    assert {about["instruction"], about["then"]} == set(samples.tasks)
