"""Samples of a topic at other times than its own: three ways, all by capture stamp."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.geometry import se3

Array = NDArray[np.float64]
Times = NDArray[np.int64]
NONE = -1


def asof(stamps_ns: Times, times_ns: Times, max_age_ns: int, early_ns: int = 0) -> NDArray[np.int64]:
    """Index `[N]` of the newest sample at each time, `NONE` where there is none or it is older than `max_age_ns`.

    stamps_ns: `[M]`, not descending. early_ns: a sample may be that much later than its time, for clocks that jitter.
    """
    found = hold(stamps_ns, times_ns + early_ns)
    if not len(stamps_ns):
        return found
    fresh = times_ns - stamps_ns[found] <= max_age_ns
    return np.where(fresh & (found != NONE), found, NONE)


def hold(stamps_ns: Times, times_ns: Times) -> NDArray[np.int64]:
    """Index `[N]` of the newest sample at or before each time however old, for what is in force until replaced.

    `NONE` before the first.
    """
    return np.searchsorted(stamps_ns, times_ns, side="right").astype(np.int64) - 1


@dataclass(frozen=True)
class Between:
    """Neighbours of each time `[N]`, and how far it is from the first to the second, 0 to 1."""

    before: NDArray[np.int64]
    after: NDArray[np.int64]
    fraction: Array

    def linear(self, values: Array) -> Array:
        """`[N, ...]` of values `[M, ...]`."""
        f = self.fraction.reshape(-1, *[1] * (values.ndim - 1))
        result: Array = (1 - f) * values[self.before] + f * values[self.after]
        return result

    def poses(self, a_T_b: Array) -> Array:
        """`[N, 4, 4]` of poses `[M, 4, 4]`: positions on the line, rotations on the geodesic."""
        return se3.interpolate(a_T_b[self.before], a_T_b[self.after], self.fraction)


def interpolate(stamps_ns: Times, times_ns: Times, max_gap_ns: int) -> tuple[Between, NDArray[np.bool_]]:
    """Neighbours of every time, and which of the times `[N]` have them: inside, over a gap of at most `max_gap_ns`.

    stamps_ns: `[M]`, ascending, at least one. Where there are none the nearest sample stands in.
    """
    after = np.clip(np.searchsorted(stamps_ns, times_ns), 0, len(stamps_ns) - 1)
    exact = stamps_ns[after] == times_ns
    before = np.where(exact, after, np.maximum(after - 1, 0))
    gap = stamps_ns[after] - stamps_ns[before]
    inside = (times_ns >= stamps_ns[0]) & (times_ns <= stamps_ns[-1])
    fraction = np.clip((times_ns - stamps_ns[before]) / np.maximum(gap, 1), 0.0, 1.0)
    return Between(before, after, fraction), inside & (gap <= max_gap_ns)


def longest_run(usable: NDArray[np.bool_]) -> slice:
    """The longest stretch of true elements; empty where there is none."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], usable.astype(np.int8), [0]])))
    begins, ends = edges[::2], edges[1::2]
    if not len(begins):
        return slice(0, 0)
    best = int(np.argmax(ends - begins))
    return slice(int(begins[best]), int(ends[best]))
