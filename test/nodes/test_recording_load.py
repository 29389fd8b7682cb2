"""Ten seconds of three cameras and joints over DDS: the benchmark's own comparison, stamp by stamp."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "recording_dds.py"


@pytest.mark.slow
@pytest.mark.parametrize("pictures", ["none", "h264"])
def test_nothing_is_lost_and_memory_stays_flat(tmp_path, pictures):
    command = [sys.executable, str(BENCHMARK), "--seconds", "10", "--folder", str(tmp_path), "--pictures", pictures]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["sent"] == 10 * (3 * 30 + 200) and set(found["lost"].values()) == {0}
    early, late = found["recorder_memory_mb"][0], found["recorder_memory_mb"][-1]
    assert late - early < 60.0
