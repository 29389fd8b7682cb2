"""Good episodes pass; each way of being bad is found, said with its place, and where it can be, repaired."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import synthetic
from mcap.reader import make_reader
from PIL import Image
from rich.console import Console

from gear_vla_ros.cli import episodes
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.recording.checks import check
from gear_vla_ros.recording.errors import RecordingError
from gear_vla_ros.recording.mending import TAIL, repair, trim
from gear_vla_ros.recording.reader import EpisodeReader, read_messages
from gear_vla_ros.recording.session import RecordingSession
from gear_vla_ros.recording.survey import survey
from gear_vla_ros.recording.topics import topics_of
from gear_vla_ros.recording.writer import WriterOptions
from gear_vla_ros.settings import load_robot

SPEC = load_robot("franka")
ARM = SPEC.arms[0]
HOME = np.array(ARM.home)
TOOL = RobotModel(SPEC).fk("right", HOME)
BEGIN_NS, SECONDS = 10**18, 2.0
QUIET = Console(quiet=True)
NAMES = [*ARM.joints, ARM.gripper.joint]


def joint_state(ns, q=HOME, names=NAMES, finger=0.02):
    values = np.array([*q, finger])
    return synthetic.cdr(
        synthetic.make(
            "sensor_msgs/JointState", header=synthetic.header(ns), name=list(names), position=values,
            velocity=values * 0, effort=values * 0,
        )
    )  # fmt: skip


def target(ns, xyz=TOOL[:3, 3]):
    at = TOOL.copy()
    at[:3, 3] = xyz
    pose = synthetic.pose(at)
    return synthetic.cdr(
        synthetic.make("geometry_msgs/PoseStamped", header=synthetic.header(ns, "fr3_link0"), pose=pose)
    )


def record(root, spoil=None, until=SECONDS, end=True):
    """An episode of two cameras, joint states and targets; spoil(topic, index, ns) may change, or drop, a message."""
    kinds = {topic.name: topic for topic in topics_of(SPEC)}
    session = RecordingSession(root, SPEC, kinds.values(), WriterOptions(chunk_bytes=2**16))
    folder = session.start(BEGIN_NS, "pick up the red cube")
    random = np.random.default_rng(0)
    cameras = [camera.topic for camera in SPEC.cameras]
    plan = [(i / 30, topic, i) for topic in cameras for i in range(int(30 * until))]
    plan += [(i / 200, SPEC.joint_states_topic, i) for i in range(int(200 * until))]
    plan += [(i / 30, "/right/target_pose", i) for i in range(int(30 * until))]
    for t, topic, index in sorted(plan):
        ns = BEGIN_NS + round(t * 1e9)
        data = None if spoil is None else spoil(topic, index, ns)
        if data is None:
            if topic in cameras:
                data = synthetic.image(ns, random.integers(0, 255, (24, 32, 3), np.uint8))
            else:
                data = joint_state(ns, finger=0.04 * t / until) if topic == SPEC.joint_states_topic else target(ns)
        if data:
            session.take(kinds[topic], ns + 2_000_000, ns + 1_000_000, data)
    if end:
        session.stop("success")
    return folder


def found(folder, robot=None):
    return [f"{one.verdict} {one.what}: {one.where}: {one.found}" for one in check(survey(folder), robot)]


def test_a_good_episode_has_no_finding(tmp_path):
    assert found(record(tmp_path)) == []


HEAD, WRIST = (camera.topic for camera in SPEC.cameras)


def grey(ns, value):
    return synthetic.image(ns, np.full((24, 32, 3), value, np.uint8))


def at(topic, change):
    return lambda name, index, ns: change(index, ns) if name == topic else None


def joints_at(change):
    return at(SPEC.joint_states_topic, change)


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (at(WRIST, lambda i, ns: b""), f"fail missing: {WRIST}: no messages"),
        (at(HEAD, lambda i, ns: b"" if 20 <= i < 35 else None), "at 1.17 s: 1 gaps, the longest 0.53 s"),
        (at(HEAD, lambda i, ns: b"" if i % 2 else None), f"warn rate: {HEAD}: 15.0 Hz, expected 30"),
        (at(HEAD, lambda i, ns: grey(0, i)), "60 stamps of zero"),
        (at(HEAD, lambda i, ns: grey(BEGIN_NS + 10**10 - i, i)), "go back"),
        (at(HEAD, lambda i, ns: grey(BEGIN_NS + 7, i)), "59 stamps repeated"),
        (at(HEAD, lambda i, ns: grey(ns, 9) if i > 30 else None), "the same picture 29 times"),
        (at(WRIST, lambda i, ns: grey(ns + 3 * 10**9, i)), "pictures over 50 ms"),
        (joints_at(lambda i, ns: joint_state(ns, np.degrees(HOME))), "fail joint limits"),
        (joints_at(lambda i, ns: joint_state(ns, finger=0.02)), "warn gripper: /joint_states: right: never moved"),
        (joints_at(lambda i, ns: joint_state(ns, names=[f"j{k}" for k in range(8)])), "lacks fr3_joint1"),
        (joints_at(lambda i, ns: joint_state(ns, HOME * np.nan)), "NaN or infinity"),
        (at("/right/target_pose", lambda i, ns: target(ns, TOOL[:3, 3] + 0.1)), "mm between tool and target"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found_with_its_place(tmp_path, spoil, line):
    lines = found(record(tmp_path, spoil))
    assert any(line in one for one in lines), lines


def test_an_episode_of_another_robot_is_said(tmp_path):
    lines = found(record(tmp_path), load_robot("agilex"))
    assert lines[0].startswith("fail another robot") and "of robot franka, asked for agilex" in lines[0]


def messages(path):
    return [(topic, ns) for topic, ns, _ in read_messages(path)]


@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_a_cut_episode_is_found_and_repaired_without_losing_a_byte(tmp_path, share):
    folder = record(tmp_path)
    file = EpisodeReader(folder).file
    whole, kept = file.read_bytes(), int(share * file.stat().st_size)
    file.write_bytes(whole[:kept])
    (folder / "metadata.yaml").unlink()
    before = messages(folder)
    assert any("ends early" in line for line in found(folder))
    line = repair(folder)
    assert "end written" in line and "metadata.yaml written" in line
    tail = file.with_name(file.name + TAIL)
    complete = file.read_bytes()[: kept - (tail.stat().st_size if tail.exists() else 0)]
    assert whole.startswith(complete + (tail.read_bytes() if tail.exists() else b""))
    assert messages(folder) == before
    with file.open("rb") as stream:
        assert sum(1 for _ in make_reader(stream).iter_messages(log_time_order=False)) == len(before)
    assert repair(folder) == "nothing to repair"


def test_a_file_with_nothing_in_it_is_left_as_it_is(tmp_path):
    folder = record(tmp_path)
    file = EpisodeReader(folder).file
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(RecordingError, match="nothing was changed"):
        repair(folder)
    assert file.stat().st_size == 100


def test_trimming_copies_a_window_and_keeps_the_old_one(tmp_path):
    folder = record(tmp_path)
    old = EpisodeReader(folder).file.read_bytes()
    part = trim(folder, 0.5, 1.5, tmp_path / "parts")
    kept = {topic for topic, _ in messages(part)}
    assert {HEAD, WRIST, SPEC.joint_states_topic} <= kept
    times = [ns for _, ns in messages(part)]
    assert (max(times) - min(times)) * 1e-9 == pytest.approx(1.0, abs=0.05)
    assert found(part) == []
    assert EpisodeReader(folder).file.read_bytes() == old
    assert trim(folder, 0.5, 1.5, tmp_path / "parts") != part
    with pytest.raises(RecordingError, match=r"nothing from 9 to 10 s, it is 2\.0 s long"):
        trim(folder, 9.0, 10.0, tmp_path / "parts")


def test_the_commands(tmp_path, capsys):
    record(tmp_path)
    record(tmp_path, at(WRIST, lambda i, ns: b""))
    assert episodes.show_list(tmp_path, True, QUIET) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["robot"] for row in rows] == ["franka", "franka"] and rows[0]["outcome"] == "success"
    assert episodes.check([tmp_path / "episode_0001"], "", False, True, QUIET) == 0
    capsys.readouterr()
    assert episodes.check([tmp_path], "", False, True, QUIET) == 1
    assert len(json.loads(capsys.readouterr().out)) == 2
    assert episodes.show(tmp_path / "episode_0001", tmp_path / "pictures", "", QUIET) == 0
    with Image.open(tmp_path / "pictures" / "curves.png") as picture:
        assert picture.width >= 800 and len(picture.getcolors(2**24)) > 50
    with pytest.raises(FileNotFoundError, match="no episode there"):
        episodes.show_list(tmp_path / "pictures", False, QUIET)


def test_episodes_of_any_name_are_found_but_for_hidden_ones(tmp_path):
    record(tmp_path)
    (tmp_path / "episode_0001").rename(tmp_path / "rosbag2_2026_11_29")
    (tmp_path / "episode_0003").mkdir()
    (tmp_path / "pictures").mkdir()
    shutil.copytree(tmp_path / "rosbag2_2026_11_29", tmp_path / ".unfinished")
    assert [one.name for one in episodes.episodes_in(tmp_path)] == ["episode_0003", "rosbag2_2026_11_29"]


def killed(root, after_s):
    """A recording process killed with SIGKILL after `after_s` seconds of writing at 200 messages a second."""
    code = (
        "import sys, time; sys.path[:0] = sys.argv[2:]; import test_checks as t; from pathlib import Path\n"
        "s = t.RecordingSession(Path(sys.argv[1]), t.SPEC, t.topics_of(t.SPEC)); s.start(t.BEGIN_NS)\n"
        "k = {topic.name: topic for topic in t.topics_of(t.SPEC)}['/joint_states']\n"
        "print('on', flush=True)\n"
        "while True:\n    n = time.time_ns(); s.take(k, n, n, t.joint_state(n)); time.sleep(0.005)\n"
    )
    here = str(Path(__file__).parent)
    process = subprocess.Popen([sys.executable, "-c", code, str(root), here], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "on\n"
    time.sleep(after_s)
    process.send_signal(signal.SIGKILL)
    end_ns = time.time_ns()
    process.wait(10.0)
    process.stdout.close()
    return end_ns


def loses_at_most(root, after_s, limit_s):
    end_ns = killed(root, after_s)
    folder = sorted(root.glob("episode_*"))[-1]
    repair(folder)
    last = max(ns for _, ns in messages(folder))
    assert (end_ns - last) * 1e-9 < limit_s
    with EpisodeReader(folder).file.open("rb") as stream:
        assert next(make_reader(stream).iter_messages(log_time_order=False), None) is not None


@pytest.mark.parametrize("after_s", [1.3, 2.1])
def test_a_killed_recording_loses_about_its_last_second(tmp_path, after_s):
    loses_at_most(tmp_path, after_s, 3.0)


@pytest.mark.slow
def test_twenty_killed_recordings(tmp_path):
    for after_s in np.random.default_rng(0).uniform(1.2, 3.0, 20):
        loses_at_most(tmp_path, after_s, 1.5)
