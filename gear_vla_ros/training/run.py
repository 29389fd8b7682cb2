"""From datasets and a network to a trained checkpoint, in a run's folder."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import yaml

from gear_vla_ros.model import checkpoint
from gear_vla_ros.model.gear_vla import GearVla
from gear_vla_ros.model.text import make_tokens
from gear_vla_ros.settings.model import NUMBERS_PER_ARM, load_model_spec
from gear_vla_ros.settings.training import TrainingSpec
from gear_vla_ros.training import targets
from gear_vla_ros.training.batches import Batches, Source
from gear_vla_ros.training.objective import Objective
from gear_vla_ros.training.prepared import Prepared
from gear_vla_ros.training.sides import changed_numbers
from gear_vla_ros.training.targets import Tokenizers
from gear_vla_ros.training.trainer import MODEL, STATE, Trainer, newest_step

SPEC = "training.yaml"
STATISTICS_CHUNKS = 20_000


def network(name_or_folder: str, seed: int) -> tuple[GearVla, Path | None]:
    """Random weights of the sizes of that name, or the network of a checkpoint's or a run's folder; and that folder.

    Raises FileNotFoundError or ValueError when it cannot be used.
    """
    folder = Path(name_or_folder)
    if not folder.is_dir():
        torch.manual_seed(seed)
        spec = load_model_spec(name_or_folder)
        return GearVla(spec, make_tokens(spec)), None
    newest = newest_step(folder)
    return checkpoint.load(newest / MODEL if newest else folder), folder


def welcome(model: GearVla, sources: Sequence[Prepared]) -> None:
    """Give the network a new state projector for each robot that it does not know."""
    for source in sources:
        if source.embodiment not in model.spec.embodiments:
            model.add_embodiment(source.embodiment, source.state.shape[-1] - 10)


def grow(model: GearVla, training: TrainingSpec) -> None:
    """Give the network the convolutions that the stage asks for, where it has none. Raises ValueError where it has
    others, or a stem that can have none."""
    if training.convolutions and training.convolutions != model.spec.vision.convolutions:
        torch.manual_seed(training.seed)
        model.add_convolutions(training.convolutions)


def check_sources(model: GearVla, sources: Sequence[Prepared]) -> None:
    """Raises ValueError when the network has no projector for a robot's embodiment, or of other joints."""
    for source in sources:
        joints = model.spec.embodiments.get(source.embodiment)
        if joints is None or joints + 10 != source.state.shape[-1]:
            known = ", ".join(f"{name} ({count} joints)" for name, count in model.spec.embodiments.items())
            found = f"'{source.embodiment}' with {source.state.shape[-1] - 10} joints"
            raise ValueError(f"robot {source.robot}: embodiment {found}; the network has {known}")


def begin(
    model: GearVla,
    start: Path | None,
    sources: Sequence[Prepared],
    training: TrainingSpec,
    folder: Path,
    tokenizer_steps: int,
    told: Callable[[int, float], None],
) -> list[Source]:
    """Claim the run's folder, and make or find its tokenizers and statistics.

    Those that the network has, or the run that it starts from, are taken over; an arm that no data had before gets its
    statistics. Raises ValueError when the folder belongs to a run of other settings, or in no source is there what the
    stage learns from.
    """
    file, wanted = folder / SPEC, yaml.safe_dump(training.model_dump(mode="json"), sort_keys=False)
    if file.is_file() and file.read_text(encoding="utf-8") != wanted:
        raise ValueError(f"{file}: a run of other settings; choose another folder, or go on with its settings")
    folder.mkdir(parents=True, exist_ok=True)
    before = _run_of(start)
    acting = [source for source in sources if source.acting]
    if training.stage == "convolutional_stem":
        _check_turns(sources)
    elif not acting:
        raise ValueError("data: rendered scenes alone, in which nothing is done; give a dataset of episodes with them")
    if acting:
        fit_statistics(model, acting, training.either_side)
    fitted = next((run for run in (folder, before) if run is not None and (run / targets.FAST).is_file()), None)
    tokenizers = None
    if fitted is not None:
        tokenizers = Tokenizers.load(fitted)
    elif training.weights.latent or training.weights.fast:
        tokenizers = targets.fit(acting, model.spec, tokenizer_steps, training.seed, told)
    if tokenizers is not None:
        tokenizers.save(folder)
    file.write_text(wanted, encoding="utf-8")
    if tokenizers is None:
        return [Source(source, targets.nothing(source, model.spec)) for source in sources]
    kept = [folder / f"targets_{source.robot}_{source.digest}.npz" for source in sources]
    for mine in kept:
        made = None if before is None else before / mine.name
        if made is not None and made.is_file() and not mine.is_file():
            shutil.copyfile(made, mine)
    return [
        Source(source, targets.targets(source, tokenizers, file)) for source, file in zip(sources, kept, strict=True)
    ]


def _check_turns(sources: Sequence[Prepared]) -> None:
    if not any(np.isfinite(source.turn).any() for source in sources):
        raise ValueError(
            "data: no dataset says how objects lie; convert simulated episodes anew, or give rendered scenes"
        )


def _run_of(folder: Path | None) -> Path | None:
    """The run that a folder is, or whose step or checkpoint it is."""
    places = [] if folder is None else [folder, *folder.resolve().parents[:2]]
    return next((place for place in places if (place / SPEC).is_file()), None)


def fit_statistics(model: GearVla, sources: Sequence[Prepared], either_side: bool) -> None:
    """Ranges of the actions that have none yet, over as many chunks of each robot; of a single arm for both sides if it
    may be either."""
    random, chunks, valid = np.random.default_rng(0), [], []
    for source in sources:
        count = min(len(source), STATISTICS_CHUNKS // len(sources))
        rows = np.sort(random.choice(len(source), count, replace=False))
        chunks.append(torch.from_numpy(source.actions[rows]))
        there = source.known[rows][..., None] & source.arms.repeat(NUMBERS_PER_ARM)
        valid.append(torch.from_numpy(there))
        if either_side and source.arms.sum() == 1:
            chunks.append(changed_numbers(chunks[-1]))
            valid.append(changed_numbers(valid[-1]))
    model.statistics.fit(torch.cat(chunks), torch.cat(valid))


def trainer(
    model: GearVla, start: Path | None, sources: Sequence[Source], training: TrainingSpec, folder: Path, cpu: bool
) -> Trainer:
    """Ready to run; the grounding head is that of the run that it starts from, or begins at the stage's seed."""
    torch.manual_seed(training.seed)
    objective = Objective(model, training)
    before = _run_of(start)
    newest = None if before is None else newest_step(before)
    if objective.grounding is not None and newest is not None:
        trained = torch.load(newest / STATE, weights_only=True, map_location="cpu")["grounding"]
        if trained:
            objective.grounding.take_over(trained)
    return Trainer(objective, Batches(sources, model, training), training, folder, cpu)
