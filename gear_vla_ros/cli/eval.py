"""`gear-vla eval`: success of a policy in scenes that training never saw, with its interval of confidence."""

import functools
import json
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from gear_vla_ros.cli.eval_episode import Attempt, Evaluation, attempt
from gear_vla_ros.cli.eval_report import plot, results, show
from gear_vla_ros.cli.eval_video import save_videos
from gear_vla_ros.cli.jobs import spread

RESULTS, PLOT, VIDEOS = "results.json", "results.png", "videos"


def run(
    evaluation: Evaluation, seeds: Sequence[int], jobs: int, out: Path, videos: int, as_json: bool, console: Console
) -> int:
    """0 when all episodes were run, whatever came of them. Raises ValueError, FileExistsError, FileNotFoundError or
    SettingsError on wrong input, before anything runs."""
    evaluation.check()
    if (out / RESULTS).exists():
        raise FileExistsError(f"{out / RESULTS}: is there already; nothing was overwritten, choose another folder")
    begun_s = time.monotonic()
    attempts = evaluate(evaluation, seeds, jobs, Console(stderr=True) if as_json else console)
    report = results(evaluation, attempts, time.monotonic() - begun_s)
    out.mkdir(parents=True, exist_ok=True)
    (out / RESULTS).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    plot(report, out / PLOT)
    made = save_videos(evaluation, attempts, videos, out / VIDEOS)
    if as_json:
        console.print_json(json.dumps({key: value for key, value in report.items() if key != "episodes"}))
        return 0
    show(report, console)
    console.print(f"{out / RESULTS}, {PLOT}" + (f", {len(made)} videos" if videos else ""), highlight=False)
    return 0


def evaluate(evaluation: Evaluation, seeds: Sequence[int], jobs: int, console: Console) -> list[Attempt]:
    """All episodes, in the order of their seeds; each process loads the policy once."""
    (found,) = evaluate_all([evaluation], seeds, jobs, console)
    return found


def evaluate_all(
    evaluations: Sequence[Evaluation], seeds: Sequence[int], jobs: int, console: Console
) -> list[list[Attempt]]:
    """The same seeds under several settings, in processes that serve all of them: attempts by setting and seed."""
    items = [(index, seed) for index in range(len(evaluations)) for seed in seeds]
    first = evaluations[0]
    one, what = functools.partial(_attempt, tuple(evaluations)), f"{first.robot} {first.task} {first.policy}"
    found: list[list[Attempt]] = [[] for _ in evaluations]
    for index, done in spread(one, items, min(jobs, len(items)), what, console):
        found[index].append(done)
    return [sorted(attempts, key=lambda done: done.seed) for attempts in found]


def _attempt(evaluations: tuple[Evaluation, ...], item: tuple[int, int]) -> tuple[int, Attempt]:
    return item[0], attempt(evaluations[item[0]], item[1])
