"""The main job, for every robot: the whole graph in its own processes lifts the named cube in physics."""

import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from PIL import Image

from gear_vla_ros.cli.shipped import chosen_seam, shipped_for
from gear_vla_ros.settings import load_robot, robot_names
from gear_vla_ros.sim.randomise import random_scene

LIMIT_S = 150
MARK = "GEAR_VLA_TEST_RUN"


def demo(folder: Path, *options: str) -> tuple[subprocess.CompletedProcess[str], Path | None]:
    """Run `gear-vla demo`; what it printed and the folder of its episode. Nothing of it may be left."""
    command = [sys.executable, "-m", "gear_vla_ros.cli.main", "demo", "--out", str(folder), *options]
    shared_before = set(os.listdir("/dev/shm"))
    environment = {**os.environ, MARK: str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False, env=environment)
    assert "exit codes other than 0" not in done.stdout, done.stdout
    assert running(str(folder)) == [], "processes were left running"
    left = set(os.listdir("/dev/shm")) - shared_before - used()
    assert [name for name in left if of_run(name, done.stdout)] == [], "files were left in /dev/shm"
    reports = sorted(folder.rglob("report.json"))
    return done, reports[-1].parent if reports else None


def of_run(name: str, printed: str) -> bool:
    """Whether a shared-memory file may be of the run that printed this: it is, unless its port is of another domain."""
    domain, port = re.search(r"ROS_DOMAIN_ID=(\d+)", printed), re.search(r"_port(\d+)", name)
    return port is None or domain is None or (int(port[1]) - 7400) // 250 == int(domain[1])


def running(run: str) -> list[str]:
    """Command lines of processes of one run, by a mark in their environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == run:
                found.append(" ".join(process.cmdline()))
    return found


def used() -> set[str]:
    """Shared-memory files that some process maps or has open, of this run or of another."""
    names: set[str] = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            names.update(re.findall(r"/dev/shm/(\S+)", (process / "maps").read_text()))
            names.update(Path(os.readlink(fd)).name for fd in (process / "fd").iterdir())
    return names


@pytest.mark.e2e
@pytest.mark.parametrize("robot", robot_names())
def test_expert_lifts_the_named_cube(robot, tmp_path):
    done, episode = demo(tmp_path, "--robot", robot, "--policy", "expert")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((episode / "report.json").read_text())
    assert report["success"] and "red" in report["reason"]
    rates = report["rates_hz"]
    assert 24 < rates["/gear_vla/target"] < 32, "far from 30 Hz even for a loaded machine"
    assert 120 < rates["/joint_states"] < 230, "far from 200 Hz even for a loaded machine"
    with Image.open(episode / "contact_sheet.png") as picture:
        assert picture.width >= 800 and len(picture.getcolors(2**24)) > 1000
    assert list(episode.glob("*.mcap"))


def reason_of_a_success(folder: Path, policy: str, attempts: list[tuple[str, ...]]) -> str:
    """Of the first that succeeds of several demos of a learned policy: not each does (docs/policy.md), but three
    failures in a row are a fault."""
    for number, options in enumerate(attempts):
        done, episode = demo(folder / str(number), *options)
        assert f"policy: gear_vla {policy}, seam {chosen_seam('auto', 'gear_vla', policy)}" in done.stdout
        if done.returncode == 0:
            break
    report = json.loads((episode / "report.json").read_text())
    assert report["success"], done.stdout + done.stderr
    return report["reason"]


@pytest.mark.e2e
@pytest.mark.parametrize("robot", [name for name in robot_names() if shipped_for(name)])
def test_the_shipped_policy_lifts_the_named_cube(robot, tmp_path):
    attempts = [("--robot", robot, "--time-limit", "25")] * 3
    assert "red" in reason_of_a_success(tmp_path, shipped_for(robot), attempts)


@pytest.mark.e2e
def test_the_shipped_policy_puts_the_named_object_into_the_bowl(tmp_path):
    attempts = [("--task", "place", "--seed", str(seed), "--time-limit", "30") for seed in range(3)]
    assert "bowl" in reason_of_a_success(tmp_path, shipped_for("franka", "place"), attempts)


@pytest.mark.e2e
def test_a_scene_of_a_task_with_its_own_instruction(tmp_path):
    done, episode = demo(tmp_path, "--robot", "ldt01", "--task", "handover", "--seed", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "policy: expert" in done.stdout, "no shipped network has learned it"
    report = json.loads((episode / "report.json").read_text())
    scene = random_scene(load_robot("ldt01"), "handover", 2)
    assert report["instruction"] == scene.instruction and "in the right gripper" in report["reason"]


@pytest.mark.e2e
def test_the_exported_network_runs_through_the_same_path(tmp_path):
    """Random weights lift nothing: the run fails as a task, and every part of the path is at work."""
    bundle = tmp_path / "bundle"
    words = [sys.executable, "-m", "gear_vla_ros.cli.main", "export", "tiny", "--robot", "franka", "-o", str(bundle)]
    made = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    assert "expert.velocity: cosine 1.000000" in made.stdout and "step.logits: cosine 1.000000" in made.stdout
    words = ["--robot", "franka", "--policy", "gear_vla", "--checkpoint", str(bundle), "--time-limit", "12"]
    done, episode = demo(tmp_path, *words, "--verbose")
    assert done.stdout.count("engine: onnxruntime") == 2, done.stdout
    assert done.returncode == 1, done.stdout + done.stderr
    report = json.loads((episode / "report.json").read_text())
    assert "time limit" in report["reason"]
    assert report["rates_hz"]["/gear_vla/latents"] > 0.5
    assert report["rates_hz"]["/gear_vla/chunk"] > 1.0
    assert 24 < report["rates_hz"]["/gear_vla/target"] < 32


@pytest.mark.e2e
def test_an_instruction_that_cannot_be_followed_is_refused_in_one_line(tmp_path):
    done, _ = demo(tmp_path, "--policy", "expert", "--instruction", "make me a coffee", "--time-limit", "5")
    assert done.returncode == 1
    assert "instruction refused" in done.stdout, done.stdout
