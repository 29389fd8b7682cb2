"""The causal visual encoder of the latent action tokenizer: frames to patch features that know no future.

Source: paper App. A, Fig. 5 (features f_i^j of frame i and patch j). Our choices, where the paper is silent: frames are
cut into patches together with their difference to the frame before, since the codes are to hold "changes between
consecutive frames rather than all appearance details"; each block attends within a frame, then over the same patch of
the current and earlier frames.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gear_vla_ros.model.latent_tokenizer_spec import LatentTokenizerSpec


class Attention(nn.Module):
    """Multi-head attention of `query` [..., Lq, C] to `memory` [..., Lk, C]; `mask` [Lq, Lk] is True where allowed."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, query: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        key, value = self.key_value(memory).chunk(2, dim=-1)
        q, k, v = (
            x.unflatten(-1, (self.heads, -1)).transpose(-3, -2)  # [..., L, C] -> [..., heads, L, C / heads]
            for x in (self.query(query), key, value)
        )
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.out(mixed.transpose(-3, -2).flatten(-2))  # [..., Lq, C]


class FeedForward(nn.Sequential):
    """Layer norm and a two-layer perceptron, [..., C] -> [..., C]."""

    def __init__(self, width: int) -> None:
        super().__init__(nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))


class CausalBlock(nn.Module):
    """Attention within a frame, causal attention over time, perceptron; features [B, T, P, C] in and out."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.space_norm, self.time_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.space, self.time = Attention(width, heads), Attention(width, heads)
        self.feed_forward = FeedForward(width)

    def forward(self, features: Tensor) -> Tensor:
        normed = self.space_norm(features)
        features = features + self.space(normed, normed)
        normed = self.time_norm(features).transpose(1, 2)  # [B, P, T, C]
        frames = torch.arange(features.shape[1], device=features.device)
        past = frames[None, :] <= frames[:, None]  # [T, T]
        features = features + self.time(normed, normed, past).transpose(1, 2)
        return features + self.feed_forward(features)


class CausalVisualEncoder(nn.Module):
    """Frames [B, T, 3, S, S] in -1..1 -> features [B, T, P, C]; frame t's features depend on frames 0..t alone.

    T is at most `spec.transitions + 1`; P = (S / patch)^2, row by row.
    """

    def __init__(self, spec: LatentTokenizerSpec) -> None:
        super().__init__()
        self.embed = nn.Conv2d(6, spec.width, kernel_size=spec.patch, stride=spec.patch)
        self.position = nn.Parameter(0.02 * torch.randn((spec.image_size // spec.patch) ** 2, spec.width))
        self.moment = nn.Parameter(0.02 * torch.randn(spec.transitions + 1, 1, spec.width))
        self.blocks = nn.ModuleList(CausalBlock(spec.width, spec.heads) for _ in range(spec.depth))
        self.norm = nn.LayerNorm(spec.width)

    def forward(self, frames: Tensor) -> Tensor:
        change = torch.cat([torch.zeros_like(frames[:, :1]), frames[:, 1:] - frames[:, :-1]], dim=1)
        patches = self.embed(torch.cat([frames, change], dim=2).flatten(0, 1))  # [B * T, C, S / patch, S / patch]
        features = patches.flatten(2).transpose(1, 2).unflatten(0, frames.shape[:2])  # [B, T, P, C]
        features = features + self.position + self.moment[: frames.shape[1]]
        for block in self.blocks:
            features = block(features)
        return self.norm(features)
