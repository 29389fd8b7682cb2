"""The grouped codebook of the latent action tokenizer and the figures of its use.

Source: paper App. A: "a codebook of size 16, organized as two groups with eight entries in each group"; the groups
structure the choice and add no codes. Our choice, where the paper is silent: position p of a transition chooses from
group p % groups, and its id is group * entries + entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from vector_quantize_pytorch import VectorQuantize


class Quantized(NamedTuple):
    """codes: [..., Q, C], gradients pass straight through. ids: [..., Q] int64. commitment: scalar loss, 0 in eval."""

    codes: Tensor
    ids: Tensor
    commitment: Tensor


class GroupedQuantizer(nn.Module):
    """Latents [B, N, Q, C] of N transitions and Q positions -> codes and ids; one codebook a group."""

    def __init__(self, width: int, code_dim: int, groups: int, entries: int) -> None:
        super().__init__()
        self.entries = entries
        self.books = nn.ModuleList(
            VectorQuantize(
                width,
                entries,
                codebook_dim=code_dim,
                decay=0.95,
                kmeans_init=True,
                threshold_ema_dead_code=1,
                sync_codebook=False,  # one process fits it while others wait for it
            )
            for _ in range(groups)
        )

    @property
    def trained(self) -> bool:
        """Whether every codebook has entries; they come from the first training batch."""
        return all(bool(book.get_buffer("_codebook.initted")) for book in self.books)

    def forward(self, latents: Tensor) -> Quantized:
        codes = torch.empty_like(latents)
        ids = torch.empty(latents.shape[:-1], dtype=torch.int64, device=latents.device)  # [B, N, Q]
        commitments = []
        for group, book in enumerate(self.books):
            positions = slice(group, None, len(self.books))
            chosen = latents[:, :, positions]  # [B, N, Q / groups, C]
            quantized, entries, commitment = book(chosen.flatten(1, 2))  # [B, N * Q / groups, C]
            codes[:, :, positions] = quantized.unflatten(1, chosen.shape[1:3])
            ids[:, :, positions] = group * self.entries + entries.unflatten(1, chosen.shape[1:3])
            commitments.append(commitment.sum())
        return Quantized(codes, ids, torch.stack(commitments).mean())


@dataclass(frozen=True)
class CodeUsage:
    """How evenly ids were used. Perplexity is exp(entropy): 1 = always the same entry, `entries` = all alike.

    perplexity: [Q], one a position. used: how many of the groups * entries ids occurred at all, of `size`.
    """

    perplexity: tuple[float, ...]
    used: int
    size: int

    def __str__(self) -> str:
        figures = " ".join(f"{value:.2f}" for value in self.perplexity)
        return f"codes used {self.used}/{self.size}, perplexity by position {figures}"


def code_usage(ids: Tensor, groups: int, entries: int) -> CodeUsage:
    """Usage of `ids` [..., Q], int, each 0..groups * entries - 1."""
    flat = ids.reshape(-1, ids.shape[-1])  # [M, Q]
    counts = torch.stack([torch.bincount(column, minlength=groups * entries) for column in flat.unbind(1)])
    shares = counts / len(flat)  # [Q, groups * entries]
    perplexity = torch.exp(torch.special.entr(shares).sum(dim=1))
    return CodeUsage(tuple(perplexity.tolist()), int((counts.sum(dim=0) > 0).sum()), groups * entries)
