"""The latent action tokenizer: four discrete codes for what changes between two video frames.

Source: paper section 3.1 and App. A, Fig. 5 and 6. A causal VQ-VAE over video at 5 Hz: causal visual encoder, latent
queries with masked cross-attention, grouped codebook. `LatentActionTokenizer` is what stays after training;
`CausalVqVae` (causal_vqvae.py) adds the decoder and the loss that train it.

No frame can change the ids of an earlier transition: the encoder and the queries are masked, and the resampling takes
the latest frame that is not after the moment asked for.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from gear_vla_ros.model.causal_encoder import Attention, CausalVisualEncoder, FeedForward
from gear_vla_ros.model.latent_quantizer import GroupedQuantizer, Quantized
from gear_vla_ros.model.latent_tokenizer_spec import LatentTokenizerSpec

WEIGHTS, SPEC = "latent_tokenizer.safetensors", "latent_tokenizer.json"
NS_PER_S = 1_000_000_000
STAMP_TOLERANCE_NS = 1_000_000
"""A frame this little after the moment asked for still counts as being at it, so 29.97 fps picks as 30 fps does."""
CLIPS_PER_PASS = 32


class LatentQueries(nn.Module):
    """Learned queries, Q a transition, that read features [B, T, P, C] -> latents [B, T - 1, Q, C].

    The queries of the transition into frame t see the features of frames 0..t (Fig. 6). A latent starts from 0, not
    from its query, so that nothing but what was seen gets into the codes.
    """

    def __init__(self, spec: LatentTokenizerSpec) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(1, spec.codes, spec.width))
        self.moment = nn.Parameter(0.02 * torch.randn(spec.transitions, 1, spec.width))
        self.norms = nn.ModuleList(nn.LayerNorm(spec.width) for _ in range(spec.depth))
        self.attentions = nn.ModuleList(Attention(spec.width, spec.heads) for _ in range(spec.depth))
        self.feed_forwards = nn.ModuleList(FeedForward(spec.width) for _ in range(spec.depth))
        self.codes = spec.codes

    def forward(self, features: Tensor) -> Tensor:
        batch, frames, patches, _ = features.shape
        query = (self.query + self.moment[: frames - 1]).flatten(0, 1).expand(batch, -1, -1)  # [B, (T - 1) * Q, C]
        at = torch.arange(frames, device=features.device)
        seen = at.repeat_interleave(patches)[None, :] <= at[1:].repeat_interleave(self.codes)[:, None]  # [(T-1)*Q, T*P]
        memory = features.flatten(1, 2)  # [B, T * P, C]
        latents = torch.zeros_like(query)
        for norm, attention, feed_forward in zip(self.norms, self.attentions, self.feed_forwards, strict=True):
            latents = latents + attention(norm(latents + query), memory, seen)
            latents = latents + feed_forward(latents)
        return latents.unflatten(1, (frames - 1, self.codes))  # [B, T - 1, Q, C]


class LatentActionTokenizer(nn.Module):
    """Encoder, queries and codebook: video to ids."""

    def __init__(self, spec: LatentTokenizerSpec) -> None:
        super().__init__()
        self.spec = spec
        self.encoder = CausalVisualEncoder(spec)
        self.queries = LatentQueries(spec)
        self.quantizer = GroupedQuantizer(spec.width, spec.code_dim, spec.groups, spec.entries)

    def forward(self, clips: Tensor) -> tuple[Tensor, Quantized]:
        """Clips [B, T, 3, S, S] in -1..1, 2 <= T <= transitions + 1 -> features [B, T, P, C] and codes of T - 1."""
        features = self.encoder(clips)
        return features, self.quantizer(self.queries(features))

    @torch.inference_mode()
    def extract_ids(self, video: npt.NDArray[np.uint8], fps: float) -> npt.NDArray[np.int64]:
        """Ids [transitions, Q] of `video` [T, H, W, 3] uint8 RGB at `fps`, which may be any rate above 0.

        Transition n lies between n / rate_hz and (n + 1) / rate_hz seconds after the first frame. Longer videos are cut
        into clips of `spec.transitions` that share their border frame. Below rate_hz frames repeat.
        Raises ValueError if untrained, for a video of another shape or dtype, or too short for a single transition.
        """
        checked_video(video)
        if not (math.isfinite(fps) and 0 < fps < NS_PER_S):
            raise ValueError(f"latent tokenizer fps is {fps}, must be above 0 and finite")
        return self.extract_ids_at(video, np.rint(np.arange(len(video)) * (NS_PER_S / fps)).astype(np.int64))

    @torch.inference_mode()
    def extract_ids_at(self, video: npt.NDArray[np.uint8], stamps_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """As `extract_ids`, for frames taken at `stamps_ns` [T], strictly rising, however uneven."""
        if not self.quantizer.trained:
            raise ValueError("latent tokenizer is untrained: train its CausalVqVae or load one that was trained")
        checked_video(video)
        indices = resample_indices(stamps_ns, len(video), self.spec.rate_hz)
        count = len(indices) - 1
        if count < 1:
            raise ValueError(
                f"latent tokenizer video spans {(stamps_ns[-1] - stamps_ns[0]) / NS_PER_S:.3f} s, at least"
                f" {1 / self.spec.rate_hz:.3f} s needed for one transition"
            )
        length = self.spec.transitions
        starts = np.arange(0, count, length)
        windows = indices[np.minimum(starts[:, None] + np.arange(length + 1), count)]  # [clips, transitions + 1]
        was_training = self.training
        self.eval()
        parts = [
            self(self._clips(video, windows[i : i + CLIPS_PER_PASS]))[1].ids.flatten(0, 1)
            for i in range(0, len(windows), CLIPS_PER_PASS)
        ]
        self.train(was_training)
        ids: npt.NDArray[np.int64] = torch.cat(parts)[:count].cpu().numpy()
        return ids

    def _clips(self, video: npt.NDArray[np.uint8], windows: npt.NDArray[np.int64]) -> Tensor:
        frames, where = np.unique(windows, return_inverse=True)
        images = prepare_frames(torch.from_numpy(video[frames]), self.spec.image_size)  # [F, 3, S, S]
        return images.to(self.queries.query.device)[torch.from_numpy(where.reshape(windows.shape))]

    def save(self, folder: Path | str) -> None:
        """Write the weights (safetensors) and the spec (JSON) into `folder`."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / SPEC).write_text(json.dumps(asdict(self.spec), indent=2), encoding="utf-8")
        save_file({name: tensor.contiguous() for name, tensor in self.state_dict().items()}, folder / WEIGHTS)

    @classmethod
    def load(cls, folder: Path | str) -> LatentActionTokenizer:
        """Read what `save` wrote, ready to extract. ValueError names the field or weight that does not fit."""
        folder = Path(folder)
        try:
            spec = LatentTokenizerSpec(**json.loads((folder / SPEC).read_text(encoding="utf-8")))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{folder / SPEC} is no latent tokenizer spec: {error}") from error
        tokenizer = cls(spec)
        found, wanted = load_file(folder / WEIGHTS), tokenizer.state_dict()
        for name in sorted(found.keys() | wanted.keys()):
            have = list(found[name].shape) if name in found else "missing"
            want = list(wanted[name].shape) if name in wanted else "not part of the model"
            if have != want:
                raise ValueError(f"{folder / WEIGHTS}: weight {name} is {have}, the spec wants {want}")
        tokenizer.load_state_dict(found)
        return tokenizer.eval()


