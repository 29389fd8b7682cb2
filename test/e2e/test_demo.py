"""The main job, for every robot: the whole graph in its own processes lifts the named cube in physics."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from gear_vla_ros.settings import robot_names

LIMIT_S = 150


def demo(folder: Path, *options: str) -> tuple[subprocess.CompletedProcess[str], Path | None]:
    """Run `gear-vla demo`; what it printed and the folder of its episode."""
    command = [sys.executable, "-m", "gear_vla_ros.cli.main", "demo", "--out", str(folder), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    reports = sorted(folder.rglob("report.json"))
    return done, reports[-1].parent if reports else None


def assert_nothing_is_left(done):
    for line in done.stdout.splitlines():
        assert "exit codes other than 0" not in line, done.stdout
    running = subprocess.run(["pgrep", "-f", "gear_vla_ros.nodes"], capture_output=True, text=True, check=False).stdout
    assert running.split() == [], "processes were left running"


@pytest.mark.e2e
@pytest.mark.parametrize("robot", robot_names())
def test_expert_lifts_the_named_cube(robot, tmp_path):
    shared_memory = set(os.listdir("/dev/shm"))
    done, episode = demo(tmp_path, "--robot", robot, "--policy", "expert")
    assert done.returncode == 0, done.stdout + done.stderr
    assert_nothing_is_left(done)
    assert set(os.listdir("/dev/shm")) <= shared_memory, "files were left in /dev/shm"
    report = json.loads((episode / "report.json").read_text())
    assert report["success"] and "red" in report["reason"]
    rates = report["rates_hz"]
    assert rates["/gear_vla/target"] == pytest.approx(30.0, abs=1.5)
    assert rates["/joint_states"] == pytest.approx(200.0, abs=15.0)
    with Image.open(episode / "contact_sheet.png") as picture:
        assert picture.width >= 800 and len(picture.getcolors(2**24)) > 1000
    assert list(episode.glob("*.mcap"))


@pytest.mark.e2e
def test_the_network_runs_through_the_same_path(tmp_path):
    """Random weights lift nothing: the run fails as a task, and every part of the path is at work."""
    done, episode = demo(tmp_path, "--robot", "franka", "--policy", "gear_vla", "--time-limit", "12")
    assert done.returncode == 1, done.stdout + done.stderr
    assert_nothing_is_left(done)
    report = json.loads((episode / "report.json").read_text())
    assert "time limit" in report["reason"]
    assert report["rates_hz"]["/gear_vla/latents"] > 0.5
    assert report["rates_hz"]["/gear_vla/chunk"] > 1.0
    assert report["rates_hz"]["/gear_vla/target"] == pytest.approx(30.0, abs=1.5)


@pytest.mark.e2e
def test_an_instruction_that_cannot_be_followed_is_refused_in_one_line(tmp_path):
    done, _ = demo(tmp_path, "--instruction", "make me a coffee", "--time-limit", "5")
    assert done.returncode == 1
    assert "instruction refused" in done.stdout, done.stdout
    assert_nothing_is_left(done)
