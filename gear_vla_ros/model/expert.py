"""The action expert: a diffusion transformer that sees the latent action tokens' K/V and the state (paper, 3.1).

Each block: self-attention over the chunk's steps, attention to [latent K/V of one language layer; state tokens], MLP;
all three modulated by the flow time of each step (adaptive layer norm, zero at the start).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from gear_vla_ros.model.attention import drop_after_softmax, repeat_heads
from gear_vla_ros.settings.model import LanguageSpec, ModelSpec

TIME_NUMBERS, TIME_SCALE = 256, 1000.0


@dataclass(frozen=True)
class Latents:
    """K/V of the latent action tokens by language layer, each [B, Hkv, N, Dh]."""

    keys: Sequence[Tensor]
    values: Sequence[Tensor]

    def detached(self) -> "Latents":
        """Without a way back for gradients: the flow loss never reaches the language model."""
        return Latents([k.detach() for k in self.keys], [v.detach() for v in self.values])


@dataclass(frozen=True)
class StateTokens:
    """tokens [B, A, width of the language model], mask bool [B, A], keep float [B, A] (0: dropped in training)."""

    tokens: Tensor
    mask: Tensor
    keep: Tensor | None = None


class Expert(nn.Module):
    """`velocity(A_tau, tau, latents, state)` is one pure call; integrating it is `sampler.sample`."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        expert, language = spec.expert, spec.language
        self.width = expert.width
        self.into = nn.Linear(spec.action_numbers, expert.width)
        self.step = nn.Parameter(0.02 * torch.randn(expert.steps, expert.width))
        self.time = nn.Sequential(
            nn.Linear(TIME_NUMBERS, expert.width), nn.SiLU(), nn.Linear(expert.width, expert.width)
        )
        self.blocks = nn.ModuleList(
            Block(expert.width, expert.heads, expert.mlp_ratio, language) for _ in range(expert.depth)
        )
        self.layers = [math.ceil((i + 1) * language.depth / expert.depth) - 1 for i in range(expert.depth)]
        self.norm = nn.LayerNorm(expert.width, elementwise_affine=False)
        self.modulation = nn.Linear(expert.width, 2 * expert.width)
        self.out = nn.Linear(expert.width, spec.action_numbers)
        for layer in (self.modulation, self.out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def velocity(self, noisy: Tensor, tau: Tensor, latents: Latents, state: StateTokens) -> Tensor:
        """Velocity [B, K, D] at `noisy` [B, K, D] (normalised actions) and flow times `tau` [B, K], 0 noise to 1."""
        return self.modulated(noisy, self.modulations(tau), latents.detached(), state)

    def velocity_after_clean(
        self, noisy: Tensor, tau: Tensor, clean: Tensor, latents: Latents, state: StateTokens
    ) -> Tensor:
        """As `velocity`, with one flow time a chunk, `tau` [B], and 1 where a step is `clean` (bool [B, K]): two
        modulations a chunk instead of one a step."""
        both = self.modulations(torch.stack([tau, torch.ones_like(tau)], dim=1))  # [B, 2, ...]
        by = [torch.where(clean[..., None], part[:, 1:], part[:, :1]) for part in both]
        return self.modulated(noisy, by, latents.detached(), state)

    def modulations(self, tau: Tensor) -> list[Tensor]:
        """What flow times `tau` [...] do to each block, [..., 9 W], and to the end, [..., 2 W]."""
        condition = functional.silu(self.time(time_features(tau).to(self.step.dtype)))  # [..., W]
        layers: list[Any] = [*(block.modulation for block in self.blocks), self.modulation]
        return [layer(condition) for layer in layers]

    def modulated(self, noisy: Tensor, by: Sequence[Tensor], latents: Latents, state: StateTokens) -> Tensor:
        """As `velocity`, with the modulations of the flow times of each step, [B, K, 9 W] and [B, K, 2 W]."""
        x = self.into(noisy) + self.step  # [B, K, W]
        for block, part, layer in zip(self.blocks, by[:-1], self.layers, strict=True):
            x = block(x, part, latents.keys[layer], latents.values[layer], state)
        shift, scale = by[-1].chunk(2, dim=-1)
        velocity: Tensor = self.out(self.norm(x) * (1 + scale) + shift)  # [B, K, D]
        return velocity

    def forward(self, noisy: Tensor, tau: Tensor, clean: Tensor, latents: Latents, state: StateTokens) -> Tensor:
        """As `velocity_after_clean`: what training calls, compiled as a whole where that is asked for."""
        return self.velocity_after_clean(noisy, tau, clean, latents, state)


class Block(nn.Module):
    """One block of the expert. The memory's heads are those of the language model, so its K/V is used as it is."""

    def __init__(self, width: int, heads: int, mlp_ratio: int, language: LanguageSpec) -> None:
        super().__init__()
        self.heads, self.groups = heads, language.heads // language.kv_heads
        self.kv_heads, self.head_dim = language.kv_heads, language.head_dim
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(width, 9 * width)
        self.self_qkv = nn.Linear(width, 3 * width)
        self.self_out = nn.Linear(width, width)
        self.cross_q = nn.Linear(width, language.heads * language.head_dim)
        self.cross_out = nn.Linear(language.heads * language.head_dim, width)
        self.state_norm = nn.LayerNorm(language.width)
        self.state_kv = nn.Linear(language.width, 2 * language.kv_heads * language.head_dim)
        self.mlp = nn.Sequential(
            nn.Linear(width, mlp_ratio * width), nn.GELU("tanh"), nn.Linear(mlp_ratio * width, width)
        )
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, by: Tensor, keys: Tensor, values: Tensor, state: StateTokens) -> Tensor:
        """`x` [B, K, W]; by: this block's `modulation` of the flow times [B, K, 9 W]; keys, values [B, Hkv, N, Dh]."""
        part = by.chunk(9, dim=-1)
        x = x + part[2] * self._among_steps(self.norm(x) * (1 + part[1]) + part[0])
        x = x + part[5] * self._to_memory(self.norm(x) * (1 + part[4]) + part[3], keys, values, state)
        moved: Tensor = x + part[8] * self.mlp(self.norm(x) * (1 + part[7]) + part[6])
        return moved

    def _among_steps(self, x: Tensor) -> Tensor:
        q, k, v = (_heads(part, self.heads) for part in self.self_qkv(x).chunk(3, dim=-1))  # [B, H, K, W / H]
        out: Tensor = self.self_out(_flat(functional.scaled_dot_product_attention(q, k, v)))
        return out

    def _to_memory(self, x: Tensor, keys: Tensor, values: Tensor, state: StateTokens) -> Tensor:
        q = _heads(self.cross_q(x), self.kv_heads * self.groups)  # [B, H, K, Dh]
        state_k, state_v = self.state_kv(self.state_norm(state.tokens)).chunk(2, dim=-1)
        k = torch.cat([keys.to(x.dtype), _heads(state_k, self.kv_heads)], dim=2)  # [B, Hkv, N + A, Dh]
        v = torch.cat([values.to(x.dtype), _heads(state_v, self.kv_heads)], dim=2)
        seen = state.mask.new_ones(x.shape[0], keys.shape[2])
        mask = torch.cat([seen, state.mask], dim=1)[:, None, None]  # [B, 1, 1, N + A]
        k, v = repeat_heads(k, self.groups), repeat_heads(v, self.groups)
        if state.keep is None:
            attended = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        else:
            keep = torch.cat([seen.to(x.dtype), state.keep.to(x.dtype)], dim=1)[:, None, None]
            attended = drop_after_softmax(q, k, v, mask, keep, self.head_dim**-0.5)
        out: Tensor = self.cross_out(_flat(attended))
        return out


def time_features(tau: Tensor) -> Tensor:
    """Sines and cosines [..., TIME_NUMBERS] of flow times [...]."""
    half = TIME_NUMBERS // 2
    rates = torch.exp(-math.log(10_000.0) * torch.arange(half, device=tau.device) / half)
    angles = TIME_SCALE * tau[..., None].float() * rates
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def _heads(x: Tensor, heads: int) -> Tensor:
    """[B, L, H * D] -> [B, H, L, D]."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def _flat(x: Tensor) -> Tensor:
    """[B, H, L, D] -> [B, L, H * D]."""
    return x.transpose(1, 2).flatten(2)
