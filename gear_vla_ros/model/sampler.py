"""From noise to a chunk: Euler's method outside the network (paper, eq. 2)."""

from collections.abc import Callable

import torch
from torch import Tensor

Velocity = Callable[[Tensor, Tensor], Tensor]


def sample(velocity: Velocity, noise: Tensor, steps: int, prefix: Tensor | None = None) -> Tensor:
    """Integrate `velocity(A_tau, tau)` from tau = 0 (noise [B, K, D]) to 1 in `steps` equal steps.

    prefix: [B, d, D], the first d steps of the chunk, already under way; they are given clean with tau = 1 at every
    step and come back unchanged (training-time real-time chunking). Raises ValueError if it does not fit.
    """
    batch, length, numbers = noise.shape
    known = 0 if prefix is None else prefix.shape[1]
    if prefix is not None and (prefix.shape[0] != batch or known > length or prefix.shape[2] != numbers):
        raise ValueError(f"prefix: {list(prefix.shape)}, allowed [{batch}, up to {length}, {numbers}]")
    clean = torch.arange(length, device=noise.device) < known  # [K]
    actions = noise if prefix is None else torch.cat([prefix, noise[:, known:]], dim=1)
    for step in range(steps):
        tau = torch.where(clean, 1.0, step / steps).expand(batch, -1)  # [B, K]
        moved = actions + velocity(actions, tau) / steps
        actions = torch.where(clean[:, None], actions, moved)
    return actions
