"""DDS loses the other machine, as when a cable is pulled: discovery and all topics at once."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
from namespaces import far_machine

from gear_vla_ros.cli.plan import Options, make_plan

PLAN = Options(robot="franka", policy="none", teleop="joy", sim="none", machine="robot")


@pytest.fixture
def machine():
    with far_machine(78) as made:
        yield made


@pytest.mark.parametrize("part", ["policy", "robot"])
def test_the_network_is_cut_and_comes_back(machine, part):
    here, there = (
        {**os.environ, **make_plan(dataclasses.replace(PLAN, peers=peer)).environment}
        for peer in (machine.there, machine.here)
    )
    far = machine.start(f"{sys.executable} {Path(__file__).with_name('far_part.py')} {part}", env=there)
    try:
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("cut.py")), part, machine.near],
            env=here,
            capture_output=True,
            text=True,
            timeout=170,
            check=False,
        )
    finally:
        far.kill()
        far.wait(10.0)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
