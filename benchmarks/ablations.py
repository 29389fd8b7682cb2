"""What parts of the network bring, in a small network with little training: one part at a time is left out.

    python benchmarks/ablations.py --data DATASET --unseen OTHER --second ldt01 DATASET2 OTHER2 --jobs 2 -o OUT

A network of the demo's sizes (`--from`) forgets its 3D branch, whose encoder begins anew, and goes on for some steps on
the robot's DATASET in each of these ways:

    whole           3D branch joined by a projection of zeros (paper, eq. 3), some modalities dropped
    random_init     3D branch joined by a random projection
    no_spatial      without the 3D branch
    no_dropping     nothing dropped
    paper_dropping  a fifth each: wrist views, state, both (paper, App. A)

and, on both robots' datasets, tried on the second robot:

    own_projectors  a state projector of each robot (paper, 3.3)
    one_projector   one for both, which must have as many joints

Each is tried as in `adaptation.py`: success in closed loop with its 95 % interval, and how far chunks are off in
episodes that it has not seen. What OUT has already is not made again. OUT gets ablations.json.
"""

import argparse
import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from networks import Cell, add_options, all_found, report, row, table, trained, trial, tried
from rich.console import Console

from gear_vla_ros.model import checkpoint
from gear_vla_ros.model.gear_vla import GearVla
from gear_vla_ros.model.spatial import Aggregator
from gear_vla_ros.settings.model import DroppingSpec, load_model_spec
from gear_vla_ros.settings.training import load_training_spec
from gear_vla_ros.training import run as runs
from gear_vla_ros.training.prepared import prepare
from gear_vla_ros.training.trainer import MODEL, newest_step

STAGE = "demo_light"
OWN, SHARED = "own_projectors", "one_projector"


def whole(model: GearVla) -> None:
    """A 3D branch that has learned nothing, and says nothing yet."""
    model.spatial = Aggregator(model.spec.spatial)
    torch.nn.init.zeros_(model.projector.spatial.weight)


def random_init(model: GearVla) -> None:
    """It says something from the first step on."""
    whole(model)
    model.projector.spatial.reset_parameters()


def no_spatial(model: GearVla) -> None:
    """It is not asked; its projection stays zero, so that the checkpoint is a network without it."""
    whole(model)
    model.see = partial(model.see, with_spatial=False)  # type: ignore[method-assign]


def no_dropping(model: GearVla) -> None:
    """Nothing is hidden in training."""
    whole(model)
    _drop(model, DroppingSpec(wrist=0.0, state=0.0, both=0.0))


def paper_dropping(model: GearVla) -> None:
    """The paper's shares."""
    whole(model)
    _drop(model, DroppingSpec())


def _drop(model: GearVla, dropping: DroppingSpec) -> None:
    model.spec = model.spec.model_copy(update={"dropping": dropping})


CHANGES: dict[str, Callable[[GearVla], None]] = {
    "whole": whole,
    "random_init": random_init,
    "no_spatial": no_spatial,
    "no_dropping": no_dropping,
    "paper_dropping": paper_dropping,
    OWN: whole,
    SHARED: whole,
}


@dataclasses.dataclass(frozen=True)
class Changed(Cell):
    """What is changed about it."""

    change: str


def make(cell: Changed) -> dict[str, Any]:
    """Train and try it, on one core; what is done already is read."""
    return tried(cell, lambda: _trained(cell))


def _trained(cell: Changed) -> Path:
    samples = [prepare(folder, load_model_spec("demo").view_size) for folder in cell.data]
    own = cell.trial.evaluation.check().state_projector.embodiment
    first = samples[0].embodiment
    if cell.change == SHARED:
        samples = [dataclasses.replace(one, embodiment=first) for one in samples]
    same = {"steps": cell.steps, "batch": cell.batch, "seed": cell.seed, "compiled": cell.compiled}
    training = load_training_spec(STAGE).model_copy(update=same)
    run = trained(cell.start, samples, training, cell.folder / "run", 0, CHANGES[cell.change])
    newest = newest_step(run)
    assert newest is not None
    if cell.change == SHARED:
        model, _ = runs.network(str(newest / MODEL), 0)
        learned = model.state.by_embodiment[first].state_dict()
        model.state.by_embodiment[own].load_state_dict(learned)
        checkpoint.save(model, newest / MODEL)
    return newest / MODEL


def cells(options: argparse.Namespace) -> list[Changed]:
    """All of them."""

    def cell(change: str, seed: int) -> Changed:
        data, robot, unseen = tuple(options.data), options.robot, options.unseen
        if change in (OWN, SHARED):
            robot, more, unseen = options.second
            data = (*data, Path(more))
        on, folder = trial(options, robot, Path(unseen)), options.out / f"{change}_{seed}"
        sizes = seed, options.steps, options.batch, options.compiled
        return Changed(options.start, data, *sizes, on, folder, change)

    there = [name for name in options.changes if options.second or name not in (OWN, SHARED)]
    return [cell(change, seed) for seed in options.seeds for change in there]


def rows(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a change, over all seeds."""
    by = {change: [one for one in found if one["about"]["change"] == change] for change in CHANGES}
    return [
        {"network": change, "robot": mine[0]["about"]["evaluation"]["robot"], **row(mine)}
        for change, mine in by.items()
        if mine
    ]


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="start", default="config/policies/demo/checkpoint", help="run or checkpoint")
    parser.add_argument("--robot", default="franka")
    add_options(parser)
    parser.add_argument("--second", nargs=3, metavar=("ROBOT", "DATASET", "UNSEEN"), help="robot for the projectors")
    parser.add_argument("--changes", nargs="+", choices=list(CHANGES), default=list(CHANGES))
    options = parser.parse_args()
    console = Console(soft_wrap=True)
    found = rows(all_found(make, cells(options), options.jobs, console))
    console.print(table(("network", "robot"), found))
    report(options, found, "ablations.json")


if __name__ == "__main__":
    main()
