"""Which training sample comes when: the data order of stage 1 and the mixture of stage 2.

Source: paper App. A "Training data" and App. B. Stage 1 takes all data, easy to hard: spatial understanding, then
spatial perception (the reverse forgets, Table 7), then action. Stage 2 takes all manipulation data and 40 % of the
vision-language data. Our choices: each vision-language source keeps 40 % of its own samples, the same ones in every
epoch; within a level samples of all sources are shuffled together.

An order is a pure function of seed and epoch with random access: `order[i]` needs no earlier draw and no memory of the
size of the data, so a run resumes at any step, and worker r of w takes `range(r, len(order), w)`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum
from hashlib import blake2b
from itertools import accumulate
from typing import NamedTuple, overload

STAGE_TWO_SHARE = 0.4
_MASK = (1 << 64) - 1


class Pool(Enum):
    """VISION_LANGUAGE: the paper's Table 4. MANIPULATION: Table 5."""

    VISION_LANGUAGE = "vision_language"
    MANIPULATION = "manipulation"


class Level(IntEnum):
    """Stage 1's order. UNDERSTANDING: question answering. PERCEPTION: grounding, pointing, trajectories, mask tracking.
    ACTION: planning, affordance, and manipulation data with FAST and latent-action targets."""

    UNDERSTANDING = 0
    PERCEPTION = 1
    ACTION = 2


@dataclass(frozen=True)
class Source:
    """A data set of `size` samples."""

    name: str
    pool: Pool
    level: Level
    size: int


class SampleRef(NamedTuple):
    """Sample `item` (0..size - 1) of the source of that name."""

    source: str
    item: int


class Permutation:
    """A shuffle of 0..size - 1 that takes no memory: a keyed Feistel network, walked until it falls inside."""

    def __init__(self, size: int, key: str) -> None:
        self.size = size
        self._half = max(1, ((size - 1).bit_length() + 1) // 2)
        digest = blake2b(key.encode(), digest_size=32).digest()
        self._rounds = [int.from_bytes(digest[i : i + 8], "little") for i in range(0, 32, 8)]

    def __getitem__(self, index: int) -> int:
        while True:
            index = self._once(index)
            if index < self.size:
                return index

    def _once(self, value: int) -> int:
        low = (1 << self._half) - 1
        left, right = value >> self._half, value & low
        for key in self._rounds:
            mixed = ((right + key) * 0x9E3779B97F4A7C15) & _MASK
            mixed = ((mixed ^ (mixed >> 32)) * 0xD6E8FEB86659FD93) & _MASK
            left, right = right, left ^ ((mixed >> 32) & low)
        return left << self._half | right


class _Block:
    """Samples that are shuffled together: the first `kept` of each source's own permutation."""

    def __init__(self, portions: Sequence[tuple[Source, int]], seed: int, key: str) -> None:
        self.ends = list(accumulate(kept for _, kept in portions))
        self.sources = [source for source, _ in portions]
        self._order = Permutation(self.ends[-1], f"{seed}/{key}")
        self._within = [Permutation(source.size, f"{seed}/source/{source.name}") for source in self.sources]

    def __getitem__(self, index: int) -> SampleRef:
        drawn = self._order[index]
        at = bisect_right(self.ends, drawn)
        start = self.ends[at - 1] if at else 0
        return SampleRef(self.sources[at].name, self._within[at][drawn - start])


class DataOrder(Sequence[SampleRef]):
    """One epoch's samples, each exactly once: block after block, shuffled within a block."""

    def __init__(self, blocks: Sequence[Sequence[tuple[Source, int]]], seed: int, epoch: int) -> None:
        self._blocks = [_Block(portions, seed, f"{epoch}/{i}") for i, portions in enumerate(blocks)]
        self._ends = list(accumulate(block.ends[-1] for block in self._blocks))

    def __len__(self) -> int:
        return self._ends[-1]

    @overload
    def __getitem__(self, index: int) -> SampleRef: ...
    @overload
    def __getitem__(self, index: slice) -> list[SampleRef]: ...
    def __getitem__(self, index: int | slice) -> SampleRef | list[SampleRef]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of an epoch of {len(self)}")
        index %= len(self)
        at = bisect_right(self._ends, index)
        return self._blocks[at][index - (self._ends[at - 1] if at else 0)]


def stage_one(sources: Iterable[Source], seed: int = 42, epoch: int = 0) -> DataOrder:
    """Embodied pretraining: every sample once, level after level. ValueError if `sources` are not usable."""
    listed = _checked(sources)
    levels = [[(s, s.size) for s in listed if s.level is level] for level in Level]
    return DataOrder([level for level in levels if level], seed, epoch)


def stage_two(sources: Iterable[Source], seed: int = 42, epoch: int = 0, share: float = STAGE_TWO_SHARE) -> DataOrder:
    """Continuous policy learning: all manipulation samples and `share` of each vision-language source, in one shuffle.

    A source keeps at least one sample. ValueError if `share` is outside 0..1 or `sources` are not usable.
    """
    if not 0.0 < share <= 1.0:
        raise ValueError(f"stage 2 share is {share}, allowed is above 0 up to 1")
    kept = [(s, s.size if s.pool is Pool.MANIPULATION else max(1, round(share * s.size))) for s in _checked(sources)]
    return DataOrder([kept], seed, epoch)


def _checked(sources: Iterable[Source]) -> list[Source]:
    listed = list(sources)
    if not listed:
        raise ValueError("no training sources given, at least one needed")
    seen: set[str] = set()
    for source in listed:
        if source.size < 1:
            raise ValueError(f"training source {source.name!r} has {source.size} samples, at least 1 needed")
        if source.name in seen:
            raise ValueError(f"training source {source.name!r} is listed twice: names must differ")
        seen.add(source.name)
    return listed
