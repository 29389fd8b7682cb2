"""The two losses of GEAR-VLA: next-token prediction for the VLM and flow matching for the action expert.

Source: paper section 3.1, eq. 1 and 2. Our choices, where the paper is silent: flow time is uniform on [0, 1); the
losses are means over targets, not sums, so that batches of different lengths weigh alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor
from torch.nn import functional

IGNORE = -100
"""Label of a position that is no target."""


class TargetKind(IntEnum):
    """What a target token stands for. TEXT holds answers, grounding and planning."""

    TEXT = 0
    FAST = 1
    LATENT = 2


@dataclass(frozen=True)
class TokenLoss:
    """total: scalar, the weighted mean over all targets. mean, count: of each kind that occurs, without weights."""

    total: Tensor
    mean: Mapping[TargetKind, float]
    count: Mapping[TargetKind, int]


def next_token_loss(
    logits: Tensor, labels: Tensor, kinds: Tensor, weights: Mapping[TargetKind, float] | None = None
) -> TokenLoss:
    """Loss of a sequence read from left to right (eq. 1): the logits at position i predict the label at i + 1.

    logits [B, L, V], labels [B, L] token ids or IGNORE, kinds [B, L] of TargetKind, read where labels are targets.
    Raises ValueError as `token_loss` does.
    """
    if logits.ndim != 3 or labels.shape != logits.shape[:2] or kinds.shape != labels.shape:
        raise ValueError(_shapes("[B, L, V]", "[B, L]", logits, labels, kinds))
    return token_loss(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), kinds[:, 1:].flatten(), weights)


def token_loss(
    logits: Tensor, labels: Tensor, kinds: Tensor, weights: Mapping[TargetKind, float] | None = None
) -> TokenLoss:
    """Loss where the logits at a position predict the label at that very position, as learned parallel queries do.

    logits [N, V], labels [N] token ids or IGNORE, kinds [N]. weights: of a target by its kind, 1 where not named.
    Without any target the total is 0 and still differentiable. ValueError for shapes that differ, a label or a kind out
    of range.
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or kinds.shape != labels.shape:
        raise ValueError(_shapes("[N, V]", "[N]", logits, labels, kinds))
    targets = labels != IGNORE
    labels, kinds = labels[targets], kinds[targets]  # [M]
    outside = (labels < 0) | (labels >= logits.shape[1])
    if outside.any():
        raise ValueError(
            f"label {int(labels[outside][0])} is out of range, allowed is 0..{logits.shape[1] - 1} or {IGNORE}"
        )
    losses = functional.cross_entropy(logits[targets].float(), labels, reduction="none")  # [M]
    weight = torch.ones_like(losses)
    mean, count = {}, {}
    for kind in TargetKind:
        chosen = kinds == kind
        if chosen.any():
            weight[chosen] = (weights or {}).get(kind, 1.0)
            mean[kind] = float(losses[chosen].detach().mean())
            count[kind] = int(chosen.sum())
    if sum(count.values()) != len(labels):
        raise ValueError(f"target kinds hold {sorted(set(kinds.tolist()))}, allowed are {[int(k) for k in TargetKind]}")
    return TokenLoss((losses * weight).sum() / weight.sum().clamp_min(1e-9), mean, count)


@dataclass(frozen=True)
class FlowSample:
    """A point on the way from noise to action for each chunk: what the expert sees and what it should answer.

    noisy: A_tau [B, K, D]. tau: flow time [B]. velocity: A - eps [B, K, D]. All float32. clean: bool [B, K], steps that
    are given clean, at flow time 1. counts: bool [B, K, D], True where the loss looks.
    """

    noisy: Tensor
    tau: Tensor
    clean: Tensor
    velocity: Tensor
    counts: Tensor

    @property
    def time(self) -> Tensor:
        """Flow time of each step [B, K]."""
        return torch.where(self.clean, 1.0, self.tau[:, None])


def arms_valid(arms: Tensor, steps: int, numbers: int) -> Tensor:
    """`arms` bool [B, A], False where an arm is padded -> bool [B, steps, A * numbers] for `flow_sample`."""
    return arms.repeat_interleave(numbers, dim=1)[:, None].expand(-1, steps, -1)


def flow_sample(
    actions: Tensor,
    valid: Tensor,
    *,
    delays: Tensor | None = None,
    early: float = 1.0,
    generator: torch.Generator | None = None,
) -> FlowSample:
    """Draw noise and flow time for normalised `actions` [B, K, D] (eq. 2: A_tau = tau A + (1 - tau) eps).

    valid: bool [B, K, D], False for a padded arm or a step past the episode's end; noisy is 0 there and no loss counts.
    delays: int64 [B]; so many first steps of each chunk are given clean, with tau = 1 and no loss: at run time those
    are under way while the expert works (training-time real-time chunking).
    early: 1 draws tau evenly; more draws it nearer to noise (Beta(1, early); pi0 has 1.5).
    The same generator state gives the same sample. Raises ValueError for shapes that do not fit.
    """
    if actions.ndim != 3 or valid.shape != actions.shape or valid.dtype != torch.bool:
        found = f"{list(actions.shape)} and {valid.dtype} {list(valid.shape)}"
        raise ValueError(f"flow actions and valid are {found}, allowed is [B, K, D] and bool of the same shape")
    batch, steps, _ = actions.shape
    device = actions.device
    known = torch.where(valid, actions.float(), 0.0)
    noise = torch.where(valid, torch.randn(actions.shape, generator=generator, device=device), 0.0)
    tau = 1.0 - (1.0 - torch.rand((batch, 1), generator=generator, device=device)) ** (1.0 / early)
    given = torch.zeros(batch, dtype=torch.long, device=device) if delays is None else delays
    clean = torch.arange(steps, device=device) < given[:, None]  # [B, K]
    time = torch.where(clean, 1.0, tau)  # [B, K]
    noisy = time[..., None] * known + (1.0 - time[..., None]) * noise
    return FlowSample(noisy, tau[:, 0], clean, known - noise, valid & ~clean[..., None])


def flow_matching_loss(velocity: Tensor, sample: FlowSample) -> Tensor:
    """Mean squared error of the expert's `velocity` [B, K, D] where `sample.counts`; 0 if nothing counts. Scalar."""
    if velocity.shape != sample.velocity.shape:
        raise ValueError(f"velocity has shape {list(velocity.shape)}, allowed is {list(sample.velocity.shape)}")
    error = torch.where(sample.counts, velocity.float() - sample.velocity, 0.0)
    return error.square().sum() / sample.counts.sum().clamp_min(1)


def _shapes(logits_want: str, labels_want: str, logits: Tensor, labels: Tensor, kinds: Tensor) -> str:
    found = f"logits {list(logits.shape)}, labels {list(labels.shape)}, kinds {list(kinds.shape)}"
    return f"{found}: allowed is {logits_want}, {labels_want}, {labels_want}"
