"""The decoder of the latent action tokenizer, needed in training alone.

Source: paper App. A: "the decoder reconstructs subsequent visual changes from the initial visual feature and the
quantized latent action codes"; "after training, the decoder is discarded". Our choice: a change is frame n minus the
first frame, in pixels, and the decoder of frame n sees the codes of transitions up to n alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gear_vla_ros.model.causal_encoder import Attention, FeedForward
from gear_vla_ros.model.latent_tokenizer_spec import LatentTokenizerSpec


class DecoderBlock(nn.Module):
    """Attention of patches to codes, attention within a frame, perceptron; patches [B, N, P, C] in and out."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.code_norm, self.space_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.code, self.space = Attention(width, heads), Attention(width, heads)
        self.feed_forward = FeedForward(width)

    def forward(self, patches: Tensor, codes: Tensor, allowed: Tensor) -> Tensor:
        normed = self.code_norm(patches)
        mixed = self.code(normed.flatten(1, 2), codes, allowed)  # [B, N * P, C]
        patches = patches + mixed.unflatten(1, patches.shape[1:3])
        normed = self.space_norm(patches)
        patches = patches + self.space(normed, normed)
        return patches + self.feed_forward(patches)


class VisualChangeDecoder(nn.Module):
    """First frame's features [B, P, C] and codes [B, N, Q, C] -> change of frames 1..N, [B, N, 3, S, S]."""

    def __init__(self, spec: LatentTokenizerSpec) -> None:
        super().__init__()
        self.image_size, self.patch = spec.image_size, spec.patch
        self.first = nn.Linear(spec.width, spec.width)
        self.moment = nn.Parameter(0.02 * torch.randn(spec.transitions, 1, spec.width))
        self.position = nn.Parameter(torch.randn(spec.codes, spec.width))
        self.blocks = nn.ModuleList(DecoderBlock(spec.width, spec.heads) for _ in range(spec.depth))
        self.norm = nn.LayerNorm(spec.width)
        self.out = nn.Linear(spec.width, 3 * spec.patch * spec.patch)

    def forward(self, first: Tensor, codes: Tensor) -> Tensor:
        batch, transitions, positions, _ = codes.shape
        moment = self.moment[:transitions]  # [N, 1, C]
        patches = self.first(first)[:, None] + moment  # [B, N, P, C]
        at = torch.arange(transitions, device=codes.device)
        seen = at.repeat_interleave(positions)[None, :] <= at.repeat_interleave(first.shape[1])[:, None]  # [N*P, N*Q]
        memory = (codes + moment + self.position).flatten(1, 2)  # [B, N * Q, C]
        for block in self.blocks:
            patches = block(patches, memory, seen)
        pixels = self.out(self.norm(patches)).flatten(0, 1).transpose(1, 2)  # [B * N, 3 * patch^2, P]
        change = functional.fold(pixels, self.image_size, kernel_size=self.patch, stride=self.patch)
        return change.unflatten(0, (batch, transitions))  # [B, N, 3, S, S]
