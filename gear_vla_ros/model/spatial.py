"""Spatial encoder: the aggregator of VGGT (Wang et al. 2025, arXiv 2503.11651, section 3.2) with masked views.

Every view is embedded by DINOv2 and gets a camera token and register tokens. Layers that attend within one view
alternate with layers that attend over all views. The first view is the one that the others are related to.
"""

import torch
from torch import Tensor, nn

from gear_vla_ros.model.rope2d import Rotation, grid_positions, rotation
from gear_vla_ros.model.spatial_layers import Block, DinoEncoder
from gear_vla_ros.settings.spatial import SpatialSpec

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BLOCK_EPS = 1e-5


class Aggregator(nn.Module):
    """Views -> patch tokens that know of each other."""

    def __init__(self, spec: SpatialSpec) -> None:
        super().__init__()
        self.spec = spec
        self.patch_embed = DinoEncoder(spec)
        self.camera_token = nn.Parameter(1e-6 * torch.randn(1, 2, 1, spec.width))
        self.register_token = nn.Parameter(1e-6 * torch.randn(1, 2, spec.registers, spec.width))
        self.frame_blocks = nn.ModuleList(Block(spec, spec.layer_scale, BLOCK_EPS, True) for _ in range(spec.depth))
        self.global_blocks = nn.ModuleList(Block(spec, spec.layer_scale, BLOCK_EPS, True) for _ in range(spec.depth))

    def forward(self, images: Tensor, view_mask: Tensor | None = None) -> Tensor:
        """Patch tokens `[B, V, P, 2 * width]` of `images` `[B, V, 3, H, W]` (RGB, 0 to 1), P = H/patch * W/patch.

        The last pair's frame and global output side by side. view_mask: bool `[B, V]`, true where there is a view
        (None: everywhere); whatever a masked view holds, NaN too, has no influence, and its own tokens are zero.
        Raises ValueError on another shape or dtype.
        """
        self._check(images, view_mask)
        if view_mask is not None:
            images = images.where(
                view_mask[..., None, None, None], torch.zeros((), dtype=images.dtype, device=images.device)
            )
        tokens = self._tokens(images)
        batch, views, per_view, _ = tokens.shape
        within, across, keys_seen = self._relations(images, per_view, view_mask)
        framed = tokens
        for frame_block, global_block in zip(self.frame_blocks, self.global_blocks, strict=True):
            framed = frame_block(tokens.flatten(0, 1), within).unflatten(0, (batch, views))
            tokens = global_block(framed.flatten(1, 2), across, keys_seen).unflatten(1, (views, per_view))
        out = torch.cat([framed, tokens], dim=-1)[:, :, 1 + self.spec.registers :]
        return out if view_mask is None else out * view_mask[..., None, None]

    def _check(self, images: Tensor, view_mask: Tensor | None) -> None:
        patch = self.spec.patch_size
        if images.ndim != 5 or images.shape[2] != 3 or images.shape[3] % patch or images.shape[4] % patch:
            raise ValueError(f"images: {list(images.shape)}, allowed [B, V, 3, H, W], H and W multiples of {patch}")
        if not images.is_floating_point():
            raise ValueError(f"images: {images.dtype}, allowed a floating-point type, values 0 to 1")
        if view_mask is not None and (view_mask.dtype != torch.bool or view_mask.shape != images.shape[:2]):
            found = f"{view_mask.dtype} {list(view_mask.shape)}"
            raise ValueError(f"view_mask: {found}, allowed torch.bool {list(images.shape[:2])}")

    def _tokens(self, images: Tensor) -> Tensor:
        """`[B, V, 1 + registers + P, width]`: camera token, register tokens, patches."""
        batch, views = images.shape[:2]
        channels = [(images[:, :, i] - mean) / std for i, (mean, std) in enumerate(zip(MEAN, STD, strict=True))]
        normal = torch.stack(channels, dim=2).to(self.camera_token.dtype)
        patches = self.patch_embed(normal.flatten(0, 1)).unflatten(0, (batch, views))
        special = torch.cat([self.camera_token, self.register_token], dim=2)
        special = torch.cat([special[:, :1], special[:, 1:].expand(-1, views - 1, -1, -1)], dim=1)
        return torch.cat([special.expand(batch, -1, -1, -1), patches], dim=2)

    def _relations(
        self, images: Tensor, per_view: int, view_mask: Tensor | None
    ) -> tuple[Rotation, Rotation, Tensor | None]:
        """Rotations within a view and across all, and the keys that may be seen across.

        Where no view is seen at all every key is, so that no softmax is over nothing; the output is zero anyway.
        """
        spec, views = self.spec, images.shape[1]
        rows, columns = images.shape[3] // spec.patch_size, images.shape[4] // spec.patch_size
        positions = grid_positions(rows, columns, 1 + spec.registers, images.device)
        within = rotation(positions, spec.width // spec.heads, spec.rope_frequency, self.camera_token.dtype)
        across = Rotation(within.cos.repeat(views, 1), within.sin.repeat(views, 1))
        if view_mask is None:
            return within, across, None
        seen = view_mask | ~view_mask.any(dim=1, keepdim=True)
        return within, across, seen.repeat_interleave(per_view, dim=1)[:, None, None]
