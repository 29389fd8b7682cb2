"""Percentiles of the last figures."""

from collections import deque

import numpy as np


class Percentiles:
    """Of the last `window` values added; all are 0 before the first. One thread."""

    def __init__(self, window: int) -> None:
        if window < 1:
            raise ValueError(f"window: {window}, allowed 1 or more")
        self._values: deque[float] = deque(maxlen=window)

    def add(self, x: float) -> None:
        """One more value; the oldest leaves when the window is full."""
        self._values.append(float(x))

    def p(self, percent: float) -> float:
        """The value that `percent` (0 to 100) of the window do not exceed, interpolated."""
        return float(np.percentile(self._values, percent)) if self._values else 0.0

    @property
    def max(self) -> float:
        """Greatest value of the window."""
        return max(self._values, default=0.0)
