"""Attention of the language model, with weights that can be dropped after the softmax (paper, App. A)."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "gear_vla"
SMALLEST = 1e-9


def drop_after_softmax(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    keep: Tensor,
    scaling: float,
    paid: list[Tensor] | None = None,
) -> Tensor:
    """Attention whose weights are multiplied by `keep` after the softmax and then made to add up to one again.

    The second step is our choice where the paper is silent: so neither keys nor values of what is dropped have any
    influence, exactly as for a view that is missing at run time.

    query [B, H, Q, D], key, value [B, H, K, D]; mask bool (True: seen) or added to the scores, broadcastable to
    [B, H, Q, K]; keep 0 or 1, broadcastable to [B, H, Q, K]. Returns [B, H, Q, D]. The weights [B, H, Q, K] are put
    into `paid`.
    """
    scores = query @ key.transpose(-1, -2) * scaling  # [B, H, Q, K]
    if mask is not None:
        lowest = torch.finfo(scores.dtype).min
        scores = scores.masked_fill(~mask, lowest) if mask.dtype == torch.bool else scores + mask
    weights = functional.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
    kept = weights * keep.to(weights.dtype)
    kept = kept / kept.sum(dim=-1, keepdim=True).clamp_min(SMALLEST)
    if paid is not None:
        paid.append(kept)
    return kept @ value


def repeat_heads(values: Tensor, times: int) -> Tensor:
    """Key or value heads [B, Hkv, K, D] for grouped queries -> [B, Hkv * times, K, D]."""
    return values.repeat_interleave(times, dim=1) if times > 1 else values


def _forward(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, None]:
    """As transformers' sdpa; with `attention_keep` in the call, weights are dropped, and put into `attention_paid`."""
    keep, paid = kwargs.pop("attention_keep", None), kwargs.pop("attention_paid", None)
    if keep is None:
        out: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
        return out
    groups = module.num_key_value_groups
    mask = attention_mask
    if mask is None:
        size = (query.shape[2], key.shape[2])
        mask = torch.ones(size, dtype=torch.bool, device=query.device).tril(key.shape[2] - query.shape[2])
    attended = drop_after_softmax(
        query, repeat_heads(key, groups), repeat_heads(value, groups), mask, keep, kwargs["scaling"], paid
    )
    return attended.transpose(1, 2).contiguous(), None  # [B, Q, H, D]


def register() -> str:
    """Make the attention known to transformers; its name there."""
    AttentionInterface.register(NAME, _forward)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    return NAME
