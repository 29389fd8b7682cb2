"""A moving average of the weights: what is kept of a run (Karras et al. 2022; diffusion policies keep nothing else)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

EARLY = 10.0
"""In its first steps an average forgets faster: it would be of the weights before training else."""


class Average:
    """Of `weights`, which go on being trained. keep: share of itself that it keeps at each step; 0: it follows them."""

    def __init__(self, weights: Sequence[Tensor], keep: float) -> None:
        self._weights, self._keep = list(weights), keep
        self._mean = [weight.detach().clone() for weight in weights] if keep else []

    @torch.no_grad()
    def update(self, step: int) -> None:
        """After step `step`, from 0."""
        if self._keep:
            kept = min(self._keep, (1 + step) / (EARLY + step))
            torch._foreach_lerp_(self._mean, [weight.detach() for weight in self._weights], 1 - kept)

    @contextmanager
    def in_place(self) -> Iterator[list[Tensor]]:
        """The average stands in the network; the weights being trained are given, and stand there again afterwards."""
        trained = [weight.detach().clone() for weight in self._weights] if self._keep else []
        self._copy(self._mean)
        try:
            yield trained
        finally:
            self._copy(trained)

    def resume(self, trained: Sequence[Tensor]) -> None:
        """The network holds the average: keep it, and go on from the weights that were being trained."""
        if self._keep:
            self._mean = [weight.detach().clone() for weight in self._weights]
            self._copy(trained)

    @torch.no_grad()
    def _copy(self, values: Sequence[Tensor]) -> None:
        for weight, value in zip(self._weights, values, strict=bool(self._keep)):
            weight.copy_(value)
