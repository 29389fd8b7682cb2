"""The latent action tokenizer with its decoder: what is trained. Source: paper App. A, Fig. 5."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from gear_vla_ros.model.latent_tokenizer import LatentActionTokenizer
from gear_vla_ros.model.latent_tokenizer_spec import LatentTokenizerSpec
from gear_vla_ros.model.visual_change_decoder import VisualChangeDecoder

COMMITMENT_WEIGHT = 0.25


class VqVaeLoss(NamedTuple):
    """total = reconstruction + COMMITMENT_WEIGHT * commitment, scalars. ids: [B, T - 1, Q], for `code_usage`.

    reconstruction: squared error of the change over that of predicting no change, so 1 is what no codes would give.
    """

    total: Tensor
    reconstruction: Tensor
    commitment: Tensor
    ids: Tensor


class CausalVqVae(nn.Module):
    """`tokenizer` is kept after training, `decoder` dropped. Forward is the loss of clips [B, T, 3, S, S] in -1..1."""

    def __init__(self, spec: LatentTokenizerSpec) -> None:
        super().__init__()
        self.tokenizer = LatentActionTokenizer(spec)
        self.decoder = VisualChangeDecoder(spec)

    def forward(self, clips: Tensor) -> VqVaeLoss:
        features, quantized = self.tokenizer(clips)
        change = clips[:, 1:] - clips[:, :1]  # [B, T - 1, 3, S, S]
        error = functional.mse_loss(self.decoder(features[:, 0], quantized.codes), change)
        reconstruction = error / change.square().mean().clamp_min(1e-6)
        total = reconstruction + COMMITMENT_WEIGHT * quantized.commitment
        return VqVaeLoss(total, reconstruction, quantized.commitment, quantized.ids)
