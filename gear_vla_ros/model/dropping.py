"""Attention-level modality dropping: which weights of a training sample are set to zero (paper, App. A)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gear_vla_ros.model.sequence import Layout
from gear_vla_ros.settings.model import DroppingSpec


@dataclass(frozen=True)
class Dropped:
    """wrist, state: bool [B], true where action queries do not get that part."""

    wrist: Tensor
    state: Tensor


def draw(spec: DroppingSpec, batch: int, generator: torch.Generator | None = None) -> Dropped:
    """One draw a sample: wrist views, state, both, or nothing."""
    uniform = torch.rand(batch, generator=generator)
    both_from, nothing_from = spec.wrist + spec.state, spec.wrist + spec.state + spec.both
    both = (uniform >= both_from) & (uniform < nothing_from)
    wrist = (uniform < spec.wrist) | both
    state = ((uniform >= spec.wrist) & (uniform < both_from)) | both
    return Dropped(wrist, state)


def language_keep(dropped: Dropped, at: Layout, queries: Tensor, keys: int) -> Tensor:
    """What the language model's weights are multiplied with, float [B, 1, Q, K].

    queries: bool [Q], true for action-prediction queries (latent action and FAST tokens); keys: K, prefix first.
    """
    keep = torch.ones(len(dropped.wrist), 1, len(queries), keys, device=queries.device)
    for view in at.views[1:]:
        keep[:, :, :, view] = torch.where((dropped.wrist[:, None] & queries)[:, None, :, None], 0.0, 1.0)
    state = torch.where((dropped.state[:, None] & queries)[:, None, :, None], 0.0, 1.0)
    keep[:, :, :, at.state] = state
    return keep
