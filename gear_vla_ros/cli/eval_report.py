"""Figures of an evaluation: as JSON, as a table, as a plot."""

import math
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from gear_vla_ros.cli.eval_episode import Attempt, Evaluation
from gear_vla_ros.cli.statistics import wilson

PACKAGES = ("numpy", "mujoco", "torch", "onnxruntime")
REASONS_TOLD = 5
_NOT_WRITTEN = ("trace", "said", "model_id", "about")


def results(evaluation: Evaluation, attempts: list[Attempt], wall_s: float) -> dict[str, Any]:
    """Everything, as JSON takes it. `measured` is of this machine and run; all else depends on the seeds alone."""
    first = attempts[0]
    return {
        "evaluation": asdict(evaluation),
        "seeds": [first.seed, attempts[-1].seed],
        "model": first.model_id,
        "about": dict(first.about),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        "summary": summary(attempts),
        "groups": groups(attempts),
        "measured": {
            "wall_s": round(wall_s, 1),
            "cpu_s_an_episode": _number(np.mean([one.cpu_s for one in attempts])),
            "think_ms_p50": _number(np.median([one.think_ms for one in attempts])),
            "act_ms_p50": _number(np.median([one.act_ms for one in attempts])),
        },
        "episodes": [_episode(one) for one in attempts],
    }


def summary(attempts: list[Attempt]) -> dict[str, Any]:
    """Shares with intervals, and percentiles over all episodes."""
    done = [one for one in attempts if one.outcome.success]
    seams = [value for one in attempts for value in one.seam_mm]
    steps = [value for one in attempts for value in one.seam_m_s]
    return {
        "success": share(len(done), len(attempts)),
        "other_object_lifted": share(sum(bool(one.others) for one in attempts), len(attempts)),
        "seconds_to_success": _spread(one.outcome.seconds for one in done),
        "seam_mm": _spread(seams),
        "seam_m_s": _spread(steps),
        "grades": _shares(_total(one.grades for one in attempts)),
        "target_up_m": _spread(one.target_up_m for one in attempts),
        "nearest_m": _spread(one.nearest_m for one in attempts),
        "refusals": _total(one.refusals for one in attempts),
        "faults": _total(one.faults for one in attempts),
    }


def groups(attempts: list[Attempt]) -> dict[str, dict[str, Any]]:
    """Success by the named object's kind and colour, and by where it lay."""
    by = {
        "object": lambda one: one.target.split("_", 1)[1],
        "colour": lambda one: one.target.split("_", 1)[0],
        "side": lambda one: one.side,
    }
    found: dict[str, dict[str, Any]] = {}
    for name, key in by.items():
        members: dict[str, list[bool]] = {}
        for one in attempts:
            members.setdefault(key(one), []).append(one.outcome.success)
        found[name] = {group: share(sum(ones), len(ones)) for group, ones in sorted(members.items())}
    return found


def share(count: int, trials: int) -> dict[str, Any]:
    """With its 95 % interval."""
    low, high = wilson(count, trials)
    return {"count": count, "of": trials, "share": _number(count / trials), "low": _number(low), "high": _number(high)}


def show(report: Mapping[str, Any], console: Console) -> None:
    """The summary, and the reasons of the first failures."""
    figures, setting, measured = report["summary"], report["evaluation"], report["measured"]
    title = f"{setting['robot']} {setting['task']}, {report['model']}, seeds {report['seeds'][0]}-{report['seeds'][1]}"
    table = Table("", "", title=title, show_header=False, title_justify="left")
    table.add_row("success", told(figures["success"]))
    table.add_row("another object lifted", told(figures["other_object_lifted"]))
    rows = (("seconds to success", "seconds_to_success", "s"), ("new chunk away from the old one", "seam_mm", "mm"))
    for line, key, unit in (*rows, ("step of velocity at a new chunk", "seam_m_s", "m/s")):
        table.add_row(line, _told_spread(figures[key], unit))
    table.add_row("how chunks meet", "the robot waits for each" if setting["execute_s"] else setting["seam"])
    grades = ", ".join(f"{name} {share:.1%}" for name, share in figures["grades"].items())
    table.add_row("ticks by grade", grades)
    for key in ("refusals", "faults"):
        table.add_row(key, ", ".join(f"{name} {count}" for name, count in figures[key].items()) or "none")
    passes = f"{measured['think_ms_p50']:.0f} ms and {measured['act_ms_p50']:.0f} ms"
    table.add_row("slow and fast pass here", f"{passes}, {measured['cpu_s_an_episode']:.1f} CPU s an episode")
    console.print(table)
    failed = [one for one in report["episodes"] if not one["success"]]
    for one in failed[:REASONS_TOLD]:
        said = one["switched_to"] or one["instruction"]
        near = f"nearest {one['nearest_m']:.2f} m, lifted {one['target_up_m']:.2f} m"
        console.print(f"  seed {one['seed']}: '{said}': {one['reason']}, {near}", highlight=False)


