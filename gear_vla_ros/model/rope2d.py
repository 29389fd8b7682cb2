"""Rotary position embedding in two dimensions (Su et al. 2021; per axis as in VGGT, frequency 100)."""

from typing import NamedTuple

import torch
from torch import Tensor


class Rotation(NamedTuple):
    """cos and sin `[tokens, head_dim]`: the first half of the features turns with y, the second with x."""

    cos: Tensor
    sin: Tensor


def grid_positions(rows: int, columns: int, specials: int, device: torch.device) -> Tensor:
    """Positions `[specials + rows * columns, 2]` (y, x): 0 for the special tokens, patches from 1, row by row."""
    y = torch.arange(1, rows + 1, device=device).repeat_interleave(columns)
    x = torch.arange(1, columns + 1, device=device).repeat(rows)
    patches = torch.stack([y, x], dim=1)
    return torch.cat([patches.new_zeros(specials, 2), patches])


def rotation(positions: Tensor, head_dim: int, frequency: float, dtype: torch.dtype) -> Rotation:
    """Angles of `positions` `[tokens, 2]`; computed in float32, kept as `dtype`. head_dim: a multiple of 4."""
    half = head_dim // 2
    exponents = torch.arange(0, half, 2, device=positions.device, dtype=torch.float32) / half
    angles = positions.to(torch.float32)[..., None] * frequency**-exponents
    angles = torch.cat([angles, angles], dim=-1).flatten(-2)
    return Rotation(angles.cos().to(dtype), angles.sin().to(dtype))


def rotate(features: Tensor, by: Rotation) -> Tensor:
    """`features` `[..., tokens, head_dim]` turned; scalar products of two then depend on their distance only."""
    quarters = features.unflatten(-1, (2, 2, -1))
    turned = torch.stack([-quarters[..., 1, :], quarters[..., 0, :]], dim=-2).flatten(-3)
    return features * by.cos + turned * by.sin
