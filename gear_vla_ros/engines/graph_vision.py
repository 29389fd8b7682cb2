"""The pictures' part of the graphs: both encoders and the projector, for three stills of one size."""

import torch
from torch import Tensor, nn

from gear_vla_ros.model.gear_vla import GearVla
from gear_vla_ros.model.qwen import patchify
from gear_vla_ros.model.tower import Tower
from gear_vla_ros.settings.model import VIEWS


class Vision(nn.Module):
    """views uint8 [V, S, S, 3], present bool [V] -> picture tokens [V, T, D]."""

    def __init__(self, model: GearVla) -> None:
        super().__init__()
        self.model = model
        self.tower = Tower(model.qwen.model.visual, model.spec.vision, model.spec.view_size)

    def forward(self, views: Tensor, present: Tensor) -> Tensor:
        there = present[:, None, None, None]
        shown = torch.where(there, views.float().permute(0, 3, 1, 2) / 255, 0.0)  # [V, 3, S, S]
        dtype = self.model.projector.flat.weight.dtype
        patches = patchify(shown, self.model.spec.vision.patch_size).to(dtype)  # [V * P, 3 * 2 * p * p]
        spatial = self.model._spatial(shown[None].to(dtype), present[None])
        tokens = self.model.projector(self.tower(patches), spatial)
        tokens = tokens.view(VIEWS, self.model.spec.tokens_per_view, -1)
        return torch.where(present[:, None, None], tokens, 0.0).float()
