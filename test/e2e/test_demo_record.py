"""From a hand to data: two arms teleoperated through real topics, recorded, checked, converted, replayed."""

import json
import re
import subprocess
import sys

import pytest

from gear_vla_ros.recording.reader import read_messages

LIMIT_S = 200


@pytest.mark.e2e
def test_a_scripted_person_makes_data_of_it(tmp_path):
    words = [sys.executable, "-m", "gear_vla_ros.cli.main", "demo-record", "--count", "1", "--out", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"episode_0001: pick up the red cube: success; \d+ messages, 0 dropped", done.stdout), done.stdout
    assert re.search(r"actions: float32 \[8, 30, 20\], \d+ % of the steps were done", done.stdout), done.stdout
    folder = tmp_path / "data_0001"
    for picture in ("replay.png", "contact_sheet.png", "curves.png"):
        assert (folder / picture).stat().st_size > 10_000
    assert json.loads((folder / "dataset" / "meta" / "info.json").read_text())["total_episodes"] == 1
    topic = "/gear_vla/target"
    drivers = {message.driver for _, _, message in read_messages(folder / "episodes" / "episode_0001", {topic})}
    assert "teleop/vr" in drivers and drivers <= {"", "teleop/vr"}
