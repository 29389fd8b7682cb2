"""Which of torch's attentions to train with."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel


def attention_for(device: torch.device) -> AbstractContextManager[Any]:
    """On a CPU the backward pass of torch's fused attention is slow on few short sequences; plain is faster."""
    return sdpa_kernel([SDPBackend.MATH]) if device.type == "cpu" else nullcontext()
