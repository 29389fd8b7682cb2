"""Instructions as token ids. Bytes or words for networks from nothing; the parent's tokenizer for Qwen2.5-VL."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import AutoTokenizer

from gear_vla_ros.model.words import BYTES, SPECIAL, word_ids
from gear_vla_ros.settings.model import ModelSpec

PAD, VISION_START, VISION_END, IMAGE, BEGIN_ACTION, END = range(BYTES, BYTES + SPECIAL)
"""Special ids of the byte vocabulary."""


class TextTokens(Protocol):
    """A sentence as ids, and the ids that frame pictures and actions."""

    pad: int
    vision_start: int
    vision_end: int
    begin_action: int

    def encode(self, text: str) -> list[int]:
        """Ids of a sentence."""
        ...


class ByteTokens:
    """One id a byte of UTF-8."""

    pad, vision_start, vision_end, begin_action = PAD, VISION_START, VISION_END, BEGIN_ACTION

    def encode(self, text: str) -> list[int]:
        """Ids of a sentence."""
        return list(text.encode())


class WordTokens:
    """One id a word (see `words.word_ids`); other characters as bytes."""

    pad, vision_start, vision_end, begin_action = PAD, VISION_START, VISION_END, BEGIN_ACTION

    def __init__(self, vocabulary: int) -> None:
        self._vocabulary = vocabulary

    def encode(self, text: str) -> list[int]:
        """Ids of a sentence."""
        return word_ids(text, self._vocabulary)


class QwenTokens:
    """The parent's tokenizer, from a local folder; nothing is downloaded."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        names = ("<|endoftext|>", "<|vision_start|>", "<|vision_end|>", "<|object_ref_start|>")
        ids: Any = self._tokenizer.convert_tokens_to_ids(list(names))
        self.pad, self.vision_start, self.vision_end, self.begin_action = ids

    def encode(self, text: str) -> list[int]:
        """Ids of a sentence."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return ids


def make_tokens(spec: ModelSpec, folder: Path | None = None) -> TextTokens:
    """The tokenizer of these sizes; `folder`: where the parent's tokenizer lies. Raises ValueError without one."""
    if spec.tokenizer == "bytes":
        return ByteTokens()
    if spec.tokenizer == "words":
        return WordTokens(spec.language.vocabulary)
    if folder is None or not (folder / "tokenizer.json").is_file():
        raise ValueError(f"tokenizer: '{spec.tokenizer}' needs tokenizer.json in the checkpoint folder, none found")
    return QwenTokens(folder)


def batch(tokens: TextTokens, sentences: Sequence[str], most: int) -> tuple[Tensor, Tensor]:
    """Ids int64 and mask bool, both [B, T], each sentence followed by the token that begins the action.

    Raises ValueError for a sentence that is empty or longer than `most` tokens.
    """
    rows = [[*tokens.encode(sentence), tokens.begin_action] for sentence in sentences]
    for sentence, row in zip(sentences, rows, strict=True):
        if not sentence.strip() or len(row) > most:
            raise ValueError(f"instruction: '{sentence[:40]}' is {len(row) - 1} tokens, allowed 1 to {most - 1}")
    longest = max(map(len, rows))
    ids = torch.tensor([[*[tokens.pad] * (longest - len(row)), *row] for row in rows])
    mask = torch.tensor([[False] * (longest - len(row)) + [True] * len(row) for row in rows])
    return ids, mask
