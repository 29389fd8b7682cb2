"""What the language model is to say about each sample: latent action ids of the coming second, and FAST ids.

Both tokenizers are fitted once on the data of a run and kept in its folder.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.attention import SDPBackend, sdpa_kernel

from gear_vla_ros.model.causal_vqvae import CausalVqVae
from gear_vla_ros.model.fast_tokenizer import FastTokenizer
from gear_vla_ros.model.latent_tokenizer import LatentActionTokenizer, prepare_frames
from gear_vla_ros.model.latent_tokenizer_spec import LatentTokenizerSpec
from gear_vla_ros.settings.model import NUMBERS_PER_ARM, ModelSpec
from gear_vla_ros.training.losses import IGNORE
from gear_vla_ros.training.prepared import Prepared
from gear_vla_ros.training.vqvae import vqvae_step

LATENT, FAST = "latent_tokenizer", "fast_tokenizer.json"
CLIPS, LEARNING_RATE = 32, 1e-3
CLIPS_PER_PASS = 64
FAST_CHUNKS, FAST_SCALE, FAST_HEADROOM = 4000, 4.0, 2.0
STILL_GRIPPER = 0.5


@dataclass(frozen=True)
class Targets:
    """By sample: codes `[F, N]` latent action ids, IGNORE where the episode ends before; fast: FAST ids, from 0."""

    codes: NDArray[np.int64]
    fast: list[list[int]]


@dataclass(frozen=True)
class Tokenizers:
    """Both, fitted."""

    latent: LatentActionTokenizer
    fast: FastTokenizer

    def save(self, folder: Path) -> None:
        """Into a run's folder."""
        self.latent.save(folder / LATENT)
        self.fast.save(folder / FAST)

    @classmethod
    def load(cls, folder: Path) -> "Tokenizers":
        """What `save` wrote. Raises FileNotFoundError."""
        return cls(LatentActionTokenizer.load(folder / LATENT), FastTokenizer.load(folder / FAST))


def fit(
    sources: Sequence[Prepared], spec: ModelSpec, steps: int, seed: int, told: Callable[[int, float], None]
) -> Tokenizers:
    """told: step of the latent tokenizer's training, and share of the visual change that it does not explain."""
    return Tokenizers(_fit_latent(sources, spec, steps, seed, told), _fit_fast(sources, spec, seed))


def targets(source: Prepared, tokenizers: Tokenizers, kept: Path | None = None) -> Targets:
    """Of every sample; found in the file `kept`, or left there."""
    if kept is not None and kept.is_file():
        with np.load(kept) as found:
            fast = np.split(found["fast"], np.cumsum(found["lengths"])[:-1])
            return Targets(found["codes"], [ids.tolist() for ids in fast])
    if not source.acting:
        return _nothing(source, tokenizers.latent.spec.transitions * tokenizers.latent.spec.codes)
    dims = source.arms.repeat(NUMBERS_PER_ARM)
    fast_ids = [
        tokenizers.fast.encode(chunk, dims) if known.all() else []
        for chunk, known in zip(source.actions, source.known, strict=True)
    ]
    made = Targets(_codes(source, tokenizers.latent), fast_ids)
    if kept is not None:
        flat = np.concatenate([np.array(ids, np.int64) for ids in fast_ids])
        staged = kept.with_name(f".{kept.name}")
        np.savez(staged, codes=made.codes, fast=flat, lengths=np.array([len(ids) for ids in fast_ids]))
        staged.replace(kept)
    return made


def nothing(source: Prepared, spec: ModelSpec) -> Targets:
    """Of a source about which the language model is to say nothing."""
    return _nothing(source, spec.latents.tokens)


def _nothing(source: Prepared, tokens: int) -> Targets:
    return Targets(np.full((len(source), tokens), IGNORE), [[]] * len(source))


def _fit_latent(
    sources: Sequence[Prepared], spec: ModelSpec, steps: int, seed: int, told: Callable[[int, float], None]
) -> LatentActionTokenizer:
    latents = spec.latents
    sizes = LatentTokenizerSpec(
        transitions=latents.transitions, codes=latents.codes, groups=latents.groups, entries=latents.entries
    )
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    model = CausalVqVae(sizes)
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=0.0)
    clips = [_clips(source, sizes) for source in sources]
    shares = np.array([len(one) for one in clips], np.float64)
    for step in range(steps):
        at = int(random.choice(len(sources), p=shares / shares.sum()))
        rows = clips[at][random.integers(len(clips[at]), size=CLIPS)]
        with sdpa_kernel([SDPBackend.MATH]):  # of short sequences the fused kernel's backward pass is slow on a CPU
            loss = vqvae_step(
                model, optimizer, _head(sources[at], rows.ravel()).reshape(*rows.shape, *_picture(sources[at]))
            )
        told(step + 1, float(loss.reconstruction))
    return model.tokenizer.eval()


def _clips(source: Prepared, sizes: LatentTokenizerSpec) -> NDArray[np.int64]:
    """Rows `[C, transitions + 1]` of all whole clips. Raises ValueError when no episode is long enough for one."""
    found = [source.clip(row, sizes.transitions + 1, 1 / sizes.rate_hz) for row in range(len(source))]
    whole = [rows for rows in found if rows is not None]
    if not whole:
        raise ValueError(
            f"{source.robot}: no episode goes on for {sizes.transitions / sizes.rate_hz:g} s; record longer"
        )
    return np.stack(whole)


@torch.inference_mode()
def _codes(source: Prepared, tokenizer: LatentActionTokenizer) -> NDArray[np.int64]:
    spec = tokenizer.spec
    clips = _clips(source, spec)
    codes = np.full((len(source), spec.transitions * spec.codes), IGNORE, np.int64)
    for first in range(0, len(clips), CLIPS_PER_PASS):
        rows = clips[first : first + CLIPS_PER_PASS]
        frames = prepare_frames(torch.from_numpy(_head(source, rows.ravel())), spec.image_size)
        ids = tokenizer(frames.unflatten(0, rows.shape))[1].ids  # [B, transitions, Q]
        codes[rows[:, 0]] = ids.flatten(1).numpy()
    return codes


def _head(source: Prepared, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(source.views[rows, source.roles.index("head")])


def _picture(source: Prepared) -> tuple[int, ...]:
    return source.views.shape[2:]


def _fit_fast(sources: Sequence[Prepared], spec: ModelSpec, seed: int) -> FastTokenizer:
    random = np.random.default_rng(seed)
    chunks, valid = [], []
    for source in sources:
        whole = np.flatnonzero(source.known.all(axis=1))
        rows = random.choice(whole, min(len(whole), FAST_CHUNKS // len(sources)), replace=False)
        chunks.append(source.actions[rows])
        valid.append(np.broadcast_to(source.arms.repeat(NUMBERS_PER_ARM), (len(rows), spec.action_numbers)))
    numbers, there = np.concatenate(chunks), np.concatenate(valid).copy()
    nowhere = ~there.any(axis=0)
    there[:, nowhere] = True
    least = np.array([1e-3] * 9 + [STILL_GRIPPER])
    return FastTokenizer.fit(
        numbers,
        vocab_size=spec.fast_vocabulary,
        scale=FAST_SCALE,
        headroom=FAST_HEADROOM,
        min_half_range=np.tile(least, spec.action_numbers // NUMBERS_PER_ARM),
        valid=there,
    )
