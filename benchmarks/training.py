"""Training throughput with the data's loader against one batch kept in memory, in one run, in turns.

    python benchmarks/training.py DATASET [--stage demo_policy] [--steps 5] [--rounds 4] [--threads 1]

Prints one JSON line: samples/s of both, and what share of the time the loader costs (medians over the rounds).
"""

import argparse
import json
import platform
import statistics
import time
from pathlib import Path

import numpy as np
import torch

from gear_vla_ros.settings.training import load_training_spec
from gear_vla_ros.training import run as runs
from gear_vla_ros.training.batch import Batch
from gear_vla_ros.training.batches import Batches, Source
from gear_vla_ros.training.objective import Objective
from gear_vla_ros.training.prepared import prepare
from gear_vla_ros.training.targets import Targets


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--stage", default="demo_policy")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    training = load_training_spec(options.stage)
    model, _ = runs.network("demo", 0)
    samples = prepare(options.dataset, model.spec.view_size)
    codes = np.random.default_rng(0).integers(0, 8, (len(samples), model.spec.latents.tokens))
    source = Source(samples, Targets(codes, [[0] * 20] * len(samples)))
    total = options.steps * (options.rounds + 1)
    batches = Batches([source], model, training.model_copy(update={"steps": total}))
    objective = Objective(model, training).train()
    kept = batches.batch(0)

    def step(batch: Batch) -> None:
        generators = [torch.Generator().manual_seed(seed) for seed in (0, 1)]
        loss = objective(batch, *generators).total
        loss.backward()
        objective.zero_grad()

    step(kept)
    seconds: dict[str, list[float]] = {"kept": [], "loaded": []}
    for turn in range(options.rounds):
        for name, times in seconds.items():
            begun = time.perf_counter()
            for at in range(options.steps):
                step(kept if name == "kept" else batches.batch(options.steps * turn + at))
            times.append((time.perf_counter() - begun) / options.steps)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    print(
        json.dumps(
            {
                "benchmark": "training",
                "stage": options.stage,
                "robot": samples.robot,
                "batch": training.batch,
                "threads": options.threads,
                "samples_per_s": {name: round(training.batch / value, 1) for name, value in medians.items()},
                "loader_share": round(1 - medians["kept"] / medians["loaded"], 3),
                "rounds": {name: [round(value, 3) for value in times] for name, times in seconds.items()},
                "torch": torch.__version__,
                "machine": platform.processor() or platform.machine(),
            }
        )
    )


if __name__ == "__main__":
    main()
