"""Action numbers <-> the expert's range. The statistics are part of the checkpoint."""

import torch
from torch import Tensor, nn

from gear_vla_ros.settings.model import ARMS

CENTRE = (0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.5)
HALF_RANGE = (0.03, 0.03, 0.03, 0.03, 0.1, 0.1, 0.1, 0.03, 0.1, 0.5)
"""Before any data: identity, a few centimetres and degrees."""
SMALLEST = 1e-3


class ActionStatistics(nn.Module):
    """Per number the middle and half of the range between the 1st and 99th percentile of the training chunks."""

    centre: Tensor
    half_range: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("centre", torch.tensor(CENTRE * ARMS))
        self.register_buffer("half_range", torch.tensor(HALF_RANGE * ARMS))

    def fit(self, chunks: Tensor, valid: Tensor) -> None:
        """From `chunks` [N, K, D]; a number that is never `valid` (bool [N, K, D]) keeps what it has."""
        for number in range(chunks.shape[-1]):
            values = chunks[..., number][valid[..., number]]
            if values.numel():
                low, high = values.float().quantile(torch.tensor([0.01, 0.99], device=values.device))
                self.centre[number] = (low + high) / 2
                self.half_range[number] = ((high - low) / 2).clamp_min(SMALLEST)

    def normalise(self, actions: Tensor) -> Tensor:
        """`actions` [..., D] in m and rot6d -> about -1 to 1."""
        return (actions - self.centre) / self.half_range

    def denormalise(self, normal: Tensor) -> Tensor:
        """The inverse of `normalise`."""
        return normal * self.half_range + self.centre
