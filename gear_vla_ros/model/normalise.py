"""Action numbers <-> the expert's range. The statistics are part of the checkpoint."""

import torch
from torch import Tensor, nn

from gear_vla_ros.settings.model import ARMS

CENTRE = (0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.5)
HALF_RANGE = (0.03, 0.03, 0.03, 0.03, 0.1, 0.1, 0.1, 0.03, 0.1, 0.5)
"""Before any data: identity, a few centimetres and degrees."""
SMALLEST = 1e-3


class ActionStatistics(nn.Module):
    """Per step and number the middle and half of the range between the 1st and 99th percentile of training chunks.

    Per step, because the first steps of a chunk move a thirtieth of what the last ones do.
    """

    centre: Tensor
    half_range: Tensor

    def __init__(self, steps: int) -> None:
        """Both `[K, D]`."""
        super().__init__()
        self.register_buffer("centre", torch.tensor(CENTRE * ARMS).repeat(steps, 1))
        self.register_buffer("half_range", torch.tensor(HALF_RANGE * ARMS).repeat(steps, 1))

    @property
    def fitted(self) -> Tensor:
        """Bool [D]: which numbers have those of any data."""
        before = ActionStatistics(len(self.centre)).to(self.centre)
        same: Tensor = (self.centre == before.centre) & (self.half_range == before.half_range)
        return ~same.all(dim=0)

    def fit(self, chunks: Tensor, valid: Tensor) -> None:
        """From `chunks` [N, K, D]; a number that is never `valid` (bool [N, K, D]) keeps what it has.

        So does one that was fitted before: another scale would spoil the expert that has learned it.
        """
        share = torch.tensor([0.01, 0.99], device=chunks.device)
        for number in (~self.fitted).nonzero()[:, 0].tolist():
            for step in range(chunks.shape[1]):
                values = chunks[:, step, number][valid[:, step, number]]
                if values.numel():
                    low, high = values.float().quantile(share)
                    self.centre[step, number] = (low + high) / 2
                    self.half_range[step, number] = ((high - low) / 2).clamp_min(SMALLEST)

    def normalise(self, actions: Tensor) -> Tensor:
        """The first steps of a chunk `actions` [..., up to K, D] in m and rot6d -> about -1 to 1."""
        count = actions.shape[-2]
        return (actions - self.centre[:count]) / self.half_range[:count]

    def denormalise(self, normal: Tensor) -> Tensor:
        """The inverse of `normalise`."""
        count = normal.shape[-2]
        return normal * self.half_range[:count] + self.centre[:count]
