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


HEARD_IN_THE_MIDDLE = """
import sys
from gear_vla_ros.cli.main import main
from gear_vla_ros.ros.replay_feeder import ReplayFeeder
whole, moves = ReplayFeeder._between, []
def between(feeder, first_ns, last_ns):
    moves.append(first_ns)
    return whole(feeder, first_ns, last_ns)[-1 if len(moves) == 1 else 0:]
ReplayFeeder._between = between
sys.exit(main())
"""


def test_nodes_that_heard_only_the_last_joint_state_at_first_meet_all_the_same(episode):
    """They refuse the states before it as older; unless time is set back they would for ever."""
    command = [sys.executable, "-c", HEARD_IN_THE_MIDDLE, "replay", str(episode), "--every", "1.0", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["chunks"] >= 1
