"""The network as graphs of a bundle: everything between them in numpy, the graphs by any backend."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts import KvCache
from gear_vla_ros.engines.bundle import EMBEDDING, TOKENIZER, Bundle, BundleError
from gear_vla_ros.engines.engine import SlowInput, SlowOutput, StateInput, check_cache
from gear_vla_ros.engines.layout import ByteSentences, Layout, Sentences, TokenizerSentences, WordSentences
from gear_vla_ros.engines.parts import Parts
from gear_vla_ros.settings.model import NUMBERS_PER_ARM, VIEWS, ModelSpec

Floats = NDArray[np.float32]


class GraphEngine:
    """As `Engine`. Text, places, masks, the choice of latent ids and Euler's method are here (docs/engines.md)."""

    def __init__(self, bundle: Bundle, parts: Parts) -> None:
        """`parts`: those of the paths that will be called. Raises BundleError for an embedding of another shape."""
        self._manifest, self._parts = bundle.manifest, parts
        self._at = Layout(self.spec, self._manifest.text_tokens)
        self._embedding = np.load(bundle.folder / EMBEDDING, mmap_mode="r", allow_pickle=False)
        wanted = (self.spec.vocabulary, self.spec.language.width)
        if self._embedding.shape != wanted or self._embedding.dtype not in (np.float32, np.uint16):
            found = f"{self._embedding.dtype} {list(self._embedding.shape)}"
            raise BundleError(f"{bundle.folder / EMBEDDING}: {found}, allowed float32 or uint16 {list(wanted)}")
        self._sentences = self._reader(bundle)
        statistics = self._manifest.statistics
        self._centre, self._half = (np.array(v, np.float32) for v in (statistics.centre, statistics.half_range))

    @property
    def spec(self) -> ModelSpec:
        """Its sizes."""
        return self._manifest.spec

    @property
    def fingerprint(self) -> str:
        """Of the weights that the bundle was made from."""
        return self._manifest.weights

    @property
    def about(self) -> str:
        """Backend, its version and device."""
        return self._parts.about

    def accepts(self, text: str) -> None:
        """Raise ValueError for a sentence that is empty or too long."""
        self._ids(text)

    def think(self, given: SlowInput) -> SlowOutput:
        """Latent action tokens. Raises ValueError naming what does not fit."""
        begun = time.perf_counter_ns()
        ids = self._ids(given.text)
        words = len(ids)
        views = self._parts.run("vision", {"views": given.views, "present": given.present})["tokens"]
        seen_at = time.perf_counter_ns()
        embeds = self._embeds(views, self._state(given.state), ids)
        positions = self._at.positions(words)
        seen = self._at.seen(given.present, given.state.present, words)
        prefix = {
            "embeds": embeds,
            "positions": np.ascontiguousarray(positions[:, :, : self._at.length]),
            "mask": self._at.prefix_mask(seen),
        }
        read = self._parts.run("prefill", prefix, ("keys", "values"))
        read_at = time.perf_counter_ns()
        after = positions[:, :, self._at.length :]
        one_by_one = self.spec.latents.decoding == "autoregressive"
        chosen, cache = (self._one_by_one if one_by_one else self._all_at_once)(read, seen, after)
        done = time.perf_counter_ns()
        latency = {"vision": seen_at - begun, "prefill": read_at - seen_at, "latents": done - read_at}
        return SlowOutput(chosen, cache, latency)

    def act(
        self,
        cache: KvCache,
        state: StateInput,
        noise: Floats,
        prefix: Floats | None = None,
    ) -> Floats:
        """Actions `[K, 20]` by Euler's method (paper, eq. 2). Raises ValueError naming what does not fit."""
        check_cache(self.spec, cache)
        expert = self.spec.expert
        fixed = {
            "keys": self._parts.put(np.ascontiguousarray(cache.keys)),
            "values": self._parts.put(np.ascontiguousarray(cache.values)),
            "state": self._parts.put(self._state(state)),
            "arms": self._parts.put(state.present),
        }
        there = np.repeat(state.present, NUMBERS_PER_ARM).astype(np.float32)  # [20]
        actions = noise * there
        known = 0 if prefix is None else len(prefix)
        if prefix is not None:
            if known > expert.steps or prefix.shape[1:] != noise.shape[1:]:
                raise ValueError(f"prefix: {list(prefix.shape)}, allowed [up to {expert.steps}, {noise.shape[1]}]")
            actions[:known] = (prefix - self._centre[:known]) / self._half[:known] * there
        clean = np.arange(expert.steps) < known
        for step in range(expert.flow_steps):
            tau = np.where(clean, expert.flow_steps, step)
            velocity = self._parts.run("expert", {"noisy": actions[None], "tau": tau, **fixed})["velocity"][0]
            actions[known:] += velocity[known:] * there / np.float32(expert.flow_steps)
        return actions * self._half + self._centre

    def close(self) -> None:
        """Release the backend."""
        self._parts.close()

    def _reader(self, bundle: Bundle) -> Sentences:
        if self.spec.tokenizer == "bytes":
            return ByteSentences()
        if self.spec.tokenizer == "words":
            return WordSentences(self.spec.language.vocabulary)
        return TokenizerSentences(bundle.folder / TOKENIZER)

    def _ids(self, text: str) -> list[int]:
        ids = [*self._sentences.encode(text), self._manifest.special_ids.begin_action]
        most = self._manifest.text_tokens - 1
        if not text.strip() or len(ids) - 1 > most:
            raise ValueError(f"instruction: '{text[:40]}' is {len(ids) - 1} tokens, allowed 1 to {most}")
        return ids

    def _embed(self, ids: list[int]) -> Floats:
        """Token embeddings [n, D]."""
        rows = np.asarray(self._embedding[ids])
        if rows.dtype == np.float32:
            return rows
        widened: Floats = (rows.astype(np.uint32) << 16).view(np.float32)
        return widened

    def _embeds(self, views: Floats, state: Floats, ids: list[int]) -> Floats:
        """The prefix [1, L, D]."""
        special = self._manifest.special_ids
        embeds = np.zeros((1, self._at.length, self.spec.language.width), np.float32)
        start, end, pad = self._embed([special.vision_start, special.vision_end, special.pad])
        for index in range(VIEWS):
            at = self._at.view(index)
            embeds[0, at.start - 1], embeds[0, at], embeds[0, at.stop] = start, views[index], end
        embeds[0, self._at.state] = state[0]
        embeds[0, self._at.text] = pad
        embeds[0, self._at.length - len(ids) :] = self._embed(ids)
        return embeds

    def _state(self, state: StateInput) -> Floats:
        """State tokens [1, A, D]."""
        part = f"state_{state.embodiment}"
        if part not in self._manifest.parts:
            known = ", ".join(sorted(set(self._manifest.robots.values())))
            raise ValueError(f"embodiment '{state.embodiment}' has no state projector in the bundle; there are {known}")
        if not np.isfinite(state.state[state.present]).all():
            raise ValueError("state: holds NaN or infinity, allowed are finite numbers")
        given = np.where(state.present[:, None], state.state, np.float32(0))
        tokens: Floats = self._parts.run(part, {"state": given[None], "arms": state.present})["tokens"]
        return tokens

    def _one_by_one(
        self, read: Mapping[str, Any], seen: NDArray[np.bool_], after: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], KvCache]:
        tokens, length = self.spec.latents.tokens, self._at.length
        ids, logits, keys, values = [], read["logits"], read["keys"], read["values"]
        mask = self._at.latent_mask(seen)  # [1, 1, N, L + N]
        out: dict[str, Any] = {}
        for position in range(tokens):
            ids.append(self._choose(logits[0], position))
            given = {
                "embed": self._embed([self.spec.language.vocabulary + ids[-1]])[None],
                "positions": after[:, :, position : position + 1].copy(),
                "slot": np.arange(length + tokens) == length + position,
                "mask": mask[:, :, position : position + 1].copy(),
                "keys": keys,
                "values": values,
            }
            out = self._parts.run("step", given, ("next_keys", "next_values"))
            logits, keys, values = out["logits"], out["next_keys"], out["next_values"]
        return np.array(ids), KvCache(out["latent_keys"], out["latent_values"])

    def _all_at_once(
        self, read: Mapping[str, Any], seen: NDArray[np.bool_], after: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], KvCache]:
        given = {
            "positions": after.copy(),
            "mask": self._at.latent_mask(seen),
            "keys": read["keys"],
            "values": read["values"],
        }
        out = self._parts.run("parallel", given)
        ids = [self._choose(row, position) for position, row in enumerate(out["logits"])]
        return np.array(ids), KvCache(out["latent_keys"], out["latent_values"])

    def _choose(self, logits: Floats, position: int) -> int:
        """Likeliest allowed latent id."""
        within = self._at.latent_ids(position)
        return int(logits[within].argmax()) + within.start
