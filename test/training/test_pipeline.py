"""The commands that made the shipped policy, on a small budget: they run after each other, and something is learned."""

import json
import subprocess
import sys

import pytest

from gear_vla_ros.settings.training import load_training_spec

LIMIT_S = 400
pytestmark = pytest.mark.timeout(600)
"""Four commands that each load torch and train for some steps, beside other tests."""


def gear_vla(*words):
    done = subprocess.run(
        [sys.executable, "-m", "gear_vla_ros.cli.main", *map(str, words)],
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def runs(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    options = ["--data", dataset, "--batch", 16, "--threads", 2, "--cpu", "--log-every", 5]
    gear_vla("train", "--stage", "demo_pretraining", "--from", "demo", "-o", folder / "stage1", *options,
             "--steps", 30, "--tokenizer-steps", 8)  # fmt: skip
    gear_vla("train", "--stage", "demo_policy", "--from", folder / "stage1", "-o", folder / "stage2", *options,
             "--steps", 10)  # fmt: skip
    return folder


def losses(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_stage_one_learns_where_the_named_object_is(runs):
    place = [step["place"] for step in losses(runs / "stage1")]
    assert place[-1] < 0.6 * place[0], place


def test_stage_two_learns_to_act_from_there(runs):
    flow = [step["flow"] for step in losses(runs / "stage2")]
    assert flow[-1] < flow[0] < 3, flow


def test_the_trained_policy_is_exported_and_evaluated(runs, tmp_path):
    newest = sorted((runs / "stage2").glob("step-*"))[-1] / "model"
    told = gear_vla("export", newest, "-o", tmp_path / "bundle", "--robot", "franka", "--text-tokens", 32)
    assert "vision" in told
    gear_vla("eval", "-o", tmp_path / "eval", "--checkpoint", tmp_path / "bundle", "--episodes", 1, "--jobs", 1,
             "--limit", 2)  # fmt: skip
    found = json.loads((tmp_path / "eval" / "results.json").read_text())
    assert len(found["episodes"]) == 1


def test_a_new_robot_is_adapted_to_in_two_stages(runs, dataset, tmp_path):
    stages = {}
    for name in ("projector", "light"):
        short = load_training_spec(f"demo_{name}").model_copy(update={"steps": 2, "batch": 8})
        stages[name] = tmp_path / f"{name}.yaml"
        stages[name].write_text(json.dumps(short.model_dump(mode="json")))
    gear_vla("adapt", "--from", runs / "stage2", "--robot", "franka", "--episodes", dataset, "-o", runs / "adapted",
             "--projector", stages["projector"], "--light", stages["light"], "--threads", 2, "--cpu")  # fmt: skip
    assert sorted(path.name for path in (runs / "adapted").iterdir()) == ["light_end_to_end", "new_projector"]
