"""What the graphs take beside pictures and weights, in numpy: text ids, places in the sequence, positions, masks.

The same as `model.sequence` and `model.text` for a batch of one with a fixed number of text tokens; padding stands
before the sentence and is masked, so that the result does not depend on it.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.model.words import word_ids
from gear_vla_ros.settings.model import ARMS, VIEWS, ModelSpec


class Sentences(Protocol):
    """A sentence as ids."""

    def encode(self, text: str) -> list[int]:
        """Ids of a sentence."""
        ...


class ByteSentences:
    """One id a byte of UTF-8."""

    def encode(self, text: str) -> list[int]:
        """Ids of a sentence."""
        return list(text.encode())


class WordSentences:
    """One id a word."""

    def __init__(self, vocabulary: int) -> None:
        self._vocabulary = vocabulary

    def encode(self, text: str) -> list[int]:
        """Ids of a sentence."""
        return word_ids(text, self._vocabulary)


class TokenizerSentences:
    """The parent's tokenizer.json, read without transformers."""

    def __init__(self, file: Path) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(file))

    def encode(self, text: str) -> list[int]:
        """Ids of a sentence."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids


@dataclass(frozen=True)
class Layout:
    """Places in the sequence of a ModelSpec with `text_tokens` tokens of instruction (see `model.sequence`)."""

    spec: ModelSpec
    text_tokens: int

    @property
    def per_view(self) -> int:
        """Tokens of a view with its brackets."""
        return self.spec.tokens_per_view + 2

    @property
    def state(self) -> slice:
        """Places of the state tokens."""
        return slice(VIEWS * self.per_view, VIEWS * self.per_view + ARMS)

    @property
    def text(self) -> slice:
        """Places of the instruction."""
        return slice(self.state.stop, self.length)

    @property
    def length(self) -> int:
        """L, places before the first latent token."""
        return VIEWS * self.per_view + ARMS + self.text_tokens

    def view(self, index: int) -> slice:
        """Places of a view's tokens, without its brackets."""
        first = index * self.per_view + 1
        return slice(first, first + self.spec.tokens_per_view)

    @cached_property
    def _before_text(self) -> NDArray[np.int64]:
        """M-RoPE positions [3, F] (time, row, column) of views and state."""
        side = self.spec.view_size // self.spec.vision.patch_size // 2
        rows, columns = np.divmod(np.arange(side * side), side)
        parts, at = [], 0
        for _ in range(VIEWS):
            parts += [np.full((3, 1), at), at + 1 + np.stack([0 * rows, rows, columns]), np.full((3, 1), at + 1 + side)]
            at += side + 2
        parts.append(np.broadcast_to(at + np.arange(ARMS), (3, ARMS)))
        return np.concatenate(parts, axis=1)

    def positions(self, words: int) -> NDArray[np.int64]:
        """Positions [3, 1, L + N] of prefix and latent tokens when the last `words` text tokens are no padding."""
        first = self._before_text.max() + 1
        text = first + np.maximum(np.arange(self.text_tokens) - (self.text_tokens - words), -1)
        latent = text[-1] + 1 + np.arange(self.spec.latents.tokens)
        after = np.broadcast_to(np.concatenate([text, latent]), (3, len(text) + len(latent)))
        return np.concatenate([self._before_text, after], axis=1)[:, None]

    def seen(self, views: NDArray[np.bool_], arms: NDArray[np.bool_], words: int) -> NDArray[np.bool_]:
        """Which places of the prefix may be attended to [L]. views `[V]`, arms `[A]`: what there is."""
        text = np.arange(self.text_tokens) >= self.text_tokens - words
        return np.concatenate([np.repeat(views, self.per_view), arms, text])

    def prefix_mask(self, seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Who sees whom in the prefix [1, 1, L, L]; every place sees itself, so that no softmax is over nothing."""
        return (np.tri(self.length, dtype=bool) & seen | np.eye(self.length, dtype=bool))[None, None]

    def latent_mask(self, seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Who sees whom from each latent token [1, 1, N, L + N]."""
        tokens = self.spec.latents.tokens
        before = np.broadcast_to(seen, (tokens, self.length))
        return np.concatenate([before, np.tri(tokens, dtype=bool)], axis=1)[None, None]

    def latent_ids(self, position: int) -> slice:
        """Latent ids that may stand at a latent position: those of its group."""
        latents = self.spec.latents
        first = position % latents.groups * latents.entries
        return slice(first, first + latents.entries)
