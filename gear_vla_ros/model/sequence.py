"""The language model's sequence: views, state, instruction, then what is to be said. Layout, positions, masks.

Order (paper, Fig. 2): for each view <vision_start> tokens <vision_end>, then one state token an arm, the instruction,
and the answer. The layout is static for a number of text tokens: what is missing is masked. Only in training are views
left out that no sample of a batch has: nobody attends to them, and all other positions stay.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gear_vla_ros.settings.model import ARMS, VIEWS, ModelSpec


@dataclass(frozen=True)
class Layout:
    """Where everything stands. Slices of the sequence."""

    views: tuple[slice, ...]
    state: slice
    text: slice

    @property
    def length(self) -> int:
        """Positions of the prefix."""
        return self.text.stop


def layout(spec: ModelSpec, text_tokens: int, there: Sequence[bool] = (True,) * VIEWS) -> Layout:
    """The prefix for `text_tokens` tokens of instruction. A view's slice is without its brackets, and empty where the
    view is left out."""
    views, at = [], 0
    for shown in there:
        views.append(slice(at + 1, at + 1 + spec.tokens_per_view) if shown else slice(at, at))
        at += (spec.tokens_per_view + 2) * shown
    return Layout(tuple(views), slice(at, at + ARMS), slice(at + ARMS, at + ARMS + text_tokens))


def without(spec: ModelSpec, there: Sequence[bool], length: int) -> Tensor:
    """Positions of the static prefix of that length, without the views that are left out; int64 [L]."""
    whole = spec.tokens_per_view + 2
    kept = [shown for shown in there for _ in range(whole)] + [True] * (length - VIEWS * whole)
    return torch.tensor(kept).nonzero()[:, 0]


def prefix_mask(spec: ModelSpec, view_mask: Tensor, arm_mask: Tensor, text_mask: Tensor) -> Tensor:
    """Which positions may be attended to, bool [B, L]: a missing view is masked with its brackets.

    view_mask bool [B, V], arm_mask bool [B, A], text_mask bool [B, T].
    """
    views = view_mask.repeat_interleave(spec.tokens_per_view + 2, dim=1)
    return torch.cat([views, arm_mask, text_mask], dim=1)


def prefix_positions(spec: ModelSpec, text_mask: Tensor) -> Tensor:
    """M-RoPE positions (time, row, column) int64 [3, B, L], as Qwen2.5-VL counts them.

    A picture's tokens share one time and spread over rows and columns; what follows goes on after the largest. Padded
    text counts for nothing.
    """
    side = spec.view_size // spec.vision.patch_size // 2
    rows = torch.arange(side).repeat_interleave(side)
    columns = torch.arange(side).repeat(side)
    parts, at = [], 0
    for _ in range(VIEWS):
        parts.append(torch.full((3, 1), at))
        parts.append(at + 1 + torch.stack([torch.zeros_like(rows), rows, columns]))
        parts.append(torch.full((3, 1), at + 1 + side))
        at += side + 2
    parts.append((at + torch.arange(ARMS)).expand(3, -1))
    fixed = torch.cat(parts, dim=1).to(text_mask.device)  # [3, F]
    text = at + ARMS + text_mask.long().cumsum(dim=1) - 1  # [B, T]
    batch = text.shape[0]
    return torch.cat([fixed[:, None].expand(-1, batch, -1), text[None].expand(3, -1, -1)], dim=2)


def following_positions(text_positions: Tensor, count: int) -> Tensor:
    """Positions [3, B, count] of tokens after the prefix whose positions are given [3, B, L]."""
    last = text_positions.amax(dim=(0, 2))  # [B]
    after = last[:, None] + 1 + torch.arange(count, device=last.device)  # [B, count]
    return after[None].expand(3, -1, -1)
