"""`gear-vla sim scenes`: rendered scenes as samples of training."""

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from gear_vla_ros.cli.jobs import spread
from gear_vla_ros.settings import load_robot
from gear_vla_ros.sim.randomise import check_task
from gear_vla_ros.training.scenes import Wanted, render, write

TOGETHER = 20


def run(robot: str, task: str, seeds: Sequence[int], view_size: int, jobs: int, out: Path, console: Console) -> int:
    """0. Raises ValueError for a task that the robot cannot do, or a folder that is there."""
    check_task(load_robot(robot), task)
    if out.exists():
        raise ValueError(f"{out}: is there already; choose a new folder")
    begun = time.monotonic()
    parts = [Wanted(robot, task, seeds[at : at + TOGETHER], view_size) for at in range(0, len(seeds), TOGETHER)]
    samples = [sample for part in spread(render, parts, jobs, "scenes", console) for sample in part]
    made = write(out, robot, task, view_size, sorted(samples, key=lambda sample: sample["seed"]))
    console.print(
        f"{len(made)} samples of {len(seeds)} scenes in {out}, {time.monotonic() - begun:.0f} s", highlight=False
    )
    return 0
