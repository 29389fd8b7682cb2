"""Decoding of the latent action tokens: one after the other, or all at once over learned queries (paper, App. A)."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from gear_vla_ros.model.expert import Latents
from gear_vla_ros.model.sequence import Layout, following_positions
from gear_vla_ros.settings.model import ModelSpec


def allowed_ids(spec: ModelSpec, position: int) -> slice:
    """Ids of the vocabulary that may stand at a latent position: those of its group."""
    latents = spec.latents
    first = spec.language.vocabulary + (position % latents.groups) * latents.entries
    return slice(first, first + latents.entries)


def to_vocabulary(spec: ModelSpec, ids: Tensor) -> Tensor:
    """Latent ids (group * entries + entry) -> ids of the vocabulary."""
    return ids + spec.language.vocabulary


class LatentDecoder(nn.Module):
    """Both ways to the same result: ids [B, N], and K/V of exactly those N positions in every layer."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.queries = nn.Parameter(0.02 * torch.randn(spec.latents.tokens, spec.language.width))

    def decode(self, qwen: Any, prefix: "Prefix") -> tuple[Tensor, Latents]:
        """ids int64 [B, N], each 0..ids - 1 in the group of its position, and the K/V."""
        if self.spec.latents.decoding == "parallel":
            return self._all_at_once(qwen, prefix)
        return self._one_by_one(qwen, prefix)

    def parallel_logits(self, qwen: Any, prefix: "Prefix", **kwargs: Any) -> Tensor:
        """Logits [B, N, vocabulary] of the learned queries, each about its own position; for training."""
        batch = prefix.mask.shape[0]
        hidden = self.continue_with(qwen, prefix, self.queries.expand(batch, -1, -1), **kwargs)
        logits: Tensor = qwen.lm_head(hidden)
        return logits

    def _one_by_one(self, qwen: Any, prefix: "Prefix") -> tuple[Tensor, Latents]:
        ids, hidden = [], prefix.last_hidden
        for position in range(self.spec.latents.tokens):
            ids.append(self._choose(qwen.lm_head(hidden), position))  # [B]
            token = qwen.get_input_embeddings()(to_vocabulary(self.spec, ids[-1]))[:, None]  # [B, 1, D]
            hidden = self.continue_with(qwen, prefix, token, after=position)[:, -1]
        return torch.stack(ids, dim=1), self.cached(prefix)

    def _all_at_once(self, qwen: Any, prefix: "Prefix") -> tuple[Tensor, Latents]:
        logits = self.parallel_logits(qwen, prefix)
        ids = [self._choose(logits[:, position], position) for position in range(self.spec.latents.tokens)]
        return torch.stack(ids, dim=1), self.cached(prefix)

    def _choose(self, logits: Tensor, position: int) -> Tensor:
        """Likeliest allowed id [B] of logits [B, vocabulary]."""
        within = allowed_ids(self.spec, position)
        return logits[:, within].argmax(dim=-1) + within.start - self.spec.language.vocabulary

    def continue_with(self, qwen: Any, prefix: "Prefix", embeds: Tensor, after: int = 0, **kwargs: Any) -> Tensor:
        """Hidden states [B, M, D] of M more tokens `embeds`, of which `after` came before them since the prefix."""
        count = embeds.shape[1]
        places = following_positions(prefix.positions, after + count)[:, :, after:]
        seen = prefix.mask.new_ones(prefix.mask.shape[0], after + count)
        out = qwen.model.language_model(
            inputs_embeds=embeds,
            attention_mask=torch.cat([prefix.mask, seen], dim=1).long(),
            position_ids=places,
            past_key_values=prefix.cache,
            use_cache=True,
            **kwargs,
        )
        hidden: Tensor = out.last_hidden_state
        return hidden

    def cached(self, prefix: "Prefix") -> Latents:
        """K/V of the latent positions, from a cache that has grown by them; copied, so that what is compiled for them
        need not know how long the cache is."""
        at = slice(prefix.mask.shape[1], prefix.mask.shape[1] + self.spec.latents.tokens)
        layers: list[Any] = prefix.cache.layers
        keys = [layer.keys[:, :, at].contiguous() for layer in layers]
        return Latents(keys, [layer.values[:, :, at].contiguous() for layer in layers])


class Prefix:
    """What the language model has read: its cache, and where it ended. The cache grows while latents are decoded."""

    def __init__(
        self,
        cache: DynamicCache,
        mask: Tensor,
        positions: Tensor,
        last_hidden: Tensor,
        embeds: Tensor,
        layout: Layout,
    ) -> None:
        """mask bool [B, L], positions [3, B, L], last_hidden [B, D] of the last position, embeds [B, L, D] as read."""
        self.cache, self.mask, self.positions, self.last_hidden = cache, mask, positions, last_hidden
        self.embeds, self.layout = embeds, layout
