"""A trained network on a robot that it has not seen: by how many demonstrations, and by how it is adapted.

    python benchmarks/adaptation.py --from RUN --robot ldt01 --data DATASET --unseen OTHER --seeds 1 2 3 --jobs 2 -o OUT

For each number N of demonstrations (the first N episodes of the DATASETs) and each seed: `two_stage` (the state
projector alone for a quarter of the steps, then everything), `one_stage` (everything from the beginning), `scratch` (a
network that saw nothing before, everything, at a higher rate). All have the same steps and batch, and the demo
network's sizes and stages (config/training/demo_*.yaml). N = 0 is RUN. Each is tried in closed loop on the same
scenes, and its chunks are compared with those of the OTHER dataset (`chunk_error.py`). A cell that OUT has already is
not made again.

A line for each way and N: success over all seeds with its 95 % interval (Wilson), and of each seed; how far chunks are
off. OUT gets adaptation.json and .png.
"""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from networks import Trial, row, table, trained, tried
from rich.console import Console

from gear_vla_ros.cli.eval_episode import Evaluation
from gear_vla_ros.cli.jobs import spread
from gear_vla_ros.settings.model import load_model_spec
from gear_vla_ros.settings.training import TrainingSpec, load_training_spec
from gear_vla_ros.training.prepared import Prepared, prepare
from gear_vla_ros.training.trainer import MODEL, newest_step

TWO, ONE, SCRATCH, BASE = "two_stage", "one_stage", "scratch", "as_it_is"
WAYS = (TWO, ONE, SCRATCH)
PROJECTOR_SHARE = 0.25
SCRATCH_RATE = 1e-3


@dataclasses.dataclass(frozen=True)
class Cell:
    """One network: how it is made, and on what it is tried."""

    start: str
    data: tuple[Path, ...]
    way: str
    demonstrations: int
    seed: int
    steps: int
    batch: int
    tokenizer_steps: int
    trial: Trial
    folder: Path


def make(cell: Cell) -> dict[str, Any]:
    """Train and try it, on one core; what is done already is read."""
    about = {key: value for key, value in vars(cell).items() if key not in ("trial", "folder")}
    return tried(cell.folder, about, cell.trial, lambda: _trained(cell))


def _trained(cell: Cell) -> Path:
    """Folder of the cell's checkpoint."""
    start = "demo" if cell.way == SCRATCH else cell.start
    for name, training in _stages(cell):
        samples = demonstrations(cell)
        start = str(trained(start, samples, training, cell.folder / name, cell.tokenizer_steps))
    newest = newest_step(Path(start))
    return newest / MODEL if newest else Path(start)


def demonstrations(cell: Cell) -> list[Prepared]:
    """The cell's first episodes of its datasets, in their order. Raises ValueError when there are fewer."""
    size, left, found = load_model_spec("demo").view_size, cell.demonstrations, []
    for folder in cell.data:
        samples = prepare(folder, size)
        there = min(left, int(samples.episode[-1]) + 1)
        if there:
            found.append(samples.first(there))
        left -= there
    if left:
        raise ValueError(f"--data: {cell.demonstrations} episodes asked for, {left} more than there are")
    return found


def _stages(cell: Cell) -> list[tuple[str, TrainingSpec]]:
    """In their order; the steps of all are the cell's."""

    def stage(name: str, steps: int, **changed: Any) -> tuple[str, TrainingSpec]:
        spec = load_training_spec(name)
        same = {"steps": steps, "batch": cell.batch, "seed": cell.seed}
        return name, spec.model_copy(update={**same, **changed})

    if cell.way == BASE:
        return []
    if cell.way == SCRATCH:
        return [stage("demo_light", cell.steps, learning_rate=SCRATCH_RATE)]
    if cell.way == ONE:
        return [stage("demo_light", cell.steps)]
    projector = round(PROJECTOR_SHARE * cell.steps)
    embodiment = cell.trial.evaluation.check().state_projector.embodiment
    return [stage("demo_projector", projector, embodiment=embodiment), stage("demo_light", cell.steps - projector)]


