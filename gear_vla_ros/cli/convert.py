"""`gear-vla episodes convert`: recorded episodes into a LeRobot dataset."""

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from gear_vla_ros.cli.episodes import episodes_in
from gear_vla_ros.recording.dataset.conversion import Options, Plan, convert, plan
from gear_vla_ros.settings import load_robot


def run(paths: Iterable[Path], to: Path, options: Options, as_json: bool, console: Console) -> int:
    """Convert all episodes of `paths` into the new folder `to`; 0 when it is written. Raises RecordingError."""
    episodes = [episode for path in paths for episode in episodes_in(path)]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=as_json) as progress:
        looking = progress.add_task("looking at episodes", total=len(episodes))
        what = plan(episodes, options, lambda: progress.advance(looking))
        writing = progress.add_task("writing frames", total=what.frames)
        begin = time.monotonic()
        convert(what, to, lambda frames: progress.advance(writing, frames))
        seconds = time.monotonic() - begin
    report = _report(what, to, seconds)
    if as_json:
        print(json.dumps(report))
    else:
        _show(report, console)
    return 0


def options_of(fps: int, robot: str, instruction: str, failures: bool, skip_bad: bool) -> Options:
    """Options with the robot's YAML. Raises FileNotFoundError and SettingsError."""
    return Options(fps, load_robot(robot) if robot else None, instruction, failures, skip_bad)


def _report(what: Plan, to: Path, seconds: float) -> dict[str, Any]:
    first = what.samples[0]
    return {
        "dataset": str(to),
        "robot": first.robot.name,
        "fps": first.fps,
        "frames": what.frames,
        "frames_per_second": round(what.frames / seconds, 1),
        "tasks": list(dict.fromkeys(task for samples in what.samples for task in samples.tasks)),
        "episodes": [
            {
                "episode": str(samples.path),
                "frames": len(samples),
                "left_out_s": round(samples.left_out_s, 2),
                "oldest_picture_ms": {r: round(float(age.max()) * 1e-6, 1) for r, age in samples.ages_ns.items()},
                "gripper_commands": {arm: frames.commanded_by for arm, frames in samples.arms.items()},
            }
            for samples in what.samples
        ],
        "left_out": what.left_out,
    }


def _show(report: dict[str, Any], console: Console) -> None:
    table = Table("episode", "frames", "left out [s]", "oldest picture [ms]", "gripper commands from")
    for row in report["episodes"]:
        oldest, told = row["oldest_picture_ms"], row["gripper_commands"]
        table.add_row(
            Path(row["episode"]).name,
            str(row["frames"]),
            str(row["left_out_s"]),
            ", ".join(f"{role} {age:.0f}" for role, age in oldest.items()),
            ", ".join(dict.fromkeys(told.values())),
        )
    console.print(table)
    for why in report["left_out"].values():
        console.print(f"left out: {why}", style="yellow", markup=False, highlight=False)
    console.print(
        f"{report['dataset']}: {report['frames']} frames of {len(report['episodes'])} episodes, "
        f"{len(report['tasks'])} instructions, {report['frames_per_second']:.0f} frames/s",
        highlight=False,
    )
