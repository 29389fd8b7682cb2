"""What the tables of trained networks share: each network is made and tried once, and what was found is kept.

A network is tried in closed loop on the scenes of some seeds, and its chunks are compared with those of episodes that
it has not seen (`chunk_error.py`).
"""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from chunk_error import chunk_errors
from rich.table import Table

from gear_vla_ros.cli.eval_episode import Evaluation, attempt
from gear_vla_ros.cli.eval_report import share
from gear_vla_ros.settings.training import TrainingSpec
from gear_vla_ros.training import run as runs
from gear_vla_ros.training.prepared import Prepared, prepare

RESULT = "result.json"
COLUMNS = ("success", "95 % interval", "by seed", "another object", "cm off after 1 s", "fingers right")


@dataclasses.dataclass(frozen=True)
class Trial:
    """Scenes and unseen episodes that all networks of a table are tried on. samples: of the episodes."""

    evaluation: Evaluation
    first_scene: int
    scenes: int
    unseen: Path
    samples: int


def tried(folder: Path, about: dict[str, Any], trial: Trial, make: Callable[[], Path]) -> dict[str, Any]:
    """What was found of the network that `make` leaves in a checkpoint's folder; on one core.

    Read from `folder` when it is there already; raises ValueError when it is of other settings.
    """
    told = json.loads(json.dumps({**about, **dataclasses.asdict(trial)}, default=str))
    if not (folder / RESULT).is_file():
        torch.set_num_threads(1)
        found = {"about": told, **_found(make(), trial)}
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RESULT).write_text(json.dumps(found) + "\n", encoding="utf-8")
    said: dict[str, Any] = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    if said["about"] != told:
        raise ValueError(f"{folder}: of other settings, {said['about']}; choose another --out")
    return said


def _found(checkpoint: Path, trial: Trial) -> dict[str, Any]:
    model, _ = runs.network(str(checkpoint), 0)
    samples = prepare(trial.unseen, model.spec.view_size)
    errors = chunk_errors(model, samples, trial.samples)
    evaluation = dataclasses.replace(trial.evaluation, checkpoint=str(checkpoint))
    attempts = [attempt(evaluation, seed) for seed in range(trial.first_scene, trial.first_scene + trial.scenes)]
    return {
        "success": [one.outcome.success for one in attempts],
        "other_object_lifted": sum(bool(one.others) for one in attempts),
        "median_cm": errors.median_cm(),
        "fingers": errors.fingers(),
    }


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
    changed: Callable[[Any], None] = lambda model: None,
) -> Path:
    """The folder of a run on one core; `changed` may change the network before it."""
    model, before = runs.network(start, training.seed)
    runs.welcome(model, samples)
    changed(model)
    made = runs.begin(model, before, samples, training, folder, tokenizer_steps, lambda at, left: None)
    runs.trainer(model, before, made, training, folder, cpu=True).run(lambda progress: None, save_every=training.steps)
    return folder