def cells(options: argparse.Namespace) -> list[Cell]:
    """All of them, those to be trained first."""
    evaluation = Evaluation(options.robot, options.task, seam=options.seam)
    trial = Trial(evaluation, options.seed_from, options.episodes, options.unseen, options.samples)
    common = options.steps, options.batch, options.tokenizer_steps, trial

    def cell(way: str, count: int, seed: int) -> Cell:
        return Cell(
            options.start, tuple(options.data), way, count, seed, *common, options.out / f"{way}_{count}_{seed}"
        )

    trained_ones = [cell(w, n, seed) for seed in options.seeds for n in options.counts if n for w in options.ways]
    return trained_ones + ([cell(BASE, 0, 0)] if 0 in options.counts else [])


def rows(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a way and number of demonstrations, over all seeds."""
    by: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for one in sorted(found, key=lambda one: int(one["about"]["seed"])):
        by.setdefault((one["about"]["way"], one["about"]["demonstrations"]), []).append(one)
    return [{"way": way, "demonstrations": count, **row(by[way, count])} for way, count in sorted(by)]


def plot(found: list[dict[str, Any]], title: str, out: Path) -> None:
    """Success with intervals and how far chunks are off, by number of demonstrations. Writes a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    counts = sorted({one["demonstrations"] for one in found})
    figure, (success, off) = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for index, way in enumerate(dict.fromkeys(one["way"] for one in found)):
        mine = [one for one in found if one["way"] == way]
        at = [counts.index(one["demonstrations"]) + 0.06 * (index - 1.5) for one in mine]
        shares = [one["success"] for one in mine]
        around = [[max(0.0, s["share"] - s["low"]) for s in shares], [max(0.0, s["high"] - s["share"]) for s in shares]]
        success.errorbar(at, [s["share"] for s in shares], yerr=around, marker="o", capsize=3, label=way)
        middles = [sum(found[0] for found in one["median_cm"]) / len(one["median_cm"]) for one in mine]
        off.plot(at, middles, marker="o", label=way)
    for axes in (success, off):
        axes.set_xticks(range(len(counts)), [str(count) for count in counts])
        axes.set_xlabel("demonstrations")
        axes.legend(fontsize=8)
    success.set(ylabel="success, 95 % interval", ylim=(0, 1.03))
    off.set(ylabel="off after 1 s, median of unseen samples [cm]", yscale="log")
    figure.suptitle(title)
    figure.savefig(out, dpi=110)
    pyplot.close(figure)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="start", required=True, help="run or checkpoint that never saw the robot")
    parser.add_argument("--robot", default="ldt01")
    parser.add_argument("--task", default="lift")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="LeRobot datasets of the robot")
    parser.add_argument("--unseen", type=Path, required=True, help="one of other episodes")
    parser.add_argument("--samples", type=int, default=512, help="of it")
    parser.add_argument("--counts", nargs="+", type=int, default=[0, 10, 50, 200])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--tokenizer-steps", type=int, default=300, help="where a loss on ids is asked for")
    parser.add_argument("--episodes", type=int, default=50, help="scenes that each is tried in")
    parser.add_argument("--seed-from", type=int, default=10_000)
    parser.add_argument("--seam", default="ensemble")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("-o", "--out", type=Path, required=True)
    options = parser.parse_args()
    console = Console(soft_wrap=True)
    for folder in (*options.data, options.unseen):
        prepare(folder, load_model_spec("demo").view_size)
    found = rows(list(spread(make, cells(options), options.jobs, "networks", console)))
    console.print(table(("way", "demonstrations"), found))
    report = json.dumps({"options": vars(options), "rows": found}, indent=1, default=str)
    (options.out / "adaptation.json").write_text(report + "\n", encoding="utf-8")
    plot(found, f"{options.robot} {options.task}, {options.steps} steps of {options.batch}",
         options.out / "adaptation.png")  # fmt: skip


if __name__ == "__main__":
    main()
