"""How far a network's chunks are from those that a dataset has, in episodes that it need not have seen.

    python benchmarks/chunk_error.py CHECKPOINT DATASET [--samples 512]

CHECKPOINT is a run of gear-vla train or a checkpoint. Of each sample the arm counts that has farthest to go: the
distance between its tool after one second and where it should be then [cm], and whether its fingers are told the same
at the chunk's end. Of cubes and blocks, whether the nearest tool turns the way it should where it should turn by more
than TURNED_RAD about its approach: a network that knows nothing of it does so in half of the samples. Samples that only
hold an object are thinned as in training. Intervals of 95 % are over whole episodes, drawn again a thousand times:
neighbours of an episode tell little new.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gear_vla_ros.contracts.naming import kind_of
from gear_vla_ros.model.dropping import Dropped
from gear_vla_ros.model.gear_vla import GearVla
from gear_vla_ros.model.sampler import sample
from gear_vla_ros.settings.model import ARMS, NUMBERS_PER_ARM
from gear_vla_ros.settings.training import load_training_spec
from gear_vla_ros.training import run as runs
from gear_vla_ros.training.batch import Batch
from gear_vla_ros.training.batches import Batches, Source
from gear_vla_ros.training.objective import Objective
from gear_vla_ros.training.prepared import NOTHING, Prepared, prepare
from gear_vla_ros.training.targets import nothing

STAGE, HELD, CLOSED = "demo_pretraining", 0.25, 0.5
TURNED_RAD, X_AXIS = 0.2, slice(3, 5)
"""X_AXIS: of an arm's numbers, x and y of the first column of its rotation."""
DRAWS, ENDS = 1000, (0.025, 0.975)


@dataclass(frozen=True)
class ChunkErrors:
    """Of N samples: distance after the last step [cm], same fingers bool, the episode, the kind of the named object,
    and whether the tool turns the right way (1 or 0; NaN where it is to turn little) `[N]`."""

    distance_cm: NDArray[np.float64]
    same_fingers: NDArray[np.bool_]
    episode: NDArray[np.int64]
    kind: NDArray[np.str_]
    right_way: NDArray[np.float64]

    def turns(self, kind: str) -> tuple[float, float, float, int]:
        """Share of the samples of that kind of object that turn the right way, the ends of its interval, how many."""
        those = (self.kind == kind) & np.isfinite(self.right_way)
        return *self._interval(self.right_way[those], np.mean, self.episode[those]), int(those.sum())

    def median_cm(self) -> tuple[float, float, float]:
        """And the ends of its interval."""
        return self._interval(self.distance_cm, np.median, self.episode)

    def fingers(self) -> tuple[float, float, float]:
        """Share of samples with the same fingers, and the ends of its interval."""
        return self._interval(self.same_fingers.astype(float), np.mean, self.episode)

    @staticmethod
    def _interval(
        values: NDArray[np.float64], of: Callable[..., Any], episode: NDArray[np.int64]
    ) -> tuple[float, float, float]:
        random = np.random.default_rng(0)
        by_episode = [values[episode == one] for one in np.unique(episode)]
        drawn = random.integers(0, len(by_episode), (DRAWS, len(by_episode)))
        again = [of(np.concatenate([by_episode[index] for index in row])) for row in drawn]
        low, high = np.quantile(again, ENDS)
        return float(of(values)), float(low), float(high)


