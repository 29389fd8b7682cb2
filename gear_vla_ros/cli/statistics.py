"""Shares with their intervals."""

import numpy as np

CONFIDENCE_Z = 1.959964


def wilson(successes: int, trials: int, z: float = CONFIDENCE_Z) -> tuple[float, float]:
    """Interval of a share by its score (Wilson 1927); z: 1.96 for 95 %."""
    share, spread_2 = successes / trials, z * z / trials
    middle = (share + spread_2 / 2) / (1 + spread_2)
    half = z * np.sqrt(share * (1 - share) / trials + spread_2 / (4 * trials)) / (1 + spread_2)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))
