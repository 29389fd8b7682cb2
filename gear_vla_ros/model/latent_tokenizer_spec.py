"""The sizes of the latent action tokenizer; the defaults are `tiny`. Source of codes, groups and entries: App. A."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class LatentTokenizerSpec:
    """Sizes. image_size, patch: pixels. transitions: of one clip, which has one frame more. rate_hz: of those frames.

    codes: Q, ids of a transition. Position p uses group p % groups; its ids are group * entries + entry.
    """

    image_size: int = 64
    patch: int = 8
    width: int = 64
    depth: int = 2
    heads: int = 4
    code_dim: int = 8
    transitions: int = 5
    codes: int = 4
    groups: int = 2
    entries: int = 8
    rate_hz: float = 5.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            kind = int | float if name == "rate_hz" else int
            if isinstance(value, bool) or not isinstance(value, kind) or not (math.isfinite(value) and value > 0):
                wanted = "number" if name == "rate_hz" else "whole number"
                raise ValueError(f"latent tokenizer {name} is {value!r}, must be a {wanted} above 0")
        for name, whole, part in (
            ("image_size by patch", self.image_size, self.patch),
            ("width by heads", self.width, self.heads),
            ("codes by groups", self.codes, self.groups),
        ):
            if whole % part:
                raise ValueError(f"latent tokenizer {name}: {whole} cannot be divided by {part}")
