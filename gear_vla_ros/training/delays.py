"""Steps of a chunk that run anyway while it is made, as training gives them: for training-time real-time chunking.

Black et al. 2025 (arXiv 2512.05964) give the first steps of the demonstrated chunk clean. Those are what is decided
now. What is under way on a robot was decided before, from where the robot was then: fingers may be open in it that are
to close now, and a robot is behind its targets. So an earlier sample of the same episode can give them, or the targets
that were followed next: where a learner drove, those are what it had decided itself, right or wrong.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gear_vla_ros.geometry import se3
from gear_vla_ros.settings.model import ARMS, NUMBERS_PER_ARM
from gear_vla_ros.training.prepared import HZ, Prepared

SETTLE_STEPS = 15
"""Half a second: over so many steps a chunk goes from what is under way to what is decided now."""


def draw_delays(actions: Tensor, most: int, share: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    """How many first steps of each chunk of `actions` [B, K, D] are given: int64 [B], from 0..most in `share` of them.

    The generator is on the chunks' device. Raises ValueError for a delay that leaves nothing to be learned.
    """
    count, steps, _ = actions.shape
    if not 0 <= most < steps:
        raise ValueError(f"flow max_delay is {most}, allowed is 0..{steps - 1} for chunks of {steps} steps")
    delays = torch.randint(most + 1, (count,), generator=generator, device=actions.device)
    if share < 1.0:
        delays[torch.rand(count, generator=generator, device=actions.device) >= share] = 0
    return delays


def earlier_chunks(
    samples: Prepared, rows: NDArray[np.int64], ages: NDArray[np.int64], rate_hz: float
) -> NDArray[np.float32]:
    """`[B, K, D]`: what the sample `ages` before each of `rows` has for the same time, from where the tools are now.

    Steps beyond its end, and all where it is of another episode or instruction, are the sample's own. rate_hz: of the
    chunks.
    """
    chunks = np.array(samples.actions[rows])
    for at, (row, age) in enumerate(zip(rows.tolist(), ages.tolist(), strict=True)):
        before, gone = row - age, round(age * rate_hz / HZ)
        if age > 0 and gone < chunks.shape[1] and _same_way(samples, before, row):
            _moved(samples, before, row, gone, chunks[at])
    return chunks


def followed_instead(
    chunks: NDArray[np.float32], samples: Prepared, rows: NDArray[np.int64], those: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """`[B, K, D]` `chunks`, of `those` [B] with the first steps that were followed in the episode, where known."""
    told = np.array(samples.followed[rows])
    known = those & ~np.isnan(told).any(axis=(1, 2))
    out = chunks.copy()
    out[known, : told.shape[1]] = told[known]
    return out


def _same_way(samples: Prepared, before: int, row: int) -> bool:
    """Whether a robot may still follow the earlier sample's chunk."""
    if before < 0 or not (samples.known[before].all() and samples.known[row].all()):
        return False
    same = samples.episode[before] == samples.episode[row] and samples.task[before] == samples.task[row]
    return bool(same and samples.frame[row] - samples.frame[before] == (row - before) * samples.fps // HZ)


def _moved(samples: Prepared, before: int, row: int, gone: int, chunk: NDArray[np.float32]) -> None:
    """Into the first steps of `chunk` [K, D], those after `gone` of the earlier one, seen from the later anchor."""
    told = samples.actions[before, gone:].reshape(-1, ARMS, NUMBERS_PER_ARM).astype(np.float64)
    out = chunk.reshape(-1, ARMS, NUMBERS_PER_ARM)
    for side in np.flatnonzero(samples.arms):
        base_T_then, base_T_now = se3.from_xyz_rot6d(samples.state[[before, row], side, :9].astype(np.float64))
        now_T_tcp = se3.inverse(base_T_now) @ base_T_then @ se3.from_xyz_rot6d(told[:, side, :9])
        out[: len(told), side, :9] = se3.to_xyz_rot6d(now_T_tcp)
        out[: len(told), side, 9] = told[:, side, 9]


def gone_on_from(actions: Tensor, earlier: Tensor, delays: Tensor) -> Tensor:
    """Chunks `[B, K, D]` that begin with `delays` [B] steps of `earlier`, then go over to `actions`.

    Poses do so evenly within SETTLE_STEPS, by their numbers, so that the two must be near each other; fingers at once.
    """
    count, steps, numbers = actions.shape
    step = torch.arange(steps, device=actions.device)
    last = (delays - 1).clamp_min(0)
    gap = (earlier - actions)[torch.arange(count, device=actions.device), last]
    left = (1.0 - (step - last[:, None]) / SETTLE_STEPS).clamp(0.0, 1.0) * (delays > 0)[:, None]
    is_pose = torch.arange(numbers, device=actions.device) % NUMBERS_PER_ARM != NUMBERS_PER_ARM - 1
    after = actions + gap[:, None] * left[..., None] * is_pose
    return torch.where((step < delays[:, None])[..., None], earlier, after)