def checked_video(video: npt.NDArray[np.uint8]) -> None:
    """Raise ValueError unless `video` is [T, H, W, 3] uint8 with T, H, W of 1 or more."""
    if not isinstance(video, np.ndarray) or video.dtype != np.uint8:
        found = getattr(video, "dtype", type(video).__name__)
        raise ValueError(f"latent tokenizer video is {found}, allowed is a uint8 array [T, H, W, 3]")
    if video.ndim != 4 or video.shape[-1] != 3 or 0 in video.shape:
        raise ValueError(f"latent tokenizer video has shape {list(video.shape)}, allowed is [T, H, W, 3] RGB")


def resample_indices(stamps_ns: npt.NDArray[np.int64], frames: int, rate_hz: float) -> npt.NDArray[np.int64]:
    """The latest frame not after each moment k / rate_hz past the first of `stamps_ns` [frames]: [n] indices."""
    stamps = np.asarray(stamps_ns)
    if stamps.shape != (frames,) or not np.issubdtype(stamps.dtype, np.integer):
        found = f"{stamps.dtype} {list(stamps.shape)}"
        raise ValueError(f"latent tokenizer stamps are {found}, allowed is integer [{frames}]")
    backward = np.flatnonzero(np.diff(stamps) <= 0)
    if backward.size:
        at = int(backward[0]) + 1
        raise ValueError(f"latent tokenizer stamp {at} is {stamps[at]} ns, not after the one before: {stamps[at - 1]}")
    since = (stamps - stamps[0]).astype(np.int64)
    count = int((since[-1] + STAMP_TOLERANCE_NS) * rate_hz / NS_PER_S) + 1
    moments = np.rint(np.arange(count) * (NS_PER_S / rate_hz))
    indices: npt.NDArray[np.int64] = np.searchsorted(since - STAMP_TOLERANCE_NS, moments, side="right") - 1
    return indices


def prepare_frames(frames: Tensor, image_size: int) -> Tensor:
    """Frames [F, H, W, 3] uint8 -> [F, 3, image_size, image_size] float32 in -1..1, smoothed when shrunk."""
    size = (image_size, image_size)
    pixels = functional.interpolate(frames.permute(0, 3, 1, 2), size=size, mode="bilinear", antialias=True)
    return pixels.float() / 127.5 - 1.0
