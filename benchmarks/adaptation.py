"""A trained network on a robot that it has not seen: success by how many demonstrations, and by how it is adapted.

    python benchmarks/adaptation.py --from RUN --robot ldt01 --data DATASET --seeds 1 2 3 --jobs 2 -o OUT

For each number N of demonstrations (the first N episodes of DATASET) and each seed: `two_stage` (the state projector
alone for a quarter of the steps, then everything), `one_stage` (everything from the beginning), `scratch` (a network
that saw nothing before, everything). All have the same steps and batch, and the demo network's sizes and stages
(config/training/demo_*.yaml). N = 0 is RUN as it is. Then each is evaluated in closed loop on the same scenes. A cell
that OUT has already is not made again.

A line for each way and N: success over all seeds with its 95 % interval (Wilson), and of each seed.
OUT gets adaptation.json and .png.
"""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from gear_vla_ros.cli.eval_episode import Evaluation, attempt
from gear_vla_ros.cli.eval_report import share
from gear_vla_ros.cli.jobs import spread
from gear_vla_ros.settings.training import TrainingSpec, load_training_spec
from gear_vla_ros.training import run as runs
from gear_vla_ros.training.prepared import prepare
from gear_vla_ros.training.trainer import MODEL, newest_step

TWO, ONE, SCRATCH, BASE = "two_stage", "one_stage", "scratch", "as_it_is"
WAYS = (TWO, ONE, SCRATCH)
PROJECTOR_SHARE = 0.25
RESULT = "result.json"


@dataclasses.dataclass(frozen=True)
class Cell:
    """One network: how it is made, and in which scenes it is tried."""

    start: Path
    data: Path
    way: str
    demonstrations: int
    seed: int
    steps: int
    batch: int
    tokenizer_steps: int
    evaluation: Evaluation
    first_scene: int
    scenes: int
    folder: Path


def make(cell: Cell) -> dict[str, Any]:
    """Train and evaluate it, on one core; what is done already is read."""
    if not (cell.folder / RESULT).is_file():
        torch.set_num_threads(1)
        checkpoint = _trained(cell)
        evaluation = dataclasses.replace(cell.evaluation, checkpoint=str(checkpoint))
        seeds = range(cell.first_scene, cell.first_scene + cell.scenes)
        attempts = [attempt(evaluation, seed) for seed in seeds]
        found = {
            "cell": _about(cell),
            "success": [one.outcome.success for one in attempts],
            "other_object_lifted": sum(bool(one.others) for one in attempts),
        }
        cell.folder.mkdir(parents=True, exist_ok=True)
        (cell.folder / RESULT).write_text(json.dumps(found) + "\n", encoding="utf-8")
    said: dict[str, Any] = json.loads((cell.folder / RESULT).read_text(encoding="utf-8"))
    if said["cell"] != _about(cell):
        raise ValueError(f"{cell.folder}: of other settings, {said['cell']}; choose another --out")
    return said


def _about(cell: Cell) -> dict[str, Any]:
    """As JSON gives it back, but for where it is kept."""
    about: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(cell), default=str))
    del about["folder"]
    return about


def _trained(cell: Cell) -> Path:
    """Folder of the cell's checkpoint."""
    start = str(cell.start)
    if cell.way == SCRATCH:
        start = "demo"
    for name, training in _stages(cell):
        start = str(_train(cell, start, training, cell.folder / name))
    newest = newest_step(Path(start))
    if newest is None:
        raise FileNotFoundError(f"{start}: no step-<n> folder; give the folder of a run of gear-vla train")
    return newest / MODEL


def _stages(cell: Cell) -> list[tuple[str, TrainingSpec]]:
    """In their order; the steps of all are the cell's."""

    def stage(name: str, steps: int, **changed: Any) -> tuple[str, TrainingSpec]:
        spec = load_training_spec(name)
        same = {"steps": steps, "batch": cell.batch, "seed": cell.seed}
        return name, spec.model_copy(update={**same, **changed})

    if cell.way == BASE:
        return []
    if cell.way == SCRATCH:
        return [stage("demo_policy", cell.steps)]
    if cell.way == ONE:
        return [stage("demo_light", cell.steps)]
    projector = round(PROJECTOR_SHARE * cell.steps)
    embodiment = cell.evaluation.check().state_projector.embodiment
    return [stage("demo_projector", projector, embodiment=embodiment), stage("demo_light", cell.steps - projector)]


