"""Transformer layers of the spatial encoder. Attribute names are the keys of the published weights."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from gear_vla_ros.model.rope2d import Rotation, rotate
from gear_vla_ros.settings.spatial import SpatialSpec

ENCODER_EPS = 1e-6
"""DINOv2's; the aggregator's own layers have torch's 1e-5."""


class LayerScale(nn.Module):
    """A learned factor a channel on a residual branch (Touvron et al. 2021)."""

    def __init__(self, width: int, start: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), start))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class Attention(nn.Module):
    """Self-attention; with `qk_norm` queries and keys are normalised a head before they are rotated."""

    def __init__(self, width: int, heads: int, qk_norm: bool) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.q_norm: nn.Module = nn.LayerNorm(width // heads) if qk_norm else nn.Identity()
        self.k_norm: nn.Module = nn.LayerNorm(width // heads) if qk_norm else nn.Identity()
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, by: Rotation | None, keys_seen: Tensor | None) -> Tensor:
        """x `[batch, tokens, width]`. keys_seen: bool `[batch, 1, 1, tokens]`; false keys have no influence."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        q, k = self.q_norm(q), self.k_norm(k)
        if by is not None:
            q, k = rotate(q, by), rotate(k, by)
        seen = functional.scaled_dot_product_attention(q, k, v, attn_mask=keys_seen)
        return self.proj(seen.transpose(1, 2).flatten(-2))


class Mlp(nn.Module):
    def __init__(self, width: int, ratio: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, ratio * width)
        self.fc2 = nn.Linear(ratio * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(functional.gelu(self.fc1(x)))


class Block(nn.Module):
    """Pre-norm attention and MLP, each with a layer scale."""

    def __init__(self, spec: SpatialSpec, scale: float, eps: float, qk_norm: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(spec.width, eps=eps)
        self.attn = Attention(spec.width, spec.heads, qk_norm)
        self.ls1 = LayerScale(spec.width, scale)
        self.norm2 = nn.LayerNorm(spec.width, eps=eps)
        self.mlp = Mlp(spec.width, spec.mlp_ratio)
        self.ls2 = LayerScale(spec.width, scale)

    def forward(self, x: Tensor, by: Rotation | None = None, keys_seen: Tensor | None = None) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x), by, keys_seen))
        return x + self.ls2(self.mlp(self.norm2(x)))


class PatchProjection(nn.Module):
    """Images `[N, 3, H, W]` -> `[N, H / patch, W / patch, width]`."""

    def __init__(self, spec: SpatialSpec) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, spec.width, spec.patch_size, spec.patch_size)

    def forward(self, images: Tensor) -> Tensor:
        size = self.proj.kernel_size[0]
        patches = images.unflatten(3, (-1, size)).unflatten(2, (-1, size))  # [N, 3, H / p, p, W / p, p]
        flat = patches.permute(0, 2, 4, 1, 3, 5).flatten(3)
        return functional.linear(flat, self.proj.weight.flatten(1), self.proj.bias)  # one product, not a convolution


class DinoEncoder(nn.Module):
    """DINOv2 with registers (Oquab et al. 2023; Darcet et al. 2023): normalised images -> patch tokens."""

    def __init__(self, spec: SpatialSpec) -> None:
        super().__init__()
        self.side = spec.trained_size // spec.patch_size
        self.patch_embed = PatchProjection(spec)
        self.cls_token = nn.Parameter(1e-6 * torch.randn(1, 1, spec.width))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, 1 + self.side**2, spec.width))
        self.register_tokens = nn.Parameter(1e-6 * torch.randn(1, spec.registers, spec.width))
        self.mask_token = nn.Parameter(torch.zeros(1, spec.width), requires_grad=False)
        self.blocks = nn.ModuleList(Block(spec, 1.0, ENCODER_EPS, False) for _ in range(spec.encoder_depth))
        self.norm = nn.LayerNorm(spec.width, eps=ENCODER_EPS)
        self.apply(_start_linear)

    def forward(self, images: Tensor) -> Tensor:
        """Images `[N, 3, H, W]` -> `[N, H / patch * W / patch, width]`."""
        patches = self.patch_embed(images)
        count, rows, columns, _ = patches.shape
        place = self.pos_embed.to(patches.dtype)
        specials = torch.cat([self.cls_token + place[:, :1], self.register_tokens], dim=1).expand(count, -1, -1)
        x = torch.cat([specials, patches.flatten(1, 2) + self._places(rows, columns).to(patches.dtype)], dim=1)
        for block in self.blocks:
            x = block(x)
        return self.norm(x[:, specials.shape[1] :])

    def _places(self, rows: int, columns: int) -> Tensor:
        """Position embedding `[1, rows * columns, width]`, interpolated when the grid is not the trained one."""
        trained = self.pos_embed[:, 1:]
        if (rows, columns) == (self.side, self.side):
            return trained
        grid = trained.float().unflatten(1, (self.side, self.side)).permute(0, 3, 1, 2)
        grid = functional.interpolate(grid, size=(rows, columns), mode="bicubic", antialias=True)
        return grid.flatten(2).transpose(1, 2)


def _start_linear(module: Any) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
