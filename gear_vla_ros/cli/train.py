"""`gear-vla train` and `gear-vla adapt`: networks from datasets, with progress, to be gone on with after any end."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gear_vla_ros.model.gear_vla import GearVla
from gear_vla_ros.settings import load_robot
from gear_vla_ros.settings.training import TrainingSpec, load_training_spec
from gear_vla_ros.training import run as runs
from gear_vla_ros.training import scenes
from gear_vla_ros.training.prepared import Prepared, prepare
from gear_vla_ros.training.trainer import MODEL
from gear_vla_ros.training.trainer import Progress as Made

NEVER, LOG_EVERY = 10**9, 10
NEW_PROJECTOR, LIGHT = "new_projector", "light_end_to_end"


def train(
    start: str,
    datasets: Sequence[Path],
    training: TrainingSpec,
    out: Path,
    tokenizer_steps: int,
    save_every: int,
    log_every: int,
    threads: int,
    cpu: bool,
    console: Console,
    adapting: bool = False,
) -> Path:
    """One stage; the folder of the trained checkpoint. adapting: a robot that the network does not know is welcome.

    Raises FileNotFoundError, ValueError or RecordingError naming what cannot be used.
    """
    if threads:
        torch.set_num_threads(threads)
    if training.embodiment is not None:
        _check_start(start, training.embodiment)
    model, folder = runs.network(start, training.seed)
    runs.grow(model, training)
    state = PartialState(cpu=cpu or not torch.cuda.is_available())  # type: ignore[no-untyped-call]
    said = console if state.is_main_process else Console(quiet=True)
    with state.main_process_first(), _bars(said) as bars:
        sources = [_prepared(dataset, model, bars) for dataset in datasets]
        if adapting:
            runs.welcome(model, sources)
        runs.check_sources(model, sources)
        told = _counted(bars, "latent action tokenizer", tokenizer_steps)
        made = runs.begin(model, folder, sources, training, out, tokenizer_steps, told)
    trainer = runs.trainer(model, folder, made, training, out, cpu)
    said.print(trainer.about, highlight=False)
    samples = ", ".join(f"{len(source)} of {source.robot}" for source in sources)
    said.print(f"{training.steps} steps of {training.batch} samples, out of {samples}", highlight=False)
    with _bars(said) as bars:
        task = bars.add_task("training", total=training.steps)

        def progress(at: Made) -> None:
            losses = ", ".join(f"{name} {value:.4f}" for name, value in at.parts.items())
            bars.update(task, completed=at.step, description=f"{losses}; {at.samples_per_s:.0f} samples/s")

        last = trainer.run(progress, save_every, log_every)
    said.print(f"{last / MODEL}", highlight=False)
    return last / MODEL


def adapt(
    start: str,
    robot: str,
    datasets: Sequence[Path],
    out: Path,
    projector: TrainingSpec,
    light: TrainingSpec,
    one_stage: bool,
    threads: int,
    cpu: bool,
    console: Console,
) -> Path:
    """Both stages of a new robot (paper, Table 3): its state projector alone, then all but the 2D tower, briefly."""
    embodiment = load_robot(robot).state_projector.embodiment
    first = projector.model_copy(update={"embodiment": embodiment})
    begin = start
    if not one_stage:
        begin = str(
            train(
                start, datasets, first, out / NEW_PROJECTOR, 0, NEVER, LOG_EVERY, threads, cpu, console, True
            ).parent.parent
        )
    return train(begin, datasets, light, out / LIGHT, 0, NEVER, LOG_EVERY, threads, cpu, console, True)


def stage(name_or_path: str, **changed: Any) -> TrainingSpec:
    """A stage's YAML, with what was said on the command line in its place; None is not said."""
    spec = load_training_spec(name_or_path).model_dump()
    return TrainingSpec.model_validate(spec | {key: value for key, value in changed.items() if value is not None})


def _check_start(start: str, embodiment: str) -> None:
    if not Path(start).is_dir():
        raise ValueError(f"{embodiment}: adapting begins with a trained checkpoint's folder, found '{start}'")


def _prepared(dataset: Path, model: GearVla, bars: Progress) -> Prepared:
    if (dataset / scenes.ABOUT).is_file():
        return scenes.load(dataset, model.spec.view_size)
    bar = bars.add_task(f"preparing {dataset.name}", total=None)
    return prepare(dataset, model.spec.view_size, lambda at, total: bars.update(bar, completed=at, total=total))


def _counted(bars: Progress, what: str, total: int) -> Callable[[int, float], None]:
    bar = bars.add_task(what, total=total, visible=False)
    return lambda at, left: bars.update(bar, completed=at, visible=True, description=f"{what}: {left:.2f} unexplained")


def _bars(console: Console) -> AbstractContextManager[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console)
