"""An episode through vlm_node and action_node in their own processes, as `gear-vla replay` does it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gear_vla_ros.settings import load_robot

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "recording"))
import moving

SPEC = load_robot("franka")


@pytest.fixture(scope="module")
def episode(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moving, "WIDTH", SPEC.sim.camera_width)
        patch.setattr(moving, "HEIGHT", SPEC.sim.camera_height)
        return moving.record(tmp_path_factory.mktemp("episodes"), SPEC, seconds=2.0, camera_hz=15.0)


def replay(episode, *words):
    command = [sys.executable, "-m", "gear_vla_ros.cli.main", "replay", str(episode), "--seed", "3", *words]
    return subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=150, check=False)


def test_the_nodes_give_the_same_figures_twice(episode):
    first, again = (replay(episode, "--latency", "0.1", "--every", "0.4") for _ in range(2))
    for done in (first, again):
        assert done.returncode == 0, done.stdout + done.stderr
    assert first.stdout == again.stdout
    report = json.loads(first.stdout)
    assert report["chunks"] >= 4 and report["model"].startswith("gear_vla-tiny-")
    assert 0 < report["arms"]["right"]["metres"][0] < 0.5


def test_a_node_that_cannot_start_is_told_with_its_lines(episode, tmp_path):
    done = replay(episode, "--checkpoint", str(tmp_path / "nowhere"))
    assert done.returncode == 2
    assert "ended with code 2" in done.stderr and "no spec.yaml" in done.stderr, done.stderr
