"""Convolutions over a whole view, for a small network without a parent: how things lie is told by their edges.

An object's edges lie in several patches, and two layers of attention learn only slowly to put them together; early
convolutions help (Xiao et al. 2021, arXiv 2106.14881). What they find is added to the patches' embedding, at first
nothing, so that a trained network that gets them is what it was.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from gear_vla_ros.model.qwen import merge_order

CELL, CELL_WIDTH = 2, 32
"""Side [pixel] of the cells that pictures are looked at in first, and numbers of each."""


class Convolutions(nn.Module):
    """From pixels to features of each patch."""

    def __init__(self, channels: int, width: int, patch: int) -> None:
        """channels: of the features; width: of the patches' embedding; patch: side of a patch [pixel]."""
        super().__init__()
        self.cell = nn.Conv2d(3, CELL_WIDTH, CELL, CELL)
        halvings = (patch // CELL).bit_length() - 1
        into = [CELL_WIDTH] + [channels] * (halvings - 1)
        self.halve = nn.ModuleList(nn.Conv2d(before, channels, 3, 2, 1) for before in into)
        self.around = nn.Conv2d(channels, channels, 3, 1, 1)
        self.out = nn.Linear(channels, width)
        for layer in (*self.halve, self.around):
            nn.init.kaiming_normal_(layer.weight)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def features(self, stills: Tensor) -> Tensor:
        """`[N, P, channels]` of stills `[N, 3, S, S]`, normalised pixels; patches in the order of merging."""
        x = functional.gelu(self.cell(stills.contiguous(memory_format=torch.channels_last)))
        for halve in self.halve:
            x = functional.gelu(halve(x))
        x = x + functional.gelu(self.around(x))
        return x.flatten(2).transpose(1, 2)[:, merge_order(x.shape[-1]).to(x.device)]

    def forward(self, stills: Tensor) -> Tensor:
        """What is added to the patches' embedding `[N * P, width]`."""
        out: Tensor = self.out(self.features(stills))
        return out.flatten(0, 1)
