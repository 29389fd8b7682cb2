"""Predicted chunks against what was done: metres, degrees and grippers, by step of the horizon."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts import ActionChunk
from gear_vla_ros.geometry import so3
from gear_vla_ros.recording.dataset.resampling import interpolate
from gear_vla_ros.recording.dataset.samples import ArmFrames, Samples

Array = NDArray[np.float64]
CLOSED_BELOW = 0.5
"""A gripper counts as closed below this opening."""


@dataclass(frozen=True)
class ArmScore:
    """Of one arm, over the chunks `[C]` and their steps `[K]`; NaN where the episode had ended.

    metres, degrees: `[C, K]`, from the tool that was there to the tool that was predicted. still_metres: `[C, K]`, of
    a policy that stays where it is. closed, predicted_closed: `[C, K]`, 0 or 1.
    """

    metres: Array
    degrees: Array
    still_metres: Array
    closed: Array
    predicted_closed: Array

    def gripper_f1(self, step: slice = slice(None)) -> float:
        """F1 of `closed` over some steps; NaN where nobody closed and nobody was to."""
        real, said = self.closed[:, step], self.predicted_closed[:, step]
        both = float(np.nansum(real * said))
        either = float(np.nansum(real) + np.nansum(np.where(np.isnan(real), np.nan, said)))
        return 2 * both / either if either else float("nan")


def score(samples: Samples, chunks: Sequence[ActionChunk]) -> Mapping[str, ArmScore]:
    """By arm. A step is compared with the tool at the step's own time, interpolated between the episode's frames."""
    return {name: _score(samples, frames, name, chunks) for name, frames in samples.arms.items()}


def by_step(values: Array) -> Array:
    """Mean over chunks `[K]`; NaN where no chunk has the step."""
    there = ~np.isnan(values)
    sums: Array = np.where(there, values, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    return np.where(there.any(axis=0), sums, np.nan)


def _score(samples: Samples, frames: ArmFrames, arm: str, chunks: Sequence[ActionChunk]) -> ArmScore:
    rows = [_row(samples, frames, chunk, arm) for chunk in chunks]
    return ArmScore(*(np.stack(column) for column in zip(*rows, strict=True)))


def _row(samples: Samples, frames: ArmFrames, chunk: ActionChunk, arm: str) -> tuple[Array, ...]:
    """The five arrays `[K]` of one chunk."""
    steps = np.arange(1, chunk.steps + 1)
    times_ns = chunk.stamp_ns + np.round(steps * 1e9 / chunk.rate_hz).astype(np.int64)
    at, there = interpolate(samples.times_ns, times_ns, round(2e9 / samples.fps))
    done, predicted = at.poses(frames.base_T_tcp), chunk.arms[arm].base_T_tcp()
    anchor = chunk.arms[arm].base_T_anchor
    told = frames.commanded[at.before]
    rows = (
        np.linalg.norm(predicted[:, :3, 3] - done[:, :3, 3], axis=1),
        np.degrees(so3.angle_between(done[:, :3, :3], predicted[:, :3, :3])),
        np.linalg.norm(done[:, :3, 3] - anchor[:3, 3], axis=1),
        (told < CLOSED_BELOW).astype(np.float64),
        (chunk.arms[arm].gripper < CLOSED_BELOW).astype(np.float64),
    )
    return tuple(np.where(there, row, np.nan) for row in rows)