def told(found: Mapping[str, Any]) -> str:
    """A share in words."""
    interval = f"95 % interval {found['low']:.1%} to {found['high']:.1%}"
    return f"{found['count']} of {found['of']} = {found['share']:.1%} ({interval})"


def plot(report: Mapping[str, Any], out: Path) -> Path:
    """Success by groups with intervals; how long successes took, how near failures came. Writes a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(13, 4), layout="constrained", width_ratios=[2.2, 1, 1])
    bars = {"all": report["summary"]["success"]}
    for name, members in report["groups"].items():
        bars |= {f"{group}": found for group, found in members.items()} if len(members) > 1 or name == "object" else {}
    values = np.array([found["share"] for found in bars.values()])
    around = np.array([[found["share"] - found["low"], found["high"] - found["share"]] for found in bars.values()]).T
    axes[0].bar(range(len(bars)), values, yerr=around.clip(0.0), capsize=3, color=["C0", *["C7"] * (len(bars) - 1)])
    labels = [f"{group}\n{found['of']}" for group, found in bars.items()]
    axes[0].set_xticks(range(len(bars)), labels, fontsize=7, rotation=45)
    axes[0].set(ylabel="success, 95 % interval", ylim=(0, 1.02))
    seconds = [one["seconds"] for one in report["episodes"] if one["success"]]
    axes[1].hist(seconds, bins=20, color="C2")
    axes[1].set(xlabel="seconds to success", ylabel="episodes")
    near = [100 * one["nearest_m"] for one in report["episodes"] if not one["success"]]
    axes[2].hist(near, bins=20, color="C3")
    axes[2].set(xlabel="failures: a tool's least distance\nto the object [cm]", ylabel="episodes")
    setting = report["evaluation"]
    figure.suptitle(f"{setting['robot']} {setting['task']}, {report['model']}: {told(bars['all'])}", fontsize=10)
    figure.savefig(out, dpi=110)
    pyplot.close(figure)
    return out


def _episode(one: Attempt) -> dict[str, Any]:
    """seam figures as their greatest: the lists would be most of the file."""
    found = {key: value for key, value in vars(one).items() if key not in (*_NOT_WRITTEN, "outcome")}
    seams = {key: _number(max(found[key], default=math.nan)) for key in ("seam_mm", "seam_m_s")}
    rounded = {key: _number(value) if isinstance(value, float) else value for key, value in found.items()}
    return {**rounded, **seams, **asdict(one.outcome), "seconds": _number(one.outcome.seconds)}


def _spread(values: Iterable[float]) -> dict[str, float | None]:
    found = np.array([value for value in values if np.isfinite(value)])
    if not found.size:
        return {"p50": None, "p95": None, "max": None}
    return {"p50": _number(np.median(found)), "p95": _number(np.percentile(found, 95)), "max": _number(found.max())}


def _told_spread(found: Mapping[str, float | None], unit: str) -> str:
    if found["p50"] is None:
        return "none"
    return f"median {found['p50']:.2f} {unit}, 95 % below {found['p95']:.2f}, at most {found['max']:.2f}"


def _total(counters: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for counter in counters:
        for name, count in counter.items():
            total[name] = total.get(name, 0) + count
    return dict(sorted(total.items()))


def _shares(counts: Mapping[str, int]) -> dict[str, float | None]:
    total = sum(counts.values())
    return {name: _number(count / total) for name, count in counts.items()}


def _number(value: float | np.floating[Any]) -> float | None:
    return round(float(value), 5) if np.isfinite(value) else None


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
