"""The policy on another machine: its own network namespace, /dev/shm and host name, found by address."""

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from namespaces import far_machine

from gear_vla_ros.cli.plan import Options, make_plan

OPTIONS = Options(robot="franka", policy="gear_vla", sim="none")


@pytest.fixture
def machine():
    with far_machine(77) as made:
        yield made


def test_one_command_puts_the_policy_on_another_machine(machine):
    bringup = f"{sys.executable} -m gear_vla_ros.cli.main bringup --robot franka --policy gear_vla --sim none"
    words = f"{bringup} --machine policy --peers {machine.here} --instruction 'pick up the red cube'"
    there = machine.start(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    plan = make_plan(dataclasses.replace(OPTIONS, machine="robot", peers=machine.there))
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
    crossed = int(Path(f"/sys/class/net/{machine.near}/statistics/tx_bytes").read_text())
    assert crossed > 15 * 3 * 640 * 480, "the pictures did not cross the network"
