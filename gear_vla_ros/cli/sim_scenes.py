"""`gear-vla sim scenes`: rendered scenes as samples of training."""

import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from gear_vla_ros.cli.jobs import spread
from gear_vla_ros.settings import load_robot
from gear_vla_ros.sim.randomise import SWITCHABLE, check_task
from gear_vla_ros.training.scenes import Wanted, render, write

TOGETHER = 20


def run(wanted: Wanted, jobs: int, out: Path, console: Console) -> int:
    """0. Raises ValueError for a task that the robot cannot do or has one object in, or a folder that is there."""
    check_task(load_robot(wanted.robot), wanted.task)
    if wanted.alike and wanted.task not in SWITCHABLE:
        raise ValueError(f"--alike: task '{wanted.task}' has one object; allowed with {', '.join(SWITCHABLE)}")
    if out.exists():
        raise ValueError(f"{out}: is there already; choose a new folder")
    begun = time.monotonic()
    seeds = wanted.seeds
    parts = [replace(wanted, seeds=seeds[at : at + TOGETHER]) for at in range(0, len(seeds), TOGETHER)]
    samples = [sample for part in spread(render, parts, jobs, "scenes", console) for sample in part]
    samples.sort(key=lambda sample: sample["seed"])
    made = write(out, wanted.robot, wanted.task, wanted.view_size, samples)
    console.print(
        f"{len(made)} samples of {len(seeds)} scenes in {out}, {time.monotonic() - begun:.0f} s", highlight=False
    )
    return 0
