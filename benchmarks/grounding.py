"""Whether a run's latents find the object that the sentence names, in a dataset that it may not have seen.

Example: python benchmarks/grounding.py RUN DATASET [--samples 256]
"""

import argparse
from itertools import pairwise
from pathlib import Path

import torch

from gear_vla_ros.model.dropping import Dropped
from gear_vla_ros.settings.training import load_training_spec
from gear_vla_ros.training import run as runs
from gear_vla_ros.training.batch import Batch
from gear_vla_ros.training.batches import Batches, Source
from gear_vla_ros.training.grounding import LOOKERS, LOOKERS_OF, LOOKING, NEAR_M, nearby_tokens
from gear_vla_ros.training.objective import Objective
from gear_vla_ros.training.prepared import prepare
from gear_vla_ros.training.targets import nothing
from gear_vla_ros.training.trainer import STATE, newest_step

HEIGHTS_M, ASIDES_M = (0.0, 0.03, 0.08, 0.3), (0.0, 0.015, 0.04, 0.12)
"""Of the nearest tool before the named object along its approach, and beside it: bounds of the rows told apart."""
CENTRED = 0.05
"""Least share of the token looked at, of the tokens around the object's middle."""


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    model, _ = runs.network(str(options.run), 0)
    newest = newest_step(options.run)
    if newest is None:
        raise SystemExit(f"{options.run}: no step-<n> folder; give the folder of a run of gear-vla train")
    samples = prepare(options.dataset, model.spec.view_size)
    source = Source(samples, nothing(samples, model.spec))
    for retold in (0.0, 1.0):
        changed = {"batch": options.samples, "steps": 1, "seed": options.seed, "retold": retold}
        training = load_training_spec("demo_pretraining").model_copy(update={**changed, "vary_pictures": False})
        objective = Objective(model, training).train()
        assert objective.grounding is not None
        objective.grounding.load_state_dict(torch.load(newest / STATE, weights_only=True)["grounding"])
        batch, nobody = Batches([source], model, training).batch(0), torch.zeros(options.samples, dtype=torch.bool)
        paid: list[torch.Tensor] = []
        with torch.inference_mode():
            latents, _, prefix = objective.say(batch, Dropped(nobody, nobody), paid)
            found = objective.grounding(latents).places
        off = (found * NEAR_M - batch.near)[:, 0, :, :3]  # [B, 2, 3], each arm's tool frame
        wrong = off.norm(dim=-1)[batch.near_known[:, 0]] * 100
        looked = paid[LOOKING.stop - 1][:, LOOKERS[0] * paid[0].shape[1] // LOOKERS_OF, :, prefix.layout.views[0]]
        point = batch.point[:, 0, 0]
        inside = ((point >= 0) & (point < 1)).all(dim=-1)
        shares = nearby_tokens(point, round(looked.shape[-1] ** 0.5))
        hit = shares.gather(1, looked.mean(dim=1).argmax(dim=1, keepdim=True))[inside, 0] > CENTRED
        print(
            f"{'retold' if retold else 'as recorded'}: place wrong by {wrong.median():.2f} cm, "
            f"worst tenth from {wrong.quantile(0.9):.2f} cm; its token looked at in {hit.float().mean():.1%}"
        )
        _tell_by_place(off, batch)


def _tell_by_place(off: torch.Tensor, batch: Batch) -> None:
    """Errors across the approach of the arm that is nearest, by where its tool is: grasps are decided low and near.

    off: found less true place `[B, 2, 3]` [m] of the named object in each arm's tool frame, whose z is the approach.
    """
    near, rows = batch.near[:, 0, :, :3], torch.arange(len(off))
    arm = torch.where(batch.near_known[:, 0], near.norm(dim=-1), torch.inf).argmin(dim=1)
    at, error = near[rows, arm], off[rows, arm, :2].norm(dim=-1) * 100
    up, aside = at[:, 2].abs(), at[:, :2].norm(dim=-1)
    for low, high in pairwise(HEIGHTS_M):
        for inner, outer in pairwise(ASIDES_M):
            here = error[(up >= low) & (up < high) & (aside >= inner) & (aside < outer)]
            if len(here):
                print(
                    f"  {100 * low:2.0f}-{100 * high:2.0f} cm above, {100 * inner:3.1f}-{100 * outer:4.1f} beside: "
                    f"{len(here) / len(error):5.1%} of the samples, place wrong across by {here.median():.2f} cm, "
                    f"worst tenth from {here.quantile(0.9):.2f}"
                )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run of gear-vla train")
    parser.add_argument("dataset", type=Path, help="LeRobot dataset with objects' places")
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
