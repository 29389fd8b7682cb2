"""The loop of training, on accelerate: one CPU, one GPU, or many processes, with the same code.

A run's folder holds `step-<n>/` with `model/` (a checkpoint as every other), the optimiser's state and the heads that
only training has; `metrics.jsonl`; TensorBoard's events. A folder of a step gets its name when it is complete, so that
a run survives a kill, and goes on to the same bits.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from gear_vla_ros.model import checkpoint
from gear_vla_ros.settings.training import TrainingSpec
from gear_vla_ros.training import groups
from gear_vla_ros.training.average import Average
from gear_vla_ros.training.batch import Batch
from gear_vla_ros.training.batches import Batches
from gear_vla_ros.training.objective import Objective

MODEL, STATE, STEP = "model", "state.pt", "step.json"
PARTIAL = ".partial"
KEPT = 2
"""Steps whose folders are kept."""


@dataclass(frozen=True)
class Progress:
    """After a step. parts: losses by name, in the mean of all processes. left_s: until the last step, at the mean
    speed so far."""

    step: int
    steps: int
    parts: dict[str, float]
    samples_per_s: float
    left_s: float


Told = Callable[[Progress], None]


class Trainer:
    """For one run of one stage in one folder."""

    def __init__(
        self, objective: Objective, batches: Batches, training: TrainingSpec, folder: Path, cpu: bool = False
    ) -> None:
        """Raises ValueError when the batch cannot be shared among the processes."""
        precision = "bf16" if training.precision == "bfloat16" else "no"
        unused = DistributedDataParallelKwargs(find_unused_parameters=True, gradient_as_bucket_view=True)
        self._accelerator = Accelerator(cpu=cpu, mixed_precision=precision, kwargs_handlers=[unused])
        processes = self._accelerator.num_processes
        if training.batch % processes:
            raise ValueError(f"batch: {training.batch} samples cannot be shared by {processes} processes")
        self._training, self._batches, self._folder = training, batches, folder
        self._chosen = groups.choose(objective.model, training)
        weights = list(groups.for_optimiser(self._chosen, training))
        if objective.grounding is not None:
            weights.append({"params": list(objective.grounding.parameters()), "name": "grounding"})
        if training.gradient_checkpointing:
            objective.model.recompute = True
        if training.compiled:
            objective.model.compile_parts()
        self._objective = self._accelerator.prepare(objective)
        self._sharded = training.sharded_optimiser and processes > 1
        self._optimiser = _adamw(weights, training, self._sharded)
        self._learning = [weight for group in weights for weight in group["params"]]  # type: ignore[attr-defined]
        self._average = Average(self._learning, training.averaged)

    @property
    def about(self) -> str:
        """One line: what is trained, and where."""
        accelerator = self._accelerator
        where = f"{accelerator.num_processes} x {accelerator.device.type}, {accelerator.mixed_precision}"
        return f"{groups.describe(self._chosen)}; {where}"

    def run(self, told: Told, save_every: int, log_every: int = 10) -> Path:
        """All steps from the newest one that was saved; the folder of the last one."""
        begin = self._resume()
        self._objective.train()
        with self._log(begin) as log:
            begun = time.monotonic()
            for step in range(begin, self._training.steps):
                parts = self._step(step)
                done, passed = step + 1 - begin, time.monotonic() - begun
                if (step + 1) % log_every == 0 or step + 1 == self._training.steps:
                    speed = self._training.batch * done / passed
                    left_s = passed / done * (self._training.steps - step - 1)
                    progress = Progress(step + 1, self._training.steps, parts, speed, left_s)
                    log(progress)
                    told(progress)
                if (step + 1) % save_every == 0 and step + 1 < self._training.steps:
                    self._save(step + 1)
        return self._save(self._training.steps)

    def _step(self, step: int) -> dict[str, float]:
        accelerator, training = self._accelerator, self._training
        rank = accelerator.process_index
        batch = to_device(self._batches.batch(step, rank, accelerator.num_processes), accelerator.device)
        shared = _generator(torch.device("cpu"), training.seed, step)
        own = _generator(accelerator.device, training.seed, step, rank)
        for group in self._optimiser.param_groups:
            group["lr"] = training.learning_rate_at(step)
        with accelerator.autocast(), self._attention():
            losses = self._objective(batch, shared, own)
        accelerator.backward(losses.total)
        accelerator.clip_grad_norm_(self._learning, training.clip_norm)
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        self._average.update(step)
        names = list(losses.parts)
        means: Tensor = accelerator.reduce(torch.stack([losses.parts[name] for name in names]), "mean")
        return dict(zip(names, means.tolist(), strict=True))

    def _attention(self) -> AbstractContextManager[Any]:
        """On a CPU the fused kernel's backward pass is slow in bfloat16: a step takes a fifth longer with it."""
        on_cpu = self._accelerator.device.type == "cpu"
        plain = on_cpu and self._accelerator.mixed_precision == "bf16"
        return sdpa_kernel([SDPBackend.MATH]) if plain else nullcontext()

    def _resume(self) -> int:
        """The step to go on with."""
        newest = newest_step(self._folder)
        if newest is None:
            return 0
        said = json.loads((newest / STEP).read_text(encoding="utf-8"))
        objective: Any = self._accelerator.unwrap_model(self._objective)
        loaded = checkpoint.load(newest / MODEL)
        objective.model.load_state_dict(loaded.state_dict())
        state = torch.load(newest / STATE, weights_only=True, map_location="cpu")
        self._optimiser.load_state_dict(state["optimiser"])
        if objective.grounding is not None and state["grounding"]:
            objective.grounding.load_state_dict(state["grounding"])
        self._average.resume(state.get("trained", ()))
        return int(said["step"])

    def _save(self, step: int) -> Path:
        """Write the step's folder, whole or not at all; older ones go."""
        final = self._folder / f"step-{step:07d}"
        if self._sharded:
            self._optimiser.consolidate_state_dict(to=0)
        self._accelerator.wait_for_everyone()
        if self._accelerator.is_main_process:
            partial = final.with_name(final.name + PARTIAL)
            shutil.rmtree(partial, ignore_errors=True)
            objective: Any = self._accelerator.unwrap_model(self._objective)
            with self._average.in_place() as trained:
                checkpoint.save(objective.model, partial / MODEL)
                heads = objective.grounding.state_dict() if objective.grounding is not None else {}
                state = {"optimiser": self._optimiser.state_dict(), "grounding": heads, "trained": trained}
                torch.save(state, partial / STATE)
            (partial / STEP).write_text(json.dumps({"step": step, "stage": self._training.stage}))
            shutil.rmtree(final, ignore_errors=True)
            partial.replace(final)
            for old in saved_steps(self._folder)[:-KEPT]:
                shutil.rmtree(old)
        self._accelerator.wait_for_everyone()
        return final

    @contextmanager
    def _log(self, begin: int) -> Iterator[Told]:
        """Lines of metrics.jsonl and TensorBoard's scalars from step `begin` on, by the first process."""
        if not self._accelerator.is_main_process:
            yield lambda progress: None
            return
        from torch.utils.tensorboard import SummaryWriter

        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / "metrics.jsonl"
        _forget(file, begin)
        with file.open("a", encoding="utf-8") as lines:
            writer = SummaryWriter(str(self._folder), purge_step=begin + 1)  # type: ignore[no-untyped-call]

            def log(progress: Progress) -> None:
                numbers = {**progress.parts, "samples_per_s": round(progress.samples_per_s, 2)}
                lines.write(json.dumps({"step": progress.step, **numbers}) + "\n")
                lines.flush()
                for name, value in numbers.items():
                    writer.add_scalar(name, value, progress.step)  # type: ignore[no-untyped-call]

            try:
                yield log
            finally:
                writer.close()  # type: ignore[no-untyped-call]


