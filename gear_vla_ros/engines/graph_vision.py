"""The pictures' part of the graphs: both encoders and the projector, for three stills of one size."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import apply_rotary_pos_emb_vision
from transformers.vision_utils import get_vision_position_ids, get_vision_window_index

from gear_vla_ros.model.gear_vla import GearVla
from gear_vla_ros.model.qwen import MERGE, TEMPORAL, patchify, view_grid
from gear_vla_ros.settings.model import VIEWS


class Vision(nn.Module):
    """views uint8 [V, S, S, 3], present bool [V] -> picture tokens [V, T, D]."""

    def __init__(self, model: GearVla) -> None:
        super().__init__()
        self.model, self.tower = model, Tower(model)

    def forward(self, views: Tensor, present: Tensor) -> Tensor:
        there = present[:, None, None, None]
        shown = torch.where(there, views.float().permute(0, 3, 1, 2) / 255, 0.0)  # [V, 3, S, S]
        dtype = self.model.projector.flat.weight.dtype
        patches = patchify(shown, self.model.spec.vision.patch_size)  # [V * P, 3 * 2 * p * p]
        still = patches.unflatten(1, (3, TEMPORAL, -1))[:, :, 0].flatten(1).to(dtype)
        spatial = self.model._spatial(shown[None].to(dtype), present[None])
        tokens = self.model.projector(self.tower(still), spatial)
        tokens = tokens.view(VIEWS, self.model.spec.tokens_per_view, -1)
        return torch.where(present[:, None, None], tokens, 0.0).float()


class Tower(nn.Module):
    """Qwen2.5-VL's vision tower for three stills: windows of one size attend as a batch, and both frames of a still
    are the same picture, so their weights are added once and for all."""

    def __init__(self, model: GearVla) -> None:
        super().__init__()
        spec, self.visual = model.spec, model.qwen.model.visual
        grid = view_grid(VIEWS, spec.view_size, spec.vision.patch_size, torch.device("cpu"))
        order, ends = get_vision_window_index(grid, MERGE, spec.vision.window_size, spec.vision.patch_size)
        sizes = set(ends.diff().tolist())
        if len(sizes) != 1:
            raise ValueError(f"view_size {spec.view_size} is not a multiple of vision.window_size: no static graph")
        self.window, self.view = sizes.pop(), int(grid[0].prod())
        frames = self.visual.patch_embed.proj.weight.detach()  # [width, 3, 2, p, p]
        self.embed = nn.Parameter(frames.float().sum(dim=2).to(frames.dtype).flatten(1), requires_grad=False)
        self.full = set(spec.vision.full_attention_layers)
        patches = torch.arange(VIEWS * self.view).view(-1, MERGE * MERGE)[order].flatten()
        cos, sin = self.visual.rotary_pos_emb(torch.zeros(1), get_vision_position_ids(grid, MERGE))
        self.order: Tensor
        self.back: Tensor
        self.cos: Tensor
        self.sin: Tensor
        self.register_buffer("order", patches)
        self.register_buffer("back", order.argsort())
        self.register_buffer("cos", cos[patches].float())
        self.register_buffer("sin", sin[patches].float())

    def forward(self, patches: Tensor) -> Tensor:
        """Four neighbouring patches side by side [V * T, 4 * width] of `patches` [V * P, 3 * p * p]."""
        x = functional.linear(patches[self.order], self.embed)
        for layer, block in enumerate(self.visual.blocks):
            x = x + self._attend(block.attn, block.norm1(x), self.view if layer in self.full else self.window)
            x = x + block.mlp(block.norm2(x))
        return self.visual.merger(x)[self.back]

    def _attend(self, attention: Any, x: Tensor, group: int) -> Tensor:
        q, k, v = attention.qkv(x).unflatten(-1, (3, attention.num_heads, -1)).unbind(1)  # [P, H, Dh]
        q, k = apply_rotary_pos_emb_vision(q, k, self.cos, self.sin)
        q, k, v = (part.unflatten(0, (-1, group)).transpose(1, 2) for part in (q, k, v))  # [G, H, P / G, Dh]
        seen = functional.scaled_dot_product_attention(q, k, v, scale=attention.scaling)
        return attention.proj(seen.transpose(1, 2).reshape(x.shape[0], -1))
