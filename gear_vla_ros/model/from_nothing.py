"""First weights of a small network that no parent gave its own.

transformers' 0.02 is for wide networks; in a narrow one nothing would come through. And two abilities that large models
have learned from text are given to the language model: queries and keys are alike, so that a token looks for others
that mean the same (the word "red" for what looks red), and the first layer passes on what it looks at.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from gear_vla_ros.model.projector import ExpandedProjector

EMBEDDING = 0.3
PASSED_ON = 0.5


@torch.no_grad()
def begin(qwen: Any, projector: ExpandedProjector, queries: nn.Parameter) -> None:
    """Weights of transformers' Qwen2.5-VL, of what joins its parts, and of the latents' queries."""
    nn.init.normal_(queries, std=EMBEDDING)
    for layer in (projector.flat, projector.out):
        _begin(layer)
    _begin_language(qwen.model.language_model)
    blocks = qwen.model.visual.blocks
    for block in blocks:
        _begin_block([block.attn.qkv], block.attn.proj, block.mlp, len(blocks))


def _begin_language(model: Any) -> None:
    nn.init.normal_(model.embed_tokens.weight, std=EMBEDDING)
    for layer in model.layers:
        attention = layer.self_attn
        into = [attention.q_proj, attention.k_proj, attention.v_proj]
        _begin_block(into, attention.o_proj, layer.mlp, len(model.layers))
        attention.q_proj.weight.copy_(_by_query_head(attention, attention.k_proj.weight))
    first = model.layers[0].self_attn
    passed_on = _by_query_head(first, first.v_proj.weight).T / first.num_key_value_groups
    first.o_proj.weight.copy_(PASSED_ON * passed_on)


def _begin_block(into: Sequence[Any], out: Any, mlp: Any, blocks: int) -> None:
    """What is added to the same residual again and again begins smaller."""
    for layer in (*into, mlp.gate_proj, mlp.up_proj):
        _begin(layer)
    for layer in (out, mlp.down_proj):
        _begin(layer, (2 * blocks) ** -0.5)


def _by_query_head(attention: Any, rows: torch.Tensor) -> torch.Tensor:
    """Rows of key or value heads [Hkv * Dh, D], each head as often as queries share it [H * Dh, D]."""
    heads = rows.unflatten(0, (-1, attention.head_dim))
    return heads.repeat_interleave(attention.num_key_value_groups, dim=0).flatten(0, 1)


def _begin(layer: Any, scale: float = 1.0) -> None:
    nn.init.normal_(layer.weight, std=scale * layer.in_features**-0.5)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