def chunk_errors(model: GearVla, samples: Prepared, count: int, seed: int = 0, batch: int = 64) -> ChunkErrors:
    """Over `count` samples, drawn by `seed` as the flow's noise is. Raises ValueError when nothing is done in them."""
    if not samples.acting:
        raise ValueError(f"{samples.robot}: rendered scenes, in which nothing is done; give a dataset of episodes")
    steps = -(-count // batch)
    changed = {"batch": batch, "steps": steps, "seed": seed, "retold": 0.0, "vary_pictures": False, "held": HELD}
    training = load_training_spec(STAGE).model_copy(update=changed)
    objective = Objective(model, training).eval()
    batches = Batches([Source(samples, nothing(samples, model.spec))], model, training)
    noise = torch.Generator().manual_seed(seed)
    distances, fingers, ways, all_rows = [], [], [], []
    for step in range(steps):
        drawn = batches.batch(step)
        with torch.inference_mode():
            distance, same, way = _of_batch(objective, drawn, noise)
        distances.append(distance)
        fingers.append(same)
        ways.append(way)
        all_rows.append(batches.rows(step)[1])
    known, rows = torch.cat(distances).isfinite().numpy(), np.concatenate(all_rows)
    return ChunkErrors(
        torch.cat(distances).double().numpy()[known],
        torch.cat(fingers).numpy()[known],
        samples.episode[rows][known],
        np.array([_kind(samples, row) for row in rows.tolist()])[known],
        torch.cat(ways).double().numpy()[known],
    )


def nearest_arm(batch: Batch) -> Tensor:
    """Arm whose tool is nearest to the named object `[B]`."""
    return torch.where(batch.near_known[:, 0], batch.near[:, 0, :, :3].norm(dim=-1), torch.inf).argmin(dim=1)


def _kind(samples: Prepared, row: int) -> str:
    named = samples.named(row)[0]
    return "" if named == NOTHING else kind_of(samples.names_of(row)[named])


def _of_batch(objective: Objective, batch: Batch, noise: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Distance [cm], NaN where the chunk is not known to its end, whether fingers are the same, and whether the tool
    turns the right way, NaN where it is to turn little `[B]`."""
    model, count = objective.model, len(batch.actions)
    nobody = torch.zeros(count, dtype=torch.bool)
    latents, _, _ = objective.say(batch, Dropped(nobody, nobody))
    state = model.state_tokens(batch.inputs)
    normal = sample(
        lambda actions, tau: model.expert.velocity(actions, tau, latents, state),
        torch.randn(batch.actions.shape, generator=noise),
        model.spec.expert.flow_steps,
    )
    found, wanted, known = (
        part[:, -1].unflatten(-1, (ARMS, NUMBERS_PER_ARM))
        for part in (model.statistics.denormalise(normal), batch.actions, batch.valid)
    )
    there = known.all(dim=-1)
    way = torch.where(there, wanted[..., :3].norm(dim=-1), -1.0)
    arm, rows = way.argmax(dim=1), torch.arange(count)
    off = 100 * (found - wanted)[rows, arm, :3].norm(dim=-1)
    same = (found[rows, arm, -1] > CLOSED) == (wanted[rows, arm, -1] > CLOSED)
    nearest = nearest_arm(batch)
    turns = [torch.atan2(*one[rows, nearest, X_AXIS].flip(-1).unbind(-1)) for one in (found, wanted)]
    far = there[rows, nearest] & (turns[1].abs() > TURNED_RAD)
    right_way = torch.where(far, (turns[0] * turns[1] > 0).float(), torch.nan)
    return torch.where(there.any(dim=1), off, torch.nan), same, right_way


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="checkpoint, or folder of a run of gear-vla train")
    parser.add_argument("dataset", type=Path, help="LeRobot dataset")
    parser.add_argument("--samples", type=int, default=512)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model, _ = runs.network(options.checkpoint, 0)
    samples = prepare(options.dataset, model.spec.view_size)
    runs.welcome(model, [samples])
    found = chunk_errors(model, samples, options.samples, options.seed)
    median, low, high = found.median_cm()
    same, least, most = found.fingers()
    print(
        f"{len(found.episode)} samples of {len(np.unique(found.episode))} episodes of {samples.robot}: after 1 s "
        f"{median:.2f} cm off in the median ({low:.2f} to {high:.2f}), worst tenth from "
        f"{np.quantile(found.distance_cm, 0.9):.2f}; fingers as they should be in {same:.1%} "
        f"({least:.1%} to {most:.1%})"
    )
    for kind in ("cube", "block"):
        if np.isfinite(found.right_way[found.kind == kind]).any():
            share, least, most, count = found.turns(kind)
            print(f"{kind}s: turns the right way in {share:.0%} of {count} ({least:.0%} to {most:.0%}; chance is 50 %)")


if __name__ == "__main__":
    main()
