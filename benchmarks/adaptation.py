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
from pathlib import Path
from typing import Any

from networks import Cell, add_options, all_found, report, row, table, trained, trial, tried
from rich.console import Console

from gear_vla_ros.settings.model import load_model_spec
from gear_vla_ros.settings.training import TrainingSpec, load_training_spec
from gear_vla_ros.training.prepared import Prepared, prepare
from gear_vla_ros.training.trainer import MODEL, newest_step

TWO, ONE, SCRATCH, BASE = "two_stage", "one_stage", "scratch", "as_it_is"
WAYS = (TWO, ONE, SCRATCH)
PROJECTOR_SHARE = 0.25
SCRATCH_RATE = 1e-3


@dataclasses.dataclass(frozen=True)
class Adapted(Cell):
    """How it is adapted, and to how many demonstrations."""

    way: str
    demonstrations: int
    tokenizer_steps: int


def make(cell: Adapted) -> dict[str, Any]:
    """Train and try it, on one core; what is done already is read."""
    return tried(cell, lambda: _trained(cell))


def _trained(cell: Adapted) -> Path:
    """Folder of the cell's checkpoint."""
    start = "demo" if cell.way == SCRATCH else cell.start
    for name, training in _stages(cell):
        samples = demonstrations(cell)
        start = str(trained(start, samples, training, cell.folder / name, cell.tokenizer_steps))
    newest = newest_step(Path(start))
    return newest / MODEL if newest else Path(start)


def demonstrations(cell: Adapted) -> list[Prepared]:
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


def _stages(cell: Adapted) -> list[tuple[str, TrainingSpec]]:
    """In their order; the steps of all are the cell's."""

    def stage(name: str, steps: int, **changed: Any) -> tuple[str, TrainingSpec]:
        spec = load_training_spec(name)
        same = {"steps": steps, "batch": cell.batch, "seed": cell.seed, "compiled": cell.compiled}
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


def cells(options: argparse.Namespace) -> list[Adapted]:
    """All of them, those to be trained first."""
    on = trial(options, options.robot, options.unseen)

    def cell(way: str, count: int, seed: int) -> Adapted:
        sizes = seed, options.steps, options.batch, options.compiled, on, options.out / f"{way}_{count}_{seed}"
        return Adapted(options.start, tuple(options.data), *sizes, way, count, options.tokenizer_steps)

    trained_ones = [cell(w, n, seed) for seed in options.seeds for n in options.counts if n for w in options.ways]
    return trained_ones + ([cell(BASE, 0, 0)] if 0 in options.counts else [])


def rows(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a way and number of demonstrations, over all seeds."""
    by: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for one in found:
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
    off.set(ylabel="off after 1 s, median of unseen samples [cm]", ylim=(0, None))
    figure.suptitle(title)
    figure.savefig(out, dpi=110)
    pyplot.close(figure)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="start", required=True, help="run or checkpoint that never saw the robot")
    parser.add_argument("--robot", default="ldt01")
    add_options(parser)
    parser.add_argument("--counts", nargs="+", type=int, default=[0, 10, 50, 200])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--tokenizer-steps", type=int, default=300, help="where a loss on ids is asked for")
    parser.set_defaults(seeds=[1, 2, 3])
    options = parser.parse_args()
    console = Console(soft_wrap=True)
    found = rows(all_found(make, cells(options), options.jobs, console))
    console.print(table(("way", "demonstrations"), found))
    report(options, found, "adaptation.json")
    plot(found, f"{options.robot} {options.task}, {options.steps} steps of {options.batch}",
         options.out / "adaptation.png")  # fmt: skip


if __name__ == "__main__":
    main()
