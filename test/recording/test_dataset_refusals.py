"""What cannot be converted or read is said in one line, and nothing is overwritten or left behind."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import moving
import numpy as np
import pyarrow.parquet as pq
import pytest
import synthetic
from rich.console import Console

from gear_vla_ros.cli import convert as command
from gear_vla_ros.cli.main import main
from gear_vla_ros.recording.dataset.conversion import Options, convert, plan
from gear_vla_ros.recording.dataset.reader import DatasetReader
from gear_vla_ros.recording.errors import RecordingError
from gear_vla_ros.recording.reader import EpisodeReader
from gear_vla_ros.recording.topics import topics_of
from gear_vla_ros.recording.writer import EpisodeWriter, WriterOptions
from gear_vla_ros.settings import load_robot

FRANKA, AGILEX = load_robot("franka"), load_robot("agilex")
HEAD, WRIST = (camera.topic for camera in FRANKA.cameras)
JOINTS = FRANKA.joint_states_topic
QUIET = Console(quiet=True)
ROOT = Path(__file__).resolve().parents[2]


def without(topic, begin=0, end=10**9):
    return lambda name, index, ns: b"" if name == topic and begin <= index < end else None


def odd(name, index, ns):
    return synthetic.image(ns, np.full((33, 47, 3), index, np.uint8)) if name == WRIST else None


def grows(name, index, ns):
    return synthetic.image(ns, np.full((32, 48 + 16 * (index > 30), 3), index, np.uint8)) if name == WRIST else None


def larger(name, index, ns):
    return synthetic.image(ns, np.full((32, 64, 3), index, np.uint8)) if name == WRIST else None


def depth(name, index, ns):
    return synthetic.image(ns, np.full((32, 48, 3), index, np.uint8), encoding="32FC1") if name == WRIST else None


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (without(WRIST), "camera right_wrist is missing: no pictures on /right_wrist/image_raw"),
        (without(JOINTS), "missing: /joint_states: no messages"),
        (without(JOINTS, 150, 250), "gaps: only 0.8 s of 2.0 s are without one, most are in /joint_states"),
        (without(HEAD, 10, 50), "most are in /head/image_raw"),
        (odd, "pictures of 47 x 33; H.264 takes even sizes only"),
        (grows, "a picture of 64 x 32 among those of (48, 32)"),
        (depth, "allowed are whole rgb8 and bgr8"),
    ],
)
def test_bad_episodes_leave_no_dataset(tmp_path, spoil, line):
    episode = moving.record(tmp_path / "episodes", FRANKA, spoil=spoil)
    with pytest.raises(RecordingError, match=r"^[^\n]+$") as refused:
        convert(plan([episode], Options()), tmp_path / "dataset")
    assert line in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["episodes"]


def test_a_short_gap_at_the_beginning_is_left_out_and_told(tmp_path):
    made = plan([moving.record(tmp_path, FRANKA, spoil=without(JOINTS, 10, 40))], Options())
    assert made.samples[0].left_out_s == pytest.approx(0.2, abs=0.05)


def test_two_frames_are_the_least(tmp_path):
    with pytest.raises(RecordingError, match=r"too short: \d frames at 30 a second, at least 2 are needed"):
        plan([moving.record(tmp_path, FRANKA, seconds=0.07)], Options())


def test_no_instruction_is_asked_for(tmp_path):
    episode = moving.record(tmp_path, FRANKA, said="")
    with pytest.raises(RecordingError, match="no instruction was recorded; say --instruction"):
        plan([episode], Options())
    assert set(plan([episode], Options(instruction="pick up the cup")).samples[0].tasks) == {"pick up the cup"}


def test_a_bag_without_its_robot_is_asked_for_it(tmp_path):
    """As `ros2 bag record` leaves it: no robot, no instruction, no outcome."""
    recorded, folder = moving.record(tmp_path / "a", FRANKA), tmp_path / "b"
    folder.mkdir()
    kinds = {topic.name: topic for topic in topics_of(FRANKA)}
    bag = EpisodeWriter(folder, kinds.values(), {}, options=WriterOptions(reserve_bytes=0))
    for raw in EpisodeReader(recorded).raw():
        bag.write(raw.topic, raw.log_ns, raw.publish_ns, raw.data)
    bag.close()
    with pytest.raises(RecordingError, match="the robot it was recorded with is not attached; say --robot"):
        plan([folder], Options(instruction=moving.SAID))
    made = plan([folder], Options(robot=FRANKA, instruction=moving.SAID))
    assert made.frames == plan([recorded], Options()).frames


def test_another_robot_is_refused(tmp_path):
    mine, other = moving.record(tmp_path / "a", FRANKA), moving.record(tmp_path / "b", AGILEX)
    with pytest.raises(RecordingError, match="of robot franka, asked for agilex"):
        plan([mine], Options(robot=AGILEX))
    with pytest.raises(RecordingError, match=r"of robot agilex, .* is of franka; convert them apart"):
        plan([mine, other], Options())
    assert list(plan([mine, other], Options(skip_bad=True)).left_out) == [str(other)]


def test_another_make_of_the_same_robot_is_refused(tmp_path):
    arm = FRANKA.arms[0]
    wider = arm.model_copy(update={"gripper": arm.gripper.model_copy(update={"open": 0.05})})
    other = FRANKA.model_copy(update={"arms": (wider,)})
    with pytest.raises(RecordingError, match="has other arms in its YAML"):
        plan([moving.record(tmp_path / "a", FRANKA), moving.record(tmp_path / "b", other)], Options())


def test_pictures_of_another_size_are_refused(tmp_path):
    mine, other = moving.record(tmp_path / "a", FRANKA), moving.record(tmp_path / "b", FRANKA, spoil=larger)
    with pytest.raises(RecordingError, match=r"'right_wrist': \(64, 32\).* has .*'right_wrist': \(48, 32\)"):
        plan([mine, other], Options())


def test_empty_and_truncated_episodes_are_refused(tmp_path):
    episode = moving.record(tmp_path / "whole", FRANKA)
    file = next(episode.glob("*.mcap"))
    cut = tmp_path / "cut" / "episode_0001"
    cut.mkdir(parents=True)
    (cut / file.name).write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(RecordingError, match=r"cut: .*ends early at byte"):
        plan([cut], Options())
    (cut / file.name).write_bytes(b"")
    with pytest.raises(RecordingError, match="empty, nothing was recorded"):
        plan([cut], Options())
    nothing = moving.record(tmp_path / "nothing", FRANKA, seconds=0)
    with pytest.raises(RecordingError, match="no messages"):
        plan([nothing], Options())
    made = plan([episode, nothing], Options(skip_bad=True))
    assert len(made.samples) == 1 and list(made.left_out) == [str(nothing)]


def test_the_same_episode_twice_is_refused(tmp_path):
    episode = moving.record(tmp_path, FRANKA)
    with pytest.raises(RecordingError, match="given twice"):
        plan([episode, next(episode.glob("*.mcap"))], Options())


def test_outcomes_that_are_not_learned_from_are_left_out(tmp_path):
    for outcome in ("success", "failure", "discarded"):
        moving.record(tmp_path, FRANKA, outcome=outcome)
    episodes = sorted(tmp_path.iterdir())
    assert len(plan(episodes, Options()).samples) == 1
    assert len(plan(episodes, Options(failures=True)).samples) == 2
    with pytest.raises(RecordingError, match=r"no episode to convert: .* its outcome is discarded"):
        plan(episodes[2:], Options())


def test_what_is_there_stays_as_it_was(tmp_path):
    made, to = plan([moving.record(tmp_path / "episodes", FRANKA)], Options()), tmp_path / "dataset"
    to.mkdir()
    (to / "precious").write_text("keep")
    with pytest.raises(RecordingError, match="is there already; nothing was overwritten"):
        convert(made, to)
    assert [path.name for path in to.iterdir()] == ["precious"] and (to / "precious").read_text() == "keep"
    partial = tmp_path / "other.partial"
    partial.mkdir()
    with pytest.raises(RecordingError, match="of a conversion that runs or was cut"):
        convert(made, tmp_path / "other")
    assert partial.is_dir() and not (tmp_path / "other").exists()


def test_a_second_conversion_of_one_name_never_wins_over_the_first(tmp_path):
    made, to = plan([moving.record(tmp_path / "episodes", FRANKA)], Options()), tmp_path / "dataset"

    def meanwhile(frames):
        to.mkdir(exist_ok=True)

    with pytest.raises(RecordingError, match="appeared meanwhile; nothing was overwritten"):
        convert(made, to, meanwhile)
    assert not list(to.iterdir()) and not (tmp_path / "dataset.partial").exists()


def test_an_interrupted_conversion_leaves_nothing(tmp_path):
    made = plan([moving.record(tmp_path / "episodes", FRANKA)], Options())

    def interrupt(frames):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(made, tmp_path / "dataset", interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["episodes"]


LIMITED = """
import resource, signal, sys
from pathlib import Path
from gear_vla_ros.recording.dataset.conversion import Options, convert, plan
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
made = plan([Path(sys.argv[1])], Options())
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
convert(made, Path(sys.argv[2]))
"""


@pytest.mark.parametrize("limit", [1000, 9000])
def test_a_disk_that_fills_up_leaves_nothing(tmp_path, limit):
    """9000 bytes are enough for a video of this episode, not for its numbers."""
    episode = moving.record(tmp_path / "episodes", FRANKA)
    arguments = [sys.executable, "-c", LIMITED, str(episode), str(tmp_path / "dataset"), str(limit)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert "RecordingError" in done.stderr.splitlines()[-1] and "File too large" in done.stderr.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["episodes"]


@pytest.fixture
def dataset(tmp_path):
    convert(plan([moving.record(tmp_path / "episodes", FRANKA)], Options()), tmp_path / "dataset")
    return tmp_path / "dataset"


def damaged(path, share=0.5):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def edited(root, **changes):
    file = root / "meta/info.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def replaced_rows(root):
    file = root / "data/chunk-000/file-000.parquet"
    pq.write_table(pq.read_table(file).slice(0, 10), file)


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda root: shutil.rmtree(root / "meta"), "no LeRobot dataset there: no meta/info.json"),
        (lambda root: (root / "meta/info.json").write_text("{"), "not a dataset's"),
        (lambda root: edited(root, codebase_version="v2.1"), "LeRobot dataset v2.1, v3.0 is read"),
        (lambda root: (root / "meta/robot.json").unlink(), "say which robot it is of"),
        (lambda root: damaged(root / "data/chunk-000/file-000.parquet"), "data: cannot be read"),
        (lambda root: damaged(root / "meta/tasks.parquet"), "tasks.parquet: cannot be read"),
        (lambda root: shutil.rmtree(root / "data"), "no parquet file there"),
        (replaced_rows, "10 frames in data/, meta/info.json says"),
        (lambda root: edited(root, features={}), "features: lacks observation.state"),
    ],
)
def test_damaged_datasets_are_refused(dataset, damage, line):
    damage(dataset)
    with pytest.raises(RecordingError, match=r"^[^\n]+$") as refused:
        DatasetReader(dataset)
    assert line in str(refused.value)


def test_a_missing_or_cut_video_is_named(dataset):
    video = dataset / "videos/observation.images.head/chunk-000/file-000.mp4"
    reader = DatasetReader(dataset)
    damaged(video)
    with pytest.raises(
        RecordingError, match=r"observation.images.head/chunk-000/file-000.mp4: no (readable video|frame)"
    ):
        reader.picture(len(reader) - 1, "head")
    video.unlink()
    with pytest.raises(RecordingError, match="no readable video: No such file"):
        DatasetReader(dataset).picture(0, "head")


def test_a_robot_with_another_camera_is_not_read_from_it(dataset):
    with pytest.raises(RecordingError, match=r"lacks .*observation.images.left_wrist"):
        DatasetReader(dataset, AGILEX)


def test_the_command(tmp_path, capsys, monkeypatch):
    moving.record(tmp_path / "episodes", FRANKA)
    to = tmp_path / "datasets" / "one"
    assert command.run([tmp_path / "episodes"], to, command.options_of(30, "", "", False, False), True, QUIET) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["frames"] == len(DatasetReader(to)) and report["robot"] == "franka"
    assert report["episodes"][0]["gripper_commands"] == {"right": "/gripper_controller/commands"}
    monkeypatch.setattr("sys.argv", ["gear-vla", "episodes", "convert", str(tmp_path / "episodes"), "--to", str(to)])
    assert main() == 2
    assert "is there already; nothing was overwritten" in capsys.readouterr().err