def _adamw(weights: list[dict[str, Any]], training: TrainingSpec, sharded: bool) -> Any:
    """sharded: this process keeps the state of its part of the weights, and gets the rest from the others."""
    rate, decay = training.learning_rate, training.weight_decay
    if sharded:
        from torch.distributed.optim import ZeroRedundancyOptimizer

        return ZeroRedundancyOptimizer(weights, torch.optim.AdamW, lr=rate, weight_decay=decay)
    return torch.optim.AdamW(weights, lr=rate, weight_decay=decay)


def _forget(file: Path, after: int) -> None:
    """Lines of steps that a cut run made after the last one it saved; they are made again."""
    if file.is_file():
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
        file.write_text("".join(f"{line}\n" for line in lines if json.loads(line)["step"] <= after), encoding="utf-8")


def _generator(device: torch.device, *key: int) -> torch.Generator:
    """Of its own for each key."""
    made = torch.Generator(device=device)
    made.manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1))
    return made


def saved_steps(folder: Path) -> list[Path]:
    """Folders of complete steps, oldest first."""
    return sorted(path for path in folder.glob("step-*") if path.suffix != PARTIAL and (path / STEP).is_file())


def newest_step(folder: Path) -> Path | None:
    """Folder of the newest complete step."""
    found = saved_steps(folder)
    return found[-1] if found else None


def to_device(batch: Batch, device: torch.device) -> Batch:
    """All tensors there."""

    def moved(thing: Any) -> Any:
        if isinstance(thing, Tensor):
            return thing.to(device)
        if hasattr(thing, "__dataclass_fields__"):
            return type(thing)(**{name: moved(getattr(thing, name)) for name in thing.__dataclass_fields__})
        return thing

    return moved(batch)  # type: ignore[no-any-return]
