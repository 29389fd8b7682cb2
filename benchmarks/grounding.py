"""Whether a run's latents find the object that the sentence names, in a dataset that it may not have seen.

Example: python benchmarks/grounding.py RUN DATASET [--samples 256]

It says too how well it is known how blocks and cubes lie, where the dataset tells that: rendered scenes
(gear-vla sim scenes), and datasets converted since they hold it.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import torch
from chunk_error import nearest_arm

from gear_vla_ros.model.dropping import Dropped
from gear_vla_ros.settings.training import load_training_spec
from gear_vla_ros.training import run as runs
from gear_vla_ros.training import scenes
from gear_vla_ros.training.batch import Batch
from gear_vla_ros.training.batches import Batches, Source
from gear_vla_ros.training.grounding import LOOKERS, LOOKERS_OF, LOOKING, NEAR_M, nearby_tokens
from gear_vla_ros.training.objective import Objective
from gear_vla_ros.training.prepared import prepare
from gear_vla_ros.training.targets import nothing
from gear_vla_ros.training.trainer import STATE, newest_step
from gear_vla_ros.training.whereabouts import FOLDS

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
    rendered = (options.dataset / scenes.ABOUT).is_file()
    samples = (scenes.load if rendered else prepare)(options.dataset, model.spec.view_size)
    source = Source(samples, nothing(samples, model.spec))
    for retold in (0.0, 1.0):
        changed = {"batch": options.samples, "steps": 1, "seed": options.seed, "retold": retold}
        training = load_training_spec("demo_pretraining").model_copy(update={**changed, "vary_pictures": False})
        objective = Objective(model, training).train()
        assert objective.grounding is not None
        objective.grounding.take_over(torch.load(newest / STATE, weights_only=True)["grounding"])
        batch, nobody = Batches([source], model, training).batch(0), torch.zeros(options.samples, dtype=torch.bool)
        paid: list[torch.Tensor] = []
        with torch.inference_mode():
            latents, _, prefix = objective.say(batch, Dropped(nobody, nobody), paid)
            read = objective.grounding(latents)
        off = (read.places * NEAR_M - batch.near)[:, 0, :, :3]  # [B, 2, 3], each arm's tool frame
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
        _tell_turns(read.turn, batch)
        _tell_by_place(off, batch)


def _tell_turns(found: torch.Tensor, batch: Batch) -> None:
    """Angles from which objects look the same are told apart by kind: half a turn of a block, a quarter of a cube."""
    arm, rows = nearest_arm(batch), torch.arange(len(found))
    known = batch.turn[rows, arm].isfinite().unflatten(-1, (-1, 2)).all(dim=-1)  # [B, frames * FOLDS]
    for index, kind in enumerate(("blocks", "cubes")):
        fold, those = FOLDS[index], known[:, index] & (known[:, 0] == (index == 0))
        if not those.any():
            continue
        angles = [one[rows, arm][those].unflatten(-1, (-1, 2))[:, index].flip(-1) for one in (found, batch.turn)]
        mine, right = (torch.atan2(*angle.unbind(-1)) for angle in angles)
        wrong = torch.atan2((mine - right).sin(), (mine - right).cos()).abs().rad2deg() / fold
        print(
            f"  how {kind} lie before the nearest tool, {len(wrong)}: wrong by {wrong.median():.0f} degrees, "
            f"worst tenth from {wrong.quantile(0.9):.0f}; not knowing it would be {90 / fold:.0f}"
        )


def _tell_by_place(off: torch.Tensor, batch: Batch) -> None:
    """Errors across the approach of the arm that is nearest, by where its tool is: grasps are decided low and near.

    off: found less true place `[B, 2, 3]` [m] of the named object in each arm's tool frame, whose z is the approach.
    """
    near, rows = batch.near[:, 0, :, :3], torch.arange(len(off))
    arm = nearest_arm(batch)
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
