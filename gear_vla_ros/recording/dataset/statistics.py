"""Minimum, maximum, mean, deviation and quantiles of features, in the form LeRobot keeps them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

QUANTILES = (0.01, 0.10, 0.50, 0.90, 0.99)
SAMPLED_PICTURES, SAMPLED_PIXELS = 100, 150
Stats = dict[str, list[Any]]


def of_numbers(values: NDArray[Any]) -> Stats:
    """Of a column `[N]` or `[N, d]`: lists of d, and the count."""
    numbers = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    found = {
        "min": numbers.min(axis=0), "max": numbers.max(axis=0),
        "mean": numbers.mean(axis=0), "std": numbers.std(axis=0),
        **dict(zip(quantile_names(), np.quantile(numbers, QUANTILES, axis=0), strict=True)),
    }  # fmt: skip
    return {name: value.tolist() for name, value in found.items()} | {"count": [len(numbers)]}


def quantile_names() -> list[str]:
    """`q01` to `q99`."""
    return [f"q{round(share * 100):02d}" for share in QUANTILES]


def sampled(count: int) -> frozenset[int]:
    """Which of an episode's `count` frames are looked at for a camera's statistics."""
    return frozenset(np.linspace(0, count - 1, min(count, SAMPLED_PICTURES)).round().astype(int).tolist())


class Colours:
    """How often each value was seen in each channel: exact for what was added, and as small for a thousand hours."""

    def __init__(self) -> None:
        self._counts = np.zeros((3, 256), dtype=np.int64)
        self._pictures = 0

    def add(self, pixels: NDArray[np.uint8]) -> None:
        """Every k-th pixel of an RGB picture `[height, width, 3]`, about 150 along its shorter side."""
        step = max(1, min(pixels.shape[:2]) // SAMPLED_PIXELS)
        small = pixels[::step, ::step].reshape(-1, 3)
        self._counts += np.stack([np.bincount(small[:, c], minlength=256) for c in range(3)])
        self._pictures += 1

    def merge(self, other: "Colours") -> None:
        """Take in what another has seen."""
        self._counts += other._counts
        self._pictures += other._pictures

    def stats(self) -> Stats:
        """Values 0 to 1, each `[3, 1, 1]`; count: pictures."""
        values = np.arange(256) / 255.0
        share = self._counts / self._counts.sum(axis=1, keepdims=True)
        mean = share @ values
        std = np.sqrt(np.maximum(share @ values**2 - mean**2, 0.0))
        seen = [np.flatnonzero(row) for row in self._counts]
        below = np.cumsum(share, axis=1)
        quantiles = [[values[np.searchsorted(row, q - 1e-12)] for row in below] for q in QUANTILES]
        ends = {"min": [values[s[0]] for s in seen], "max": [values[s[-1]] for s in seen]}
        found: Mapping[str, Any] = {
            **ends, "mean": mean, "std": std, **dict(zip(quantile_names(), quantiles, strict=True)),
        }  # fmt: skip
        return {name: np.reshape(value, (3, 1, 1)).tolist() for name, value in found.items()} | {
            "count": [self._pictures]
        }