def _train(cell: Cell, start: str, training: TrainingSpec, folder: Path) -> Path:
    model, before = runs.network(start, training.seed)
    samples = prepare(cell.data, model.spec.view_size).first(cell.demonstrations)
    runs.welcome(model, [samples])
    made = runs.begin(model, before, [samples], training, folder, cell.tokenizer_steps, lambda at, left: None)
    trainer = runs.trainer(model, before, made, training, folder, cpu=True)
    trainer.run(lambda progress: None, save_every=training.steps)
    return folder


def cells(options: argparse.Namespace) -> list[Cell]:
    """All of them, those to be trained first."""
    evaluation = Evaluation(options.robot, options.task)
    common = (options.steps, options.batch, options.tokenizer_steps, evaluation, options.seed_from, options.episodes)

    def cell(way: str, count: int, seed: int) -> Cell:
        folder = options.out / f"{way}_{count}_{seed}"
        return Cell(options.start, options.data, way, count, seed, *common, folder)

    trained = [cell(w, n, seed) for seed in options.seeds for n in options.counts if n for w in options.ways]
    return trained + ([cell(BASE, 0, 0)] if 0 in options.counts else [])


def rows(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a way and number of demonstrations, over all seeds."""
    made = []
    cells = {(one["cell"]["way"], one["cell"]["demonstrations"], one["cell"]["seed"]): one for one in found}
    for way, count in sorted({key[:2] for key in cells}):
        mine = [cells[key] for key in sorted(cells) if key[:2] == (way, count)]
        tried = [success for one in mine for success in one["success"]]
        by_seed = [sum(one["success"]) / len(one["success"]) for one in mine]
        others = share(sum(one["other_object_lifted"] for one in mine), len(tried))
        success = share(sum(tried), len(tried))
        made.append({"way": way, "demonstrations": count, "success": success, "by_seed": by_seed, "others": others})
    return made


def show(found: list[dict[str, Any]], console: Console) -> None:
    """The table."""
    table = Table("way", "demonstrations", "success", "95 % interval", "by seed", "another object")
    for row in found:
        success, others = row["success"], row["others"]
        table.add_row(
            row["way"], str(row["demonstrations"]), f"{success['count']} of {success['of']}",
            f"{success['low']:.1%} to {success['high']:.1%}", ", ".join(f"{one:.0%}" for one in row["by_seed"]),
            f"{others['count']} of {others['of']}",
        )  # fmt: skip
    console.print(table)


def plot(found: list[dict[str, Any]], title: str, out: Path) -> None:
    """Success by number of demonstrations, with intervals. Writes a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    counts = sorted({row["demonstrations"] for row in found})
    figure, axes = pyplot.subplots(figsize=(6.5, 4.2), layout="constrained")
    for way in dict.fromkeys(row["way"] for row in found):
        mine = [row["success"] for row in found if row["way"] == way]
        at = [counts.index(row["demonstrations"]) for row in found if row["way"] == way]
        around = [[max(0.0, s["share"] - s["low"]) for s in mine], [max(0.0, s["high"] - s["share"]) for s in mine]]
        axes.errorbar(at, [s["share"] for s in mine], yerr=around, marker="o", capsize=3, label=way)
    axes.set_xticks(range(len(counts)), [str(count) for count in counts])
    axes.set(xlabel="demonstrations", ylabel="success, 95 % interval", ylim=(0, 1.03), title=title)
    axes.legend(fontsize=8)
    figure.savefig(out, dpi=110)
    pyplot.close(figure)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="start", type=Path, required=True, help="run that never saw the robot")
    parser.add_argument("--robot", default="ldt01")
    parser.add_argument("--task", default="lift")
    parser.add_argument("--data", type=Path, required=True, help="LeRobot dataset of the robot")
    parser.add_argument("--counts", nargs="+", type=int, default=[0, 10, 50, 200])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--tokenizer-steps", type=int, default=300, help="of scratch, which has none to take over")
    parser.add_argument("--episodes", type=int, default=50, help="scenes that each is tried in")
    parser.add_argument("--seed-from", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("-o", "--out", type=Path, required=True)
    options = parser.parse_args()
    console = Console(soft_wrap=True)
    found = rows(list(spread(make, cells(options), options.jobs, "networks", console)))
    show(found, console)
    told = {key: str(value) if isinstance(value, Path) else value for key, value in vars(options).items()}
    report = json.dumps({"options": told, "rows": found}, indent=1)
    (options.out / "adaptation.json").write_text(report + "\n", encoding="utf-8")
    plot(found, f"{options.robot} {options.task}, {options.steps} steps of {options.batch}",
         options.out / "adaptation.png")  # fmt: skip


if __name__ == "__main__":
    main()
