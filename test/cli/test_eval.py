"""`gear-vla eval`: success in closed loop by physics, the same twice, with what it leaves behind."""

import json
import subprocess
import sys

import pytest
from rich.console import Console

from gear_vla_ros.cli import eval as command
from gear_vla_ros.cli.eval_episode import Evaluation, attempt
from gear_vla_ros.cli.eval_report import groups, results, summary
from gear_vla_ros.recording.dataset.video import VideoReader

EXPERT = Evaluation(policy="expert")
NETWORK = Evaluation(policy="gear_vla", limit_s=1.5, slow_hz=2, fast_hz=3)


@pytest.fixture(scope="module")
def attempts():
    return [attempt(EXPERT, seed) for seed in (10_000, 10_001)]


def test_the_expert_does_it_on_unseen_seeds_and_the_same_twice(attempts):
    assert [one.outcome.success for one in attempts] == [True, True]
    assert attempt(EXPERT, 10_000) == attempts[0]
    figures = summary(attempts)
    assert figures["success"] == {"count": 2, "of": 2, "share": 1.0, "low": 0.34238, "high": 1.0}
    assert figures["other_object_lifted"]["count"] == 0
    assert sum(found["of"] for found in groups(attempts)["side"].values()) == 2
    json.dumps(results(EXPERT, attempts, 1.0))


def test_random_weights_fail_in_the_task_not_in_the_program():
    one, again = attempt(NETWORK, 10_000), attempt(NETWORK, 10_000)
    assert not one.outcome.success and one.outcome.reason == "not done in 1.5 s"
    assert one == again, "think and act take time here, but not in the simulation"
    assert one.model_id.startswith("gear_vla-tiny") and one.think_ms > 0 and one.chunks >= 3
    assert (one.trace == again.trace).all()


def test_everything_is_left_in_the_folder(tmp_path):
    out, console = tmp_path / "eval", Console(record=True, width=200)
    shifted = Evaluation(policy="expert", shift=True, held_out=True, limit_s=3.0)
    assert command.run(shifted, range(10_000, 10_002), 1, out, 1, False, console) == 0
    report = json.loads((out / "results.json").read_text())
    assert report["summary"]["success"]["count"] == 0 and len(report["episodes"]) == 2
    assert report["evaluation"]["shift"] is True and report["seeds"] == [10_000, 10_001]
    assert (out / "results.png").stat().st_size > 10_000
    (video,) = (out / "videos").iterdir()
    assert video.name == "failure_10000.mp4"
    assert VideoReader(video).at(1.0).shape[1] == 640
    assert "0 of 2 = 0.0% (95 % interval 0.0% to 65.8%)" in console.export_text()
    with pytest.raises(FileExistsError, match="nothing was overwritten"):
        command.run(shifted, range(1), 1, out, 0, False, console)


def test_wrong_words_are_one_line(tmp_path):
    command = [sys.executable, "-m", "gear_vla_ros.cli.main", "eval", "--policy", "oracle", "-o", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 2
    assert done.stderr.strip() == "gear-vla: policy: found 'oracle'; allowed expert, gear_vla"
    assert list(tmp_path.iterdir()) == []


def test_when_nobody_says_it_is_the_shipped_policy_and_its_seam(tmp_path):
    said = ["--episodes", "1", "--limit", "1", "--json", "-o", str(tmp_path)]
    command = [sys.executable, "-m", "gear_vla_ros.cli.main", "eval", *said]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=True)
    setting = json.loads(done.stdout)["evaluation"]
    assert [setting[key] for key in ("policy", "checkpoint", "seam")] == ["gear_vla", "demo", "rtc"]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"task": "lfit"}, "did you mean 'lift'"),
        ({"seam": "glue"}, "seam: found 'glue'"),
        ({"policy": "expert", "checkpoint": "demo"}, "checkpoint: 'demo', but policy expert has none"),
        ({"switch_at_s": 30.0}, "switch_at: 30 s, allowed less than the limit, 20 s"),
        ({"robot": "agilex", "task": "handover", "switch_at_s": 2.0}, "'handover' has one object"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_before_anything_runs(changes, line):
    with pytest.raises(ValueError, match=line):
        Evaluation(**changes).check()
