"""The network cut into parts with static shapes, as they leave PyTorch. Used by `export` alone.

What is constant for a ModelSpec (windows, rotations, orders of patches) is computed here once and becomes a constant of
the graph. Inputs and outputs are float32, bool, uint8 and int64 whatever the weights' precision; batch is 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.cache_utils import Cache

from gear_vla_ros.engines.graph_vision import Vision
from gear_vla_ros.engines.layout import Layout
from gear_vla_ros.model.expert import Latents, StateTokens
from gear_vla_ros.model.gear_vla import GearVla
from gear_vla_ros.settings.model import ARMS, VIEWS


@dataclass(frozen=True)
class Graph:
    """One part: a module, its inputs by name (an example of each), the names of its outputs."""

    module: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]


def graphs(model: GearVla, embodiments: tuple[str, ...], text_tokens: int) -> dict[str, Graph]:
    """All parts by name. Raises ValueError for sizes that have no static graph."""
    spec, size = model.spec, model.spec.view_size
    at = Layout(spec, text_tokens)
    length, width, slots = at.length, spec.language.width, at.length + spec.latents.tokens
    kv = (spec.language.depth, spec.language.kv_heads, length, spec.language.head_dim)
    latent_kv = torch.zeros(kv[0], kv[1], spec.latents.tokens, kv[3])
    arms = torch.ones(ARMS, dtype=torch.bool)
    parts = {
        "vision": Graph(
            Vision(model),
            {
                "views": torch.zeros(VIEWS, size, size, 3, dtype=torch.uint8),
                "present": torch.ones(VIEWS, dtype=torch.bool),
            },
            ("tokens",),
        ),
        "prefill": Graph(
            Prefill(model, slots if spec.latents.decoding == "autoregressive" else length),
            {
                "embeds": torch.zeros(1, length, width),
                "positions": torch.zeros(3, 1, length, dtype=torch.int64),
                "mask": torch.ones(1, 1, length, length, dtype=torch.bool),
            },
            ("logits", "keys", "values"),
        ),
        "expert": Graph(
            Velocity(model),
            {
                "noisy": torch.zeros(1, spec.expert.steps, spec.action_numbers),
                "tau": torch.zeros(spec.expert.steps, dtype=torch.int64),
                "keys": latent_kv,
                "values": latent_kv.clone(),
                "state": torch.zeros(1, ARMS, width),
                "arms": arms,
            },
            ("velocity",),
        ),
    }
    if spec.latents.decoding == "autoregressive":
        parts["step"] = Graph(
            Step(model, length),
            {
                "embed": torch.zeros(1, 1, width),
                "positions": torch.zeros(3, 1, 1, dtype=torch.int64),
                "slot": torch.arange(slots) == length,
                "mask": torch.ones(1, 1, 1, slots, dtype=torch.bool),
                "keys": torch.zeros(*kv[:2], slots, kv[3]),
                "values": torch.zeros(*kv[:2], slots, kv[3]),
            },
            ("logits", "next_keys", "next_values", "latent_keys", "latent_values"),
        )
    else:
        parts["parallel"] = Graph(
            Parallel(model),
            {
                "positions": torch.zeros(3, 1, spec.latents.tokens, dtype=torch.int64),
                "mask": torch.ones(1, 1, spec.latents.tokens, slots, dtype=torch.bool),
                "keys": torch.zeros(kv),
                "values": torch.zeros(kv),
            },
            ("logits", "latent_keys", "latent_values"),
        )
    for name in embodiments:
        numbers = model.state.by_embodiment[name].mlp[0].in_features  # type: ignore[index, union-attr]
        parts[f"state_{name}"] = Graph(
            State(model, name), {"state": torch.zeros(1, ARMS, int(numbers)), "arms": arms}, ("tokens",)
        )
    return parts


class _Kept(Cache):
    """What transformers' attention writes its keys and values to, and reads them back from."""

    def __init__(self) -> None:
        super().__init__(layers=[])
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        key, value = self.join(key_states, value_states, layer_idx)
        self.keys.append(key)
        self.values.append(value)
        return key, value

    def join(self, key: Tensor, value: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """What is attended to."""
        return key, value


class _After(_Kept):
    """New positions after the ones that are given."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        super().__init__()
        self.past = keys, values  # [layers, Hkv, L, Dh]

    def join(self, key: Tensor, value: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        past_key, past_value = (part[layer][None].to(key.dtype) for part in self.past)
        return torch.cat([past_key, key], dim=2), torch.cat([past_value, value], dim=2)


class _InSlot(_After):
    """One new position in the slot of a cache of static length."""

    def __init__(self, keys: Tensor, values: Tensor, slot: Tensor) -> None:
        super().__init__(keys, values)
        self.slot = slot[None, None, :, None]

    def join(self, key: Tensor, value: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        past_key, past_value = (part[layer][None].to(key.dtype) for part in self.past)
        return torch.where(self.slot, key, past_key), torch.where(self.slot, value, past_value)


class _Language(nn.Module):
    """What the parts of the language model share."""

    def __init__(self, model: GearVla) -> None:
        super().__init__()
        self.language = model.qwen.model.language_model
        first = model.spec.language.vocabulary
        head: Tensor = model.qwen.lm_head.weight[first : first + model.spec.latents.ids]
        self.head = nn.Parameter(head.detach().clone(), requires_grad=False)

    def read(self, embeds: Tensor, positions: Tensor, mask: Tensor, cache: _Kept) -> Tensor:
        """Hidden states [1, M, D]."""
        return self.language(
            inputs_embeds=embeds.to(self.head.dtype),
            attention_mask={"full_attention": mask},
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state

    def logits(self, hidden: Tensor) -> Tensor:
        """About the latent ids [..., ids]."""
        return functional.linear(hidden, self.head).float()


def _stack(layers: list[Tensor], length: int = 0) -> Tensor:
    """[layers, Hkv, L, Dh], grown by empty slots to `length`."""
    stacked = torch.cat(layers).float()
    return functional.pad(stacked, (0, 0, 0, length - stacked.shape[2])) if length else stacked


class Prefill(_Language):
    """embeds [1, L, D], positions [3, 1, L], mask bool [1, 1, L, L] -> logits [1, ids] of what follows, the cache."""

    def __init__(self, model: GearVla, slots: int) -> None:
        super().__init__(model)
        self.slots = slots

    def forward(self, embeds: Tensor, positions: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        kept = _Kept()
        hidden = self.read(embeds, positions, mask, kept)
        return self.logits(hidden[:, -1]), _stack(kept.keys, self.slots), _stack(kept.values, self.slots)


class Step(_Language):
    """One latent token: its embedding [1, 1, D], the slot it takes (bool [slots]) -> logits of the next, the cache."""

    def __init__(self, model: GearVla, length: int) -> None:
        super().__init__(model)
        self.length = length

    def forward(
        self, embed: Tensor, positions: Tensor, slot: Tensor, mask: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        kept = _InSlot(keys, values, slot)
        hidden = self.read(embed, positions, mask, kept)
        next_keys, next_values = _stack(kept.keys), _stack(kept.values)
        latent = slice(self.length, None)
        return self.logits(hidden[:, -1]), next_keys, next_values, next_keys[:, :, latent], next_values[:, :, latent]


class Parallel(_Language):
    """All latent tokens at once over learned queries: positions [3, 1, N], mask bool [1, 1, N, L + N], the cache."""

    def __init__(self, model: GearVla) -> None:
        super().__init__(model)
        self.queries = model.latents.queries

    def forward(self, positions: Tensor, mask: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        kept = _After(keys, values)
        hidden = self.read(self.queries[None], positions, mask, kept)
        latent = slice(keys.shape[2], None)
        return self.logits(hidden[0]), _stack(kept.keys)[:, :, latent], _stack(kept.values)[:, :, latent]


class State(nn.Module):
    """state [1, A, numbers], arms bool [A] -> one token an arm [1, A, D]."""

    def __init__(self, model: GearVla, embodiment: str) -> None:
        super().__init__()
        self.projector = model.state.by_embodiment[embodiment]

    def forward(self, state: Tensor, arms: Tensor) -> Tensor:
        tokens: Tensor = self.projector(state.to(self.projector.arm.dtype), arms[None])  # type: ignore[arg-type]
        return tokens.float()


class Velocity(nn.Module):
    """One flow step: noisy [1, K, 20], latents' keys and values [layers, Hkv, N, Dh], state [1, A, D].

    tau: int64 [K], the flow time of each step of the chunk in parts of flow_steps; what these times do to the blocks
    is a table in the graph, so that no weight of the modulations is read at run time.
    """

    def __init__(self, model: GearVla) -> None:
        super().__init__()
        self.expert, flow_steps = model.expert, model.spec.expert.flow_steps
        times = torch.arange(flow_steps + 1, device=model.expert.step.device) / flow_steps
        self.tables = nn.ParameterList(
            nn.Parameter(table.detach(), requires_grad=False) for table in model.expert.modulations(times)
        )

    def forward(self, noisy: Tensor, tau: Tensor, keys: Tensor, values: Tensor, state: Tensor, arms: Tensor) -> Tensor:
        dtype = self.expert.step.dtype
        latents = Latents([k[None].to(dtype) for k in keys.unbind()], [v[None].to(dtype) for v in values.unbind()])
        tokens = StateTokens(state.to(dtype), arms[None])
        return self.expert.modulated(noisy.to(dtype), [t[tau][None] for t in self.tables], latents, tokens).float()
