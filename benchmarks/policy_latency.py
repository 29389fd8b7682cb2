"""Success and seams of a policy in closed loop, by the latency injected into its chunks and by how chunks meet.

    python benchmarks/policy_latency.py --robot franka --task lift --checkpoint CKPT --episodes 100 --jobs 2 -o OUT

For each of 0, 100, 200, 300, 500 ms: the seams `switch`, `blend`, `ensemble`, `rtc` (the robot moves while the policy
computes), and `synchronous` (it holds still meanwhile, then follows 0.5 s of the chunk). All settings get the same
scenes, by default of seeds from 10000. Times are simulated, so the figures do not depend on the machine.

A line a setting: success with its 95 % interval (Wilson), how far a new chunk is from the running one where it takes
over (`apart`, median and 95th percentile), and the median time to success. OUT gets policy_latency.json and .png.
"""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from gear_vla_ros.cli.eval import evaluate_all
from gear_vla_ros.cli.eval_episode import Evaluation
from gear_vla_ros.cli.eval_report import summary

LATENCIES_MS = (0.0, 100.0, 200.0, 300.0, 500.0)
SYNCHRONOUS, EXECUTE_S = "synchronous", 0.5
WAYS = ("switch", "blend", "ensemble", "rtc", SYNCHRONOUS)


def settings(base: Evaluation, ways: list[str], latencies_ms: list[float]) -> dict[tuple[str, float], Evaluation]:
    """One evaluation a way and latency."""
    made = {}
    for way in ways:
        joined = {"execute_s": EXECUTE_S} if way == SYNCHRONOUS else {"seam": way}
        for latency_ms in latencies_ms:
            made[way, latency_ms] = dataclasses.replace(base, latency_ms=latency_ms, **joined)
    return made


def sweep(
    base: Evaluation, seeds: range, jobs: int, ways: list[str], latencies_ms: list[float], console: Console
) -> list[dict[str, Any]]:
    """A row a way and latency: `way`, `latency_ms` and the evaluation's summary."""
    wanted = settings(base, ways, latencies_ms)
    for one in wanted.values():
        one.check()
    found = evaluate_all(list(wanted.values()), seeds, jobs, console)
    return [
        {"way": way, "latency_ms": latency_ms, **summary(attempts)}
        for (way, latency_ms), attempts in zip(wanted, found, strict=True)
    ]


def show(rows: list[dict[str, Any]], console: Console) -> None:
    """The table."""
    table = Table("way", "injected", "success", "95 % interval", "apart p50", "apart p95", "time")
    for row in rows:
        success, seam, seconds = row["success"], row["seam_mm"], row["seconds_to_success"]
        table.add_row(
            row["way"], f"{row['latency_ms']:.0f} ms", f"{success['count']} of {success['of']}",
            f"{success['low']:.1%} to {success['high']:.1%}", *(_told(seam[key], "mm") for key in ("p50", "p95")),
            _told(seconds["p50"], "s"),
        )  # fmt: skip
    console.print(table)


def plot(rows: list[dict[str, Any]], title: str, out: Path) -> None:
    """Success with intervals and the distance at the seams, by latency. Writes a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (success, seam) = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for index, way in enumerate(dict.fromkeys(row["way"] for row in rows)):
        mine = [row for row in rows if row["way"] == way]
        latencies = np.array([row["latency_ms"] for row in mine]) + 4.0 * (index - 2)
        shares = np.array([[row["success"][key] for key in ("share", "low", "high")] for row in mine])
        around = np.stack([shares[:, 0] - shares[:, 1], shares[:, 2] - shares[:, 0]]).clip(0.0)
        success.errorbar(latencies, shares[:, 0], yerr=around, marker="o", capsize=3, lw=1.2, label=way)
        if way != SYNCHRONOUS:
            apart_mm = [np.nan if row["seam_mm"]["p50"] is None else row["seam_mm"]["p50"] for row in mine]
            seam.plot(latencies, apart_mm, marker="o", lw=1.2, label=way)
    success.set(xlabel="injected latency [ms]", ylabel="success, 95 % interval", ylim=(0, 1.03))
    seam.set(xlabel="injected latency [ms]", ylabel="new chunk away from the running one,\nmedian [mm]")
    seam.set_ylim(0, None)
    success.legend(fontsize=8, loc="lower left")
    figure.suptitle(title, fontsize=10)
    figure.savefig(out, dpi=110)
    pyplot.close(figure)


def _told(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.1f} {unit}"


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--robot", default="franka")
    parser.add_argument("--task", default="lift")
    parser.add_argument("--policy", default="gear_vla")
    parser.add_argument("--checkpoint", default="")
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--seed-from", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--latencies-ms", nargs="+", type=float, default=list(LATENCIES_MS))
    parser.add_argument("-o", "--out", type=Path, required=True)
    args = parser.parse_args()
    base = Evaluation(args.robot, args.task, args.policy, args.checkpoint)
    seeds, console = range(args.seed_from, args.seed_from + args.episodes), Console(soft_wrap=True)
    rows = sweep(base, seeds, args.jobs, args.ways, args.latencies_ms, console)
    show(rows, console)
    args.out.mkdir(parents=True, exist_ok=True)
    report = {"evaluation": dataclasses.asdict(base), "seeds": [seeds[0], seeds[-1]], "rows": rows}
    (args.out / "policy_latency.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    plot(
        rows, f"{args.robot} {args.task}, {args.policy}, {args.episodes} episodes each", args.out / "policy_latency.png"
    )


if __name__ == "__main__":
    main()
