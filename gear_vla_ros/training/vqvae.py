"""One training step of the latent action tokenizer, and a probe of what its ids tell."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch.optim import Optimizer

from gear_vla_ros.model.causal_vqvae import CausalVqVae, VqVaeLoss
from gear_vla_ros.model.latent_tokenizer import prepare_frames

MAX_GRADIENT_NORM = 1.0


def vqvae_step(model: CausalVqVae, optimizer: Optimizer, clips: npt.NDArray[np.uint8]) -> VqVaeLoss:
    """One optimiser step on clips [B, T, H, W, 3] uint8 at the spec's rate; the losses before the step, detached."""
    frames = prepare_frames(torch.from_numpy(clips.reshape(-1, *clips.shape[2:])), model.tokenizer.spec.image_size)
    model.train()
    loss: VqVaeLoss = model(frames.unflatten(0, clips.shape[:2]).to(next(model.parameters()).device))
    optimizer.zero_grad(set_to_none=True)
    loss.total.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_GRADIENT_NORM)
    optimizer.step()
    return VqVaeLoss(*(part.detach() for part in loss))


class IdProbe:
    """Naive Bayes from ids [N, M] to labels [N]: what a reader of the ids can tell, independent of any network."""

    def __init__(self, ids: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], size: int) -> None:
        counts = np.ones((int(labels.max()) + 1, ids.shape[1], size))  # [labels, M, size]
        for column in range(ids.shape[1]):
            np.add.at(counts[:, column], (labels, ids[:, column]), 1.0)
        self.log_share = np.log(counts / counts.sum(axis=2, keepdims=True))

    def scores(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Log-likelihood of `ids` [N, M] under each label: [N, labels]."""
        columns = np.arange(ids.shape[1])
        likelihood: npt.NDArray[np.float64] = self.log_share[:, columns, ids].sum(axis=2).T
        return likelihood

    def opposite_accuracy(self, ids: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]) -> float:
        """Share of `ids` whose label is told from its opposite, where 2k and 2k + 1 are opposite; chance is 0.5."""
        scores, rows = self.scores(ids), np.arange(len(ids))
        return float((scores[rows, labels] > scores[rows, labels ^ 1]).mean())
