"""`gear-vla demo-record`: the way from a person's hand to data, in simulation and through real topics throughout."""

from collections import deque
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console

from gear_vla_ros.cli import convert as conversion
from gear_vla_ros.cli import episodes, replay
from gear_vla_ros.cli.plan import BringUp, Options, make_plan
from gear_vla_ros.cli.processes import ProcessGroup, enter
from gear_vla_ros.engines.arrays import action_numbers
from gear_vla_ros.policies.options import PolicyOptions
from gear_vla_ros.policies.registry import make_policy
from gear_vla_ros.recording.dataset.reader import DatasetReader

TAIL, TASK_LIMIT_S, BATCH = 40, 30.0, 8
SENTENCES = ("pick up the red cube", "pick up the green cube", "pick up the blue cube")


def run(robot: str, count: int, out: Path, console: Console) -> int:
    """Drive, record, check, convert, load a batch, replay; 0 when all of it was done and every episode succeeded."""
    folder = _new(out)
    options = Options(robot=robot, policy="none", teleop="vr", record=str(folder / "episodes"), network="loopback")
    recorded, failed = _record(make_plan(options), count, folder, console)
    if not recorded:
        return 1
    console.rule("check")
    bad = episodes.check(recorded, "", False, False, console)
    console.rule("convert")
    dataset = folder / "dataset"
    converted = conversion.run(recorded, dataset, conversion.options_of(30, "", "", True, True), False, console)
    console.rule("one batch for training")
    _batch(dataset, console)
    console.rule("replay against the demo's policy")
    replayed = replay.run(recorded[0], "", "expert", PolicyOptions(), 0.5, 0.1, True, folder, False, console)
    console.rule("look")
    episodes.show(recorded[0], folder, "", console)
    return int(bool(failed or bad or converted or replayed))


def _record(plan: BringUp, count: int, folder: Path, console: Console) -> tuple[list[Path], int]:
    """Episodes, and how many of them failed."""
    enter(plan)
    from gear_vla_ros.ros.client import GraphError
    from gear_vla_ros.ros.episode_control import EpisodeControl
    from gear_vla_ros.ros.scripted_operator import ScriptedOperator

    tail: deque[str] = deque(maxlen=TAIL)
    made: list[Path] = []
    failed = 0
    console.print(f"bringing up [bold]{plan.robot.name}[/]: {', '.join(node.name for node in plan.nodes)}")
    with ProcessGroup(_by_hand(plan), lambda name, line: tail.append(f"{name}: {line}")) as group:

        def check() -> None:
            if (ended := group.ended()) is not None:
                raise GraphError(f"{ended[0]} ended with code {ended[1]}")

        try:
            with ScriptedOperator(plan.robot, make_policy("expert", plan.robot), check) as operator:
                operator.wait_ready()
                control = EpisodeControl(operator.node, operator.until)
                for number in range(count):
                    sentence = SENTENCES[number % len(SENTENCES)]
                    operator.reset(number + 1)
                    made.append(control.start(sentence, "scripted operator"))
                    lifted = operator.do(sentence, TASK_LIMIT_S)
                    told = control.end(lifted)
                    failed += not lifted
                    console.print(f"{made[-1].name}: {sentence}: {'success' if lifted else 'FAILURE'}; {told}")
        except GraphError as error:
            console.print(f"[bold red]{error}[/]; the last lines of the nodes:")
            console.print("\n".join(tail), markup=False, highlight=False)
            return [], 1
    return made, failed


def _by_hand(plan: BringUp) -> BringUp:
    """The recorder begins when it is told to."""
    told = {"recorder_node": {"autostart": False}}
    nodes = (replace(node, parameters={**node.parameters, **told.get(node.executable, {})}) for node in plan.nodes)
    return replace(plan, nodes=tuple(nodes))


def _batch(dataset: Path, console: Console) -> None:
    """Read some frames as a trainer does, and say what came."""
    reader = DatasetReader(dataset)
    chosen = np.random.default_rng(0).choice(len(reader), size=min(BATCH, len(reader)), replace=False)
    samples = [reader.sample(int(index)) for index in chosen]
    images = {role: np.stack([sample.images[role] for sample in samples]) for role in samples[0].images}
    actions = np.stack([action_numbers(sample.chunk.arms) for sample in samples])
    valid = np.stack([sample.valid for sample in samples])
    reader.close()
    for role, pictures in images.items():
        console.print(f"{role}: {pictures.dtype} {list(pictures.shape)}", highlight=False)
    told = f"actions: {actions.dtype} {list(actions.shape)}, {100 * valid.mean():.0f} % of the steps were done"
    console.print(f"{told}; tasks: {sorted({sample.instruction for sample in samples})}", highlight=False)


def _new(out: Path) -> Path:
    """The next numbered folder; nothing is overwritten."""
    out.mkdir(parents=True, exist_ok=True)
    number = 1 + max((int(p.name[5:]) for p in out.glob("data_*") if p.name[5:].isdigit()), default=0)
    folder = out / f"data_{number:04d}"
    folder.mkdir()
    return folder.resolve()
