"""Packages of robots' drivers, built for the tests from their published definitions where they are not installed."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES, BUILT = ROOT / "test" / "interfaces", ROOT / "build" / "test_interfaces"
LIMIT_S = 170


def environment(package):
    """Environment variables with which a process of its own finds `package`; skips where it cannot be built."""
    if importlib.util.find_spec(package) is not None:
        return {}
    if shutil.which("colcon") is None:
        pytest.skip(f"{package} is not installed, and without colcon it cannot be built")
    _build()
    python = next((BUILT / "install").glob("**/site-packages"))
    added = {"PYTHONPATH": python, "LD_LIBRARY_PATH": BUILT / "install" / "lib", "AMENT_PREFIX_PATH": BUILT / "install"}
    return {key: os.pathsep.join(filter(None, [str(path), os.environ.get(key)])) for key, path in added.items()}


def _build():
    files = sorted(path for path in SOURCES.rglob("*") if path.is_file())
    wanted = hashlib.sha256(b"".join(path.read_bytes() for path in files) + str(ROOT).encode()).hexdigest()
    stamp = BUILT / "stamp"
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    command = ["colcon", "--log-base", "log", "build", "--base-paths", SOURCES, "--build-base", "build"]
    command += ["--install-base", "install", "--merge-install", "--cmake-args", "-DBUILD_TESTING=OFF"]
    BUILT.mkdir(parents=True, exist_ok=True)
    prefix = os.environ.get("CMAKE_PREFIX_PATH", sys.prefix)
    done = subprocess.run(
        command,
        cwd=BUILT,
        env={**os.environ, "CMAKE_PREFIX_PATH": prefix},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    stamp.write_text(wanted)
