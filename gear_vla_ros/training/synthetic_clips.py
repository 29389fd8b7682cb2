"""Rendered clips of a square that moves over a still, textured table: known motion to try the latent tokenizer on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

DIRECTIONS = np.array([[0, 1], [0, -1], [1, 0], [-1, 0]])
"""Row and column steps of labels 0..3: right, left, down, up. Labels 2k and 2k + 1 are opposite."""


def moving_squares(
    clips: int, frames: int, size: int, seed: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Clips [N, T, size, size, 3] uint8 and the direction of each, [N] in 0..3; start, colours and speed are random.

    The square steps by 3 % to 8 % of the picture a frame and wraps around at the border, so that where it is says
    nothing of where it goes.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(len(DIRECTIONS), size=clips)
    coarse = rng.integers(0, 96, size=(clips, 4, 4, 3))
    table = np.repeat(np.repeat(coarse, size // 4, axis=1), size // 4, axis=2)  # [N, size, size, 3]
    colours = rng.integers(128, 256, size=(clips, 3))
    side = size // 4
    starts = rng.integers(size, size=(clips, 2))
    speeds = rng.uniform(0.03, 0.08, size=clips) * size
    video = np.repeat(table[:, None], frames, axis=1).astype(np.uint8)  # [N, T, size, size, 3]
    for clip in range(clips):
        for frame in range(frames):
            corner = starts[clip] + np.rint(DIRECTIONS[labels[clip]] * speeds[clip] * frame).astype(np.int64)
            rows, columns = ((corner[axis] + np.arange(side)) % size for axis in (0, 1))
            video[clip, frame, rows[:, None], columns[None, :]] = colours[clip]
    return video, labels
