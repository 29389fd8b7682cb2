"""FAST action tokens: one action chunk as a short list of integers of the LLM's vocabulary.

Steps [Pertsch et al. 2025, the paper's ref. 22; paper App. A "Discrete action supervision"]:

1. per dimension, the 1st and 99th percentile of the training chunks become -1 and +1;
2. an orthonormal DCT-II along time;
3. multiply by `scale`, round to integers, clamp to the alphabet -L..L;
4. flatten, low frequencies of all dimensions first;
5. byte-pair encoding over these integers, one Unicode character each.

The percentiles, the scale and the merges are saved as one JSON file; nothing is pickled.

Our choices, where the sources are silent. L is `scale * headroom * sqrt(T)` rounded up: the DCT keeps the length of a
vector, so no chunk that stays within `headroom` times its percentile range can ever be clamped. A dimension that hardly
moves in the training chunks is normalised by `min_half_range` instead. A list of ids that does not decode to exactly
T x D integers is refused, never filled up with zeros.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.fft import dct, idct
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

FILE_FORMAT = "gear_vla_fast/1"
FIRST_SYMBOL = 0x4E00
"""Code point of integer -L. From here 20,992 code points follow that are neither space, mark nor surrogate."""
MAX_ALPHABET = 20_992


@dataclass(frozen=True)
class FastLayout:
    """What a tokenizer was trained for.

    steps: T, time steps of a chunk. scale: quantisation steps per unit of a normalised DCT coefficient.
    centre, half_range: [D], a value x is normalised to (x - centre) / half_range, in the unit of its dimension.
    headroom: multiple of the percentile range within which no coefficient can be clamped.
    """

    steps: int
    scale: float
    headroom: float
    centre: FloatArray
    half_range: FloatArray

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"FAST steps is {self.steps}, must be 1 or more")
        if not (math.isfinite(self.scale) and self.scale > 0 and math.isfinite(self.headroom) and self.headroom >= 1):
            raise ValueError(f"FAST scale {self.scale} must be above 0 and headroom {self.headroom} 1 or more")
        if self.centre.ndim != 1 or self.centre.shape != self.half_range.shape or not self.centre.size:
            raise ValueError(
                f"FAST centre {self.centre.shape} and half_range {self.half_range.shape} must be one [D] each"
            )
        if not (np.isfinite(self.centre).all() and np.isfinite(self.half_range).all() and (self.half_range > 0).all()):
            raise ValueError("FAST centre must be finite and half_range finite and above 0")
        if 2 * self.limit + 1 > MAX_ALPHABET:
            raise ValueError(
                f"FAST alphabet has {2 * self.limit + 1} symbols, {MAX_ALPHABET} allowed: lower scale or headroom"
            )

    @property
    def dims(self) -> int:
        return int(self.centre.size)

    @property
    def limit(self) -> int:
        """L: the largest integer of the alphabet -L..L."""
        return math.ceil(self.scale * self.headroom * math.sqrt(self.steps))

    def symbol(self, value: int) -> str:
        return chr(FIRST_SYMBOL + self.limit + value)

    @property
    def alphabet(self) -> list[str]:
        return [self.symbol(value) for value in range(-self.limit, self.limit + 1)]

    def error_bound(self) -> FloatArray:
        """Largest round-trip error [T, D] of a chunk of which no coefficient is clamped, in the chunk's own units.

        Each of the T coefficients of a dimension is off by at most 0.5 / scale, so step t is off by at most
        half_range * 0.5 / scale * sum_k |C[k, t]| with C the DCT matrix; that sum never exceeds sqrt(T).
        """
        row_sums = np.abs(dct(np.eye(self.steps), axis=0, norm="ortho")).sum(axis=0)  # [T]
        return np.outer(row_sums * (0.5 / self.scale), self.half_range)

    def coefficients(self, chunk: npt.ArrayLike, valid: npt.ArrayLike | None = None) -> npt.NDArray[np.int64]:
        """Rounded DCT coefficients [T, D] before clamping. `valid` [D]: dimensions of a padded arm become 0."""
        values = checked_chunks(chunk, "chunk", (self.steps, self.dims))
        normalised = (values - self.centre) / self.half_range
        if valid is not None:
            normalised = np.where(checked_mask(valid, "valid", (self.dims,)), normalised, 0.0)
        scaled = np.rint(self.scale * dct(normalised, axis=0, norm="ortho"))
        integers: npt.NDArray[np.int64] = np.clip(scaled, -(2**62), 2**62).astype(np.int64)
        return integers


def checked_chunks(values: npt.ArrayLike, name: str, shape: tuple[int, ...]) -> FloatArray:
    """`values` as finite float64 of `shape`, where -1 stands for any length of 1 or more; else a ValueError."""
    array = np.asarray(values, dtype=np.float64)
    fits = array.ndim == len(shape) and all(
        want in (-1, have) and have > 0 for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ["any" if want == -1 else want for want in shape]
        raise ValueError(f"FAST {name} has shape {list(array.shape)}, allowed is {wanted}")
    if not np.isfinite(array).all():
        where = np.argwhere(~np.isfinite(array))[0].tolist()
        raise ValueError(f"FAST {name} is not finite at index {where}")
    return array


def checked_mask(values: npt.ArrayLike, name: str, shape: tuple[int, ...]) -> BoolArray:
    mask = np.asarray(values)
    if mask.dtype != np.bool_ or mask.shape != shape:
        raise ValueError(f"FAST {name} is {mask.dtype} {list(mask.shape)}, allowed is bool {list(shape)}")
    return mask


class FastTokenizer:
    """A trained tokenizer: get one by `fit` or `load`; an untrained one cannot be made.

    Its ids are `id_offset` .. `id_offset + vocab_size - 1`: give ModelSpec's `fast_id_offset` to get the LLM's own ids.
    """

    def __init__(self, layout: FastLayout, bpe: Tokenizer, id_offset: int = 0) -> None:
        if id_offset < 0:
            raise ValueError(f"FAST id_offset is {id_offset}, must be 0 or more")
        vocabulary = bpe.get_vocab()
        unlike = set(layout.alphabet).symmetric_difference("".join(vocabulary))
        if unlike or sorted(vocabulary.values()) != list(range(len(vocabulary))):
            raise ValueError(
                f"FAST byte-pair encoding is untrained or foreign: {len(unlike)} symbols differ from the alphabet of"
                f" {len(layout.alphabet)}, or its ids are not 0..{len(vocabulary) - 1}; train it with FastTokenizer.fit"
            )
        self.layout = layout
        self.id_offset = id_offset
        self._bpe = bpe
        zero = FIRST_SYMBOL + layout.limit
        ordered = sorted(vocabulary, key=vocabulary.__getitem__)
        self._integers = [[ord(symbol) - zero for symbol in token] for token in ordered]

    @property
    def vocab_size(self) -> int:
        """How many ids there are; at most what `fit` was allowed, less where the training chunks gave fewer merges."""
        return len(self._integers)

    @classmethod
    def fit(
        cls,
        chunks: npt.ArrayLike,
        *,
        vocab_size: int = 1024,
        scale: float = 10.0,
        headroom: float = 2.0,
        min_half_range: npt.ArrayLike = 1e-3,
        valid: npt.ArrayLike | None = None,
        id_offset: int = 0,
    ) -> FastTokenizer:
        """Train on `chunks` [N, T, D].

        vocab_size: most ids allowed, alphabet included. min_half_range: scalar or [D], smallest half range used for
        normalising (give 0.5 for a gripper that seldom moves). valid: bool [N, D], False where an arm is padded;
        those entries count neither for the percentiles nor as anything but 0 in the merges.
        Raises ValueError on wrong shapes, NaN, a dimension that is valid nowhere, or a vocabulary below the alphabet.
        """
        data = checked_chunks(chunks, "chunks", (-1, -1, -1))
        count, steps, dims = data.shape
        mask = np.ones((count, dims), np.bool_) if valid is None else checked_mask(valid, "valid", (count, dims))
        low, high = _percentiles(data, mask)
        floor = np.broadcast_to(np.asarray(min_half_range, np.float64), (dims,))
        layout = FastLayout(steps, float(scale), float(headroom), (low + high) / 2, np.maximum((high - low) / 2, floor))
        if vocab_size < len(layout.alphabet):
            raise ValueError(
                f"FAST vocab_size is {vocab_size}, at least {len(layout.alphabet)} needed for {steps} steps at scale"
                f" {scale:g} and headroom {headroom:g}: raise it or lower those"
            )
        bpe = Tokenizer(BPE())
        trainer = BpeTrainer(
            vocab_size=vocab_size, initial_alphabet=layout.alphabet, min_frequency=2, show_progress=False
        )
        bpe.train_from_iterator((_text(layout, c, m) for c, m in zip(data, mask, strict=True)), trainer, length=count)
        return cls(layout, bpe, id_offset)

    def encode(self, chunk: npt.ArrayLike, valid: npt.ArrayLike | None = None) -> list[int]:
        """Ids of `chunk` [T, D]; `valid` bool [D] is False where an arm is padded. ValueError if malformed."""
        return [self.id_offset + i for i in self._bpe.encode(_text(self.layout, chunk, valid)).ids]

    def saturated(self, chunk: npt.ArrayLike, valid: npt.ArrayLike | None = None) -> int:
        """How many of the T x D coefficients `encode` must clamp. 0 within `headroom`: then `error_bound` holds."""
        return int((np.abs(self.layout.coefficients(chunk, valid)) > self.layout.limit).sum())

    def decode(self, ids: Sequence[int]) -> FloatArray:
        """The chunk [T, D] of `ids`. ValueError for an id out of range or ids that are not exactly one chunk."""
        flat: list[int] = []
        for position, token_id in enumerate(ids):
            if not 0 <= token_id - self.id_offset < self.vocab_size:
                last = self.id_offset + self.vocab_size - 1
                raise ValueError(f"FAST id {token_id} at position {position}, allowed is {self.id_offset}..{last}")
            flat += self._integers[token_id - self.id_offset]
        steps, dims = self.layout.steps, self.layout.dims
        if len(flat) != steps * dims:
            raise ValueError(f"FAST ids hold {len(flat)} coefficients, one chunk is {steps} x {dims} = {steps * dims}")
        coefficients = np.reshape(flat, (steps, dims)) / self.layout.scale
        normalised: FloatArray = idct(coefficients, axis=0, norm="ortho")
        return normalised * self.layout.half_range + self.layout.centre

    def save(self, path: Path | str) -> None:
        """Write one JSON file. `id_offset` is not in it: it belongs to the LLM that the ids are appended to."""
        layout = self.layout
        content = {
            "format": FILE_FORMAT,
            "steps": layout.steps,
            "scale": layout.scale,
            "headroom": layout.headroom,
            "centre": layout.centre.tolist(),
            "half_range": layout.half_range.tolist(),
            "bpe": json.loads(self._bpe.to_str()),
        }
        Path(path).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, path: Path | str, id_offset: int = 0) -> FastTokenizer:
        """Read what `save` wrote. ValueError, naming the file, if it is anything else."""
        try:
            content: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
            if content["format"] != FILE_FORMAT:
                raise ValueError(f"format is {content['format']!r}, allowed is {FILE_FORMAT!r}")
            centre, half_range = (np.asarray(content[key], np.float64) for key in ("centre", "half_range"))
            layout = FastLayout(
                int(content["steps"]), float(content["scale"]), float(content["headroom"]), centre, half_range
            )
            return cls(layout, _bpe_from_json(content["bpe"]), id_offset)
        except (ValueError, TypeError, KeyError) as error:
            reason = f"no field {error}" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"{path} is no FAST tokenizer: {reason}") from error


def _percentiles(data: FloatArray, mask: BoolArray) -> tuple[FloatArray, FloatArray]:
    low, high = np.empty(data.shape[2]), np.empty(data.shape[2])
    for dim in range(data.shape[2]):
        if not mask[:, dim].any():
            raise ValueError(f"FAST chunks: dimension {dim} is valid in none of the {len(data)} chunks")
        low[dim], high[dim] = np.quantile(data[mask[:, dim], :, dim], (0.01, 0.99))
    return low, high


def _text(layout: FastLayout, chunk: npt.ArrayLike, valid: npt.ArrayLike | None) -> str:
    integers = np.clip(layout.coefficients(chunk, valid), -layout.limit, layout.limit)  # [T, D]
    return "".join(map(chr, (integers + (FIRST_SYMBOL + layout.limit)).ravel()))


def _bpe_from_json(content: Any) -> Tokenizer:
    try:
        return Tokenizer.from_str(json.dumps(content))
    except Exception as error:  # the Rust binding raises bare Exception
        raise ValueError(f"its byte-pair encoding does not parse: {error}") from error
