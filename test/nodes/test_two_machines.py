"""The policy on another machine: its own network namespace, /dev/shm and host name, found by address."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gear_vla_ros.cli.plan import Options, make_plan

HERE, THERE, SPACE = "10.219.77.1", "10.219.77.2", f"gearvla{os.getpid()}"
NEAR, FAR = f"gva{os.getpid() % 100000}", f"gvb{os.getpid() % 100000}"
OPTIONS = Options(robot="franka", policy="gear_vla", sim="none")


def ip(*words):
    return subprocess.run(["ip", *words], capture_output=True, text=True, timeout=20, check=False)


@pytest.fixture
def namespace():
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("unshare"):
        pytest.skip("needs root, iproute2 and unshare to make a network namespace")
    if ip("netns", "add", SPACE).returncode:
        pytest.skip("this machine allows no network namespaces")
    try:
        steps = (
            ("link", "add", NEAR, "type", "veth", "peer", "name", FAR),
            ("link", "set", FAR, "netns", SPACE),
            ("addr", "add", f"{HERE}/24", "dev", NEAR),
            ("link", "set", NEAR, "up"),
            ("-n", SPACE, "addr", "add", f"{THERE}/24", "dev", FAR),
            ("-n", SPACE, "link", "set", FAR, "up"),
            ("-n", SPACE, "link", "set", "lo", "up"),
        )
        for step in steps:
            if (done := ip(*step)).returncode:
                pytest.skip(f"this machine allows no veth pair: {done.stderr.strip()}")
        yield SPACE
    finally:
        ip("link", "del", NEAR)
        ip("netns", "del", SPACE)


def test_one_command_puts_the_policy_on_another_machine(namespace):
    bringup = f"{sys.executable} -m gear_vla_ros.cli.main bringup --robot franka --policy gear_vla --sim none"
    words = f"{bringup} --machine policy --peers {HERE} --instruction 'pick up the red cube'"
    away = ["ip", "netns", "exec", namespace, "unshare", "--mount", "--uts", "sh", "-c"]
    there = subprocess.Popen(
        [*away, f"mount -t tmpfs tmpfs /dev/shm && hostname far && exec {words}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    plan = make_plan(dataclasses.replace(OPTIONS, machine="robot", peers=THERE))
    try:
        here = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("far_robot.py"))],
            env={**os.environ, **plan.environment},
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
    finally:
        there.send_signal(signal.SIGINT)
        said, _ = there.communicate(timeout=30)
    assert here.returncode == 0, f"{here.stdout}{here.stderr}\n--- the other machine:\n{said}"
    assert there.returncode == 0, said
    crossed = int(Path(f"/sys/class/net/{NEAR}/statistics/tx_bytes").read_text())
    assert crossed > 15 * 3 * 640 * 480, "the pictures did not cross the network"
