"""Qwen2.5-VL's vision tower for square stills of one size, all windows at once.

transformers attends window by window in a loop; stills of one size have the same windows, so here they are one batch.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import apply_rotary_pos_emb_vision
from transformers.vision_utils import get_vision_position_ids, get_vision_window_index

from gear_vla_ros.model.convolutions import CELL, CELL_WIDTH, Convolutions
from gear_vla_ros.model.qwen import MERGE, TEMPORAL, view_grid
from gear_vla_ros.settings.model import VisionSpec


class CellStem(nn.Module):
    """In place of the linear patch embedding: each cell of 2x2 pixels through a layer of its own, then all of a patch.

    A colour is not linear in pixels under changing light; without this a small network has to learn it from attention.
    Where a patch is is added to it: the tower's and the language model's rotary positions say only how far two tokens
    are apart, so that nothing attended to would tell where it is.
    """

    def __init__(self, vision: VisionSpec, view_size: int) -> None:
        super().__init__()
        self.place = nn.Parameter(0.02 * torch.randn((view_size // vision.patch_size) ** 2, vision.width))
        self.patch, self.side = vision.patch_size, vision.patch_size // CELL
        self.cell = nn.Linear(3 * CELL * CELL, CELL_WIDTH)
        self.proj = nn.Linear(CELL_WIDTH * self.side**2, vision.width)
        self.convolutions: Convolutions | None = None
        if vision.convolutions:
            self.convolutions = Convolutions(vision.convolutions, vision.width, vision.patch_size)

    def forward(self, patches: Tensor) -> Tensor:
        """[T, width] of whole views' `patches` [T, 3 * p * p], normalised pixels, in the order of merging."""
        pixels = patches.view(-1, 3, self.side, CELL, self.side, CELL)
        cells = pixels.permute(0, 2, 4, 1, 3, 5).reshape(-1, self.side**2, 3 * CELL * CELL)
        seen = self.proj(functional.gelu(self.cell(cells)).flatten(1))
        placed = (seen.unflatten(0, (-1, len(self.place))) + self.place).flatten(0, 1)
        return placed if self.convolutions is None else placed + self.convolutions(self.stills(patches))

    def stills(self, patches: Tensor) -> Tensor:
        """Whole views' `patches` [T, 3 * p * p] as pictures [N, 3, S, S]."""
        side = round((len(self.place) // MERGE**2) ** 0.5)
        pixels = patches.view(-1, side, side, MERGE, MERGE, 3, self.patch, self.patch)
        return pixels.permute(0, 5, 1, 3, 6, 2, 4, 7).reshape(-1, 3, *[side * MERGE * self.patch] * 2)


class Tower:
    """Runs a `visual` of transformers, whose merger is `Gather`. Holds no weights of its own."""

    def __init__(self, visual: Any, vision: VisionSpec, view_size: int) -> None:
        """Raises ValueError when windows would differ in size."""
        self._visual, self._full = visual, set(vision.full_attention_layers)
        grid = view_grid(1, view_size, vision.patch_size, torch.device("cpu"))
        order, ends = get_vision_window_index(grid, MERGE, vision.window_size, vision.patch_size)
        sizes = set(ends.diff().tolist())
        if len(sizes) != 1:
            raise ValueError(f"view_size {view_size} is not a multiple of vision.window_size: windows of several sizes")
        self._window, self._view = sizes.pop(), int(grid[0].prod())
        self._order = torch.arange(self._view).view(-1, MERGE * MERGE)[order].flatten()
        self._back = order.argsort()
        cos, sin = visual.rotary_pos_emb(torch.zeros(1), get_vision_position_ids(grid, MERGE))
        self._cos, self._sin = cos[self._order].float(), sin[self._order].float()

    def __call__(self, patches: Tensor) -> Tensor:
        """Four neighbouring patches side by side [N * T, 4 * width] of stills' `patches` [N * P, 3 * 2 * p * p]."""
        stills = patches.unflatten(1, (3, TEMPORAL, -1))[:, :, 0].flatten(1)
        x = self._embed(stills).unflatten(0, (-1, self._view))[:, self._order]  # [N, P, width]
        at = self._cos.to(x.device), self._sin.to(x.device)
        for layer, block in enumerate(self._visual.blocks):
            x = x + self._attend(block.attn, block.norm1(x), self._view if layer in self._full else self._window, at)
            x = x + block.mlp(block.norm2(x))
        merged: Tensor = self._visual.merger(x.flatten(0, 1)).unflatten(0, (x.shape[0], -1))[:, self._back]
        return merged.flatten(0, 1)

    def _embed(self, stills: Tensor) -> Tensor:
        """Both frames of a still are the same picture, so that their weights are added."""
        embed = self._visual.patch_embed
        if isinstance(embed, CellStem):
            out: Tensor = embed(stills)
            return out
        first, second = embed.proj.weight.unbind(dim=2)
        return functional.linear(stills, (first + second).flatten(1))

    def _attend(self, attention: Any, x: Tensor, group: int, at: tuple[Tensor, Tensor]) -> Tensor:
        q, k, v = attention.qkv(x).unflatten(-1, (3, attention.num_heads, -1)).unbind(2)  # [N, P, H, Dh]
        q, k = apply_rotary_pos_emb_vision(q, k, *at)
        q, k, v = (part.flatten(0, 1).unflatten(0, (-1, group)).transpose(1, 2) for part in (q, k, v))
        seen = functional.scaled_dot_product_attention(q, k, v, scale=attention.scaling)  # [G, H, P / G, Dh]
        out: Tensor = attention.proj(seen.transpose(1, 2).reshape(x.shape))
        return out
