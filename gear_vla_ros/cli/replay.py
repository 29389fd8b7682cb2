"""`gear-vla replay`: a recorded episode through a policy, and how near its chunks come to what was done."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from gear_vla_ros.cli.replay_graph import chunks_of_graph
from gear_vla_ros.contracts import ActionChunk
from gear_vla_ros.policies.options import PolicyOptions
from gear_vla_ros.policies.registry import make_policy
from gear_vla_ros.recording.dataset.samples import Samples, take_samples
from gear_vla_ros.recording.errors import RecordingError
from gear_vla_ros.recording.reader import EpisodeReader
from gear_vla_ros.recording.replaying import RUN_UP, Scenes, moments
from gear_vla_ros.recording.scoring import ArmScore, by_step, score
from gear_vla_ros.settings import RobotSpec, load_robot

FPS = 30
SCENE = "/sim/objects"
SHOWN = (1, 5, 10, 15, 20, 30)
"""Steps of the horizon in the table."""


def run(
    episode: Path,
    robot: str,
    policy: str,
    options: PolicyOptions,
    every_s: float,
    latency_s: float,
    fast: bool,
    out: Path | None,
    as_json: bool,
    console: Console,
) -> int:
    """0 when the whole episode was scored. Raises RecordingError, and what the policy raises."""
    samples = take_samples(episode, FPS, load_robot(robot) if robot else None)
    scenes = _scenes(episode, samples.robot) if policy == "expert" else ()
    if fast:
        source = _in_process(policy, options, samples, every_s, latency_s, scenes)
    else:
        name = robot or samples.robot.name
        source = chunks_of_graph(samples, name, policy, options, every_s, latency_s, scenes)
    with Progress(console=console, transient=True, disable=as_json) as progress:
        total = 1 + max(0, len(samples) - 1 - RUN_UP - round(latency_s * FPS)) // max(1, round(every_s * FPS))
        bar = progress.add_task("replaying", total=total)
        chunks = []
        for chunk in source:
            chunks.append(chunk)
            progress.advance(bar)
    scores = score(samples, chunks)
    report = _report(samples, scores, chunks, options.seed, every_s, latency_s)
    folder = out or (episode if episode.is_dir() else episode.parent)
    picture = draw(scores, report, folder / "replay.png")
    if as_json:
        print(json.dumps(report))
        return 0
    _show(report, console)
    console.print(f"picture   {picture}", highlight=False)
    return 0


def _in_process(
    name: str, options: PolicyOptions, samples: Samples, every_s: float, latency_s: float, scenes: Scenes
) -> Iterator[ActionChunk]:
    policy = make_policy(name, samples.robot, options)
    policy.warm_up()
    for moment in moments(samples, every_s, latency_s, scenes):
        try:
            yield policy.act(policy.think(moment.observation), moment.acted_on)
        except ValueError as error:
            raise RecordingError(f"{samples.path}: policy {policy.model_id}: {error}") from None
    policy.close()


def _scenes(episode: Path, robot: RobotSpec) -> Scenes:
    from gear_vla_ros.ros.convert_scene import scene_from_msg
    from gear_vla_ros.ros.stamps import to_ns

    reader = EpisodeReader(episode)
    messages = [message for message in map(reader.decode, reader.raw({SCENE})) if message.markers]
    if not messages:
        raise RecordingError(f"{episode}: no {SCENE}; policy expert needs the simulator's ground truth, others do not")
    return [(to_ns(message.markers[0].header.stamp), scene_from_msg(message, robot)) for message in messages]


def _report(
    samples: Samples,
    scores: Mapping[str, ArmScore],
    chunks: list[ActionChunk],
    seed: int,
    every_s: float,
    latency_s: float,
) -> dict[str, Any]:
    arms = {
        name: {
            "metres": _numbers(by_step(one.metres)),
            "degrees": _numbers(by_step(one.degrees)),
            "still_metres": _numbers(by_step(one.still_metres)),
            "gripper_f1": _number(one.gripper_f1()),
        }
        for name, one in scores.items()
    }
    return {
        "episode": str(samples.path),
        "robot": samples.robot.name,
        "model": chunks[0].model_id,
        "chunks": len(chunks),
        "every_s": every_s,
        "latency_s": latency_s,
        "seed": seed,
        "arms": arms,
    }


def _numbers(values: np.ndarray) -> list[float | None]:
    return [_number(value) for value in values]


def _number(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None


def _show(report: dict[str, Any], console: Console) -> None:
    console.print(
        f"{report['episode']}: {report['chunks']} chunks of {report['model']}, latency {report['latency_s']} s"
    )
    table = Table("arm", "", *(f"step {step}" for step in SHOWN))
    for name, arm in report["arms"].items():
        rows = (("metres", 1e3, "mm"), ("degrees", 1.0, "deg"), ("still_metres", 1e3, "mm still"))
        for key, scale, unit in rows:
            at = [arm[key][step - 1] if step <= len(arm[key]) else None for step in SHOWN]
            table.add_row(name, unit, *("" if value is None else f"{value * scale:.1f}" for value in at))
    console.print(table)
    for name, arm in report["arms"].items():
        f1 = arm["gripper_f1"]
        told = "nobody closed, nobody was to" if f1 is None else f"F1 {f1:.2f}"
        console.print(f"{name} gripper closed: {told}", highlight=False)


def draw(scores: Mapping[str, ArmScore], report: dict[str, Any], out: Path) -> Path:
    """Errors by step of the horizon: mean, and the middle half of the chunks."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (metres, degrees) = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for colour, (name, one) in zip(("C0", "C1"), scores.items(), strict=False):
        steps = np.arange(1, one.metres.shape[1] + 1)
        for axis, values in ((metres, one.metres * 1e3), (degrees, one.degrees)):
            low, high = np.nanpercentile(values, [25, 75], axis=0)
            axis.plot(steps, by_step(values), color=colour, label=name)
            axis.fill_between(steps, low, high, color=colour, alpha=0.2, lw=0)
        metres.plot(steps, by_step(one.still_metres * 1e3), "--", color=colour, label=f"{name}, staying put")
    metres.set(xlabel="step of the horizon", ylabel="tool's distance to what was done [mm]", ylim=(0, None))
    degrees.set(xlabel="step of the horizon", ylabel="tool's rotation to what was done [deg]", ylim=(0, None))
    metres.legend(fontsize=8)
    figure.suptitle(f"{Path(report['episode']).name}: {report['chunks']} chunks of {report['model']}", fontsize=10)
    figure.savefig(out, dpi=110)
    pyplot.close(figure)
    return out
