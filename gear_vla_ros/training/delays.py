"""Steps of a chunk that run anyway while it is made, as training gives them: for training-time real-time chunking.

Black et al. 2025 (arXiv 2512.05964) give the first steps of the demonstrated chunk clean. Those begin where the robot
is. What is under way on a robot does not: a robot is behind its targets, so that the steps under way begin ahead of it
(docs/policy.md).
"""

import torch
from torch import Tensor


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


def run_ahead(
    actions: Tensor, valid: Tensor, delays: Tensor, most: float, generator: torch.Generator | None = None
) -> Tensor:
    """Chunks `actions` [B, K, D] whose first steps are given (`delays` [B] > 0), begun up to `most` steps ahead.

    The lead of each chunk is drawn from [0, most] and shrinks evenly to nothing at its last step: the same path,
    entered further on, with the same end. Numbers between two steps are interpolated. A chunk that is not `valid` (bool
    [B, K, D]) to its last step stays as it is. Raises ValueError for a lead beyond the chunk's end.
    """
    count, steps, _ = actions.shape
    if not 0 <= most <= steps - 1:
        raise ValueError(f"ahead_steps is {most:g}, allowed is 0 to {steps - 1} for chunks of {steps} steps")
    if most == 0:
        return actions
    whole = (valid == valid[:, :1]).all(dim=2).all(dim=1)
    lead = most * torch.rand(count, generator=generator, device=actions.device) * (whole & (delays > 0))
    step = torch.arange(steps, device=actions.device)
    at = step + lead[:, None] * (1.0 - step / (steps - 1))  # [B, K]
    before = at.floor().long().clamp(max=steps - 2)
    rows = torch.arange(count, device=actions.device)[:, None]
    between = (at - before)[..., None]
    return actions[rows, before] * (1.0 - between) + actions[rows, before + 1] * between
