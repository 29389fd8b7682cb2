"""What the tables of trained networks share: each network is made and tried once, and what was found is kept.

A network is tried in closed loop on the scenes of some seeds, and its chunks are compared with those of episodes that
it has not seen (`chunk_error.py`).
"""

import argparse
import dataclasses
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from chunk_error import chunk_errors
from rich.console import Console
from rich.table import Table

from gear_vla_ros.cli import export
from gear_vla_ros.cli.eval_episode import Evaluation, attempt
from gear_vla_ros.cli.eval_report import share
from gear_vla_ros.cli.jobs import spread
from gear_vla_ros.model.gear_vla import GearVla
from gear_vla_ros.settings.training import TrainingSpec
from gear_vla_ros.training import run as runs
from gear_vla_ros.training.prepared import Prepared, prepare

RESULT = "result.json"
TEXT_TOKENS = 32
COLUMNS = ("success", "95 % interval", "by seed", "another object", "cm off after 1 s", "fingers right")


@dataclasses.dataclass(frozen=True)
class Trial:
    """Scenes and unseen episodes that all networks of a table are tried on. samples: of the episodes."""

    evaluation: Evaluation
    first_scene: int
    scenes: int
    unseen: Path
    samples: int


@dataclasses.dataclass(frozen=True)
class Cell:
    """One network: where it begins, what it learns from and for how long, on what it is tried, and where it is kept."""

    start: str
    data: tuple[Path, ...]
    seed: int
    steps: int
    batch: int
    compiled: bool
    trial: Trial
    folder: Path

    def about(self) -> dict[str, Any]:
        """Its settings as JSON gives them back, but for where it is kept."""
        settings = {**dataclasses.asdict(self), **dataclasses.asdict(self.trial)}
        return {key: _json(value) for key, value in settings.items() if key not in ("trial", "folder")}


def _json(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


def add_options(parser: argparse.ArgumentParser) -> None:
    """What all tables take."""
    parser.add_argument("--task", default="lift")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="LeRobot datasets of the robot")
    parser.add_argument("--unseen", type=Path, required=True, help="one of other episodes")
    parser.add_argument("--samples", type=int, default=512, help="of it")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--compiled", action="store_true", help="training; minutes at first, then faster")
    parser.add_argument("--episodes", type=_positive, default=50, help="scenes that each is tried in")
    parser.add_argument("--seed-from", type=int, default=10_000)
    parser.add_argument("--seam", default="ensemble")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("-o", "--out", type=Path, required=True)


def _positive(text: str) -> int:
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{value}, allowed 1 and more")
    return value


def trial(options: argparse.Namespace, robot: str, unseen: Path) -> Trial:
    """As the options say, on a robot."""
    evaluation = Evaluation(robot, options.task, seam=options.seam)
    return Trial(evaluation, options.seed_from, options.episodes, unseen, options.samples)


def all_found(make: Callable[[Any], dict[str, Any]], cells: Sequence[Cell], jobs: int, console: Console) -> list[Any]:
    """Of all cells, in the order of their seeds."""
    return sorted(spread(make, cells, jobs, "networks", console), key=lambda one: int(one["about"]["seed"]))


def report(options: argparse.Namespace, rows: list[dict[str, Any]], file: str) -> None:
    """JSON into the folder of `--out`."""
    text = json.dumps({"options": vars(options), "rows": rows}, indent=1, default=str)
    (options.out / file).write_text(text + "\n", encoding="utf-8")


def tried(cell: Cell, make: Callable[[], Path]) -> dict[str, Any]:
    """What was found of the network that `make` leaves in a checkpoint's folder; on one core.

    Read from the cell's folder when it is there already; raises ValueError when it is of other settings.
    """
    file, about = cell.folder / RESULT, cell.about()
    if not file.is_file():
        torch.set_num_threads(1)
        found = {"about": about, **_found(make(), cell.trial)}
        cell.folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found) + "\n", encoding="utf-8")
    said: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if said["about"] != about:
        raise ValueError(f"{cell.folder}: of other settings, {said['about']}; choose another --out")
    return said


def _found(checkpoint: Path, trial: Trial) -> dict[str, Any]:
    model, _ = runs.network(str(checkpoint), 0)
    samples = prepare(trial.unseen, model.spec.view_size)
    errors = chunk_errors(model, samples, trial.samples)
    with tempfile.TemporaryDirectory() as scratch:
        evaluation = dataclasses.replace(trial.evaluation, checkpoint=_exported(checkpoint, trial, Path(scratch)))
        attempts = [attempt(evaluation, seed) for seed in range(trial.first_scene, trial.first_scene + trial.scenes)]
    return {
        "success": [one.outcome.success for one in attempts],
        "other_object_lifted": sum(bool(one.others) for one in attempts),
        "median_cm": errors.median_cm(),
        "fingers": errors.fingers(),
    }


def _exported(checkpoint: Path, trial: Trial, scratch: Path) -> str:
    """A bundle of it, as robots run it, and on a CPU faster than a checkpoint."""
    wanted = export.Wanted("onnx", "", TEXT_TOKENS, weights=False, quantise="")
    quiet, bundle = Console(quiet=True), scratch / "bundle"
    export.run(str(checkpoint), [trial.evaluation.robot], wanted, bundle, None, [], 0, quiet)
    return str(bundle)


def row(mine: list[dict[str, Any]]) -> dict[str, Any]:
    """Of the networks that differ in their seed alone."""
    successes = [success for one in mine for success in one["success"]]
    return {
        "success": share(sum(successes), len(successes)),
        "by_seed": [sum(one["success"]) / len(one["success"]) for one in mine],
        "others": share(sum(one["other_object_lifted"] for one in mine), len(successes)),
        "median_cm": [one["median_cm"] for one in mine],
        "fingers": [one["fingers"] for one in mine],
    }


def columns(found: dict[str, Any]) -> tuple[str, ...]:
    """A row's text under COLUMNS."""
    success, others = found["success"], found["others"]
    return (
        f"{success['count']} of {success['of']}",
        f"{success['low']:.1%} to {success['high']:.1%}",
        ", ".join(f"{one:.0%}" for one in found["by_seed"]),
        f"{others['count']} of {others['of']}",
        ", ".join(f"{middle:.2f} ({low:.2f} to {high:.2f})" for middle, low, high in found["median_cm"]),
        ", ".join(f"{middle:.0%} ({low:.0%} to {high:.0%})" for middle, low, high in found["fingers"]),
    )


def table(titles: tuple[str, ...], rows: list[dict[str, Any]]) -> Table:
    """titles: keys of a row that come before what was found of it."""
    made = Table(*titles, *COLUMNS)
    for one in rows:
        made.add_row(*(str(one[title]) for title in titles), *columns(one))
    return made


def trained(
    start: str,
    samples: list[Prepared],
    training: TrainingSpec,
    folder: Path,
    tokenizer_steps: int,
    changed: Callable[[GearVla], None] = lambda model: None,
) -> Path:
    """The folder of a run on one core; `changed` may change the network before it."""
    model, before = runs.network(start, training.seed)
    runs.welcome(model, samples)
    changed(model)
    made = runs.begin(model, before, samples, training, folder, tokenizer_steps, lambda at, left: None)
    runs.trainer(model, before, made, training, folder, cpu=True).run(lambda progress: None, save_every=training.steps)
    return folder
