"""Figures of the two action tokenizers; one JSON line each, every ratio measured within the one run.

    .venv/bin/python benchmarks/action_tokenizers.py [--chunks 2000] [--steps 400] [--threads 2]

fast: smooth random chunks [30, 20]; against one of 256 bins per number, the usual plain discretisation.
latent: trains the tiny causal VQ-VAE on rendered squares, then tells unseen opposite motions apart by their ids.
"""

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
import torch

from gear_vla_ros.model.causal_vqvae import CausalVqVae
from gear_vla_ros.model.fast_tokenizer import FastTokenizer
from gear_vla_ros.model.latent_quantizer import code_usage
from gear_vla_ros.model.latent_tokenizer_spec import LatentTokenizerSpec
from gear_vla_ros.training.synthetic_clips import moving_squares
from gear_vla_ros.training.vqvae import IdProbe, vqvae_step

HORIZON, NUMBERS, BINS = 30, 20, 256


def smooth_chunks(count: int, seed: int) -> np.ndarray:
    """[count, 30, 20]: a slope and one slow swing per number, in the size of metres a second."""
    rng = np.random.default_rng(seed)
    moment = np.linspace(0.0, 1.0, HORIZON)[None, :, None]
    slope, swing = rng.normal(size=(2, count, 1, NUMBERS))
    return 0.1 * slope * moment + 0.02 * swing * np.sin(rng.uniform(3.0, 9.0, size=(count, 1, NUMBERS)) * moment)


def microseconds(call: Callable[[np.ndarray], object], inputs: list) -> float:
    """Median time of one call."""
    times = []
    for item in inputs:
        start = time.perf_counter()
        call(item)
        times.append(time.perf_counter() - start)
    return round(1e6 * float(np.median(times)), 1)


def fast(chunks: int) -> dict[str, object]:
    start = time.perf_counter()
    tokenizer = FastTokenizer.fit(smooth_chunks(chunks, seed=0))
    fit_s = time.perf_counter() - start
    unseen = list(smooth_chunks(500, seed=1))
    ids = [tokenizer.encode(chunk) for chunk in unseen]
    inside = np.array([tokenizer.saturated(chunk) == 0 for chunk in unseen])
    units = tokenizer.layout.half_range
    error = (np.stack([tokenizer.decode(i) for i in ids]) - unseen)[inside]
    edges = tokenizer.layout.centre + np.linspace(-1, 1, BINS)[:, None] * units  # [256, D]
    plain = np.stack([np.clip(chunk, edges[0], edges[-1]) for chunk in unseen])
    binned = edges[0] + np.rint((plain - edges[0]) / (edges[1] - edges[0])) * (edges[1] - edges[0])
    tokens = float(np.mean([len(i) for i in ids]))
    return {
        "benchmark": "tokenizers.fast",
        "fit_s": round(fit_s, 2),
        "vocabulary": tokenizer.vocab_size,
        "tokens_per_chunk": round(tokens, 1),
        "plain_tokens_per_chunk": HORIZON * NUMBERS,
        "times_shorter": round(HORIZON * NUMBERS / tokens, 2),
        "encode_us": microseconds(tokenizer.encode, unseen),
        "decode_us": microseconds(tokenizer.decode, ids),
        "rms_error_of_half_range": round(float(np.sqrt(np.mean((error / units) ** 2))), 4),
        "plain_rms_error_of_half_range": round(float(np.sqrt(np.mean(((binned - unseen) / units) ** 2))), 4),
        "worst_error_of_bound": round(float(np.max(np.abs(error) / tokenizer.layout.error_bound())), 3),
        "saturated_chunks": int((~inside).sum()),
    }


def latent(steps: int) -> dict[str, object]:
    torch.manual_seed(2)
    spec = LatentTokenizerSpec(image_size=32, patch=8)
    model = CausalVqVae(spec)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.0)
    videos, _ = moving_squares(2048, spec.transitions + 1, spec.image_size, seed=0)
    draw = np.random.default_rng(0)
    start = time.perf_counter()
    for _ in range(steps):
        vqvae_step(model, optimizer, videos[draw.integers(len(videos), size=16)])
    train_s = time.perf_counter() - start
    unseen, labels = moving_squares(800, spec.transitions + 1, spec.image_size, seed=1)
    ids = np.stack([model.tokenizer.extract_ids(video, fps=spec.rate_hz) for video in unseen])  # [800, 5, 4]
    size, half = spec.groups * spec.entries, len(ids) // 2
    accuracy = {}
    for name, flat, of in (
        ("clip", ids.reshape(len(ids), -1), labels),
        ("transition", ids.reshape(-1, spec.codes), np.repeat(labels, spec.transitions)),
    ):
        cut = half * len(flat) // len(ids)
        accuracy[name] = round(IdProbe(flat[:cut], of[:cut], size).opposite_accuracy(flat[cut:], of[cut:]), 4)
    camera = np.random.default_rng(0).integers(0, 256, size=(151, 480, 640, 3), dtype=np.uint8)
    start = time.perf_counter()
    model.tokenizer.extract_ids(camera, fps=30.0)
    extract_s = time.perf_counter() - start
    usage = code_usage(torch.from_numpy(ids), spec.groups, spec.entries)
    return {
        "benchmark": "tokenizers.latent",
        "parameters": sum(p.numel() for p in model.tokenizer.parameters()),
        "steps": steps,
        "step_ms": round(1e3 * train_s / steps, 1),
        "opposite_motions_by_clip": accuracy["clip"],
        "opposite_motions_by_transition": accuracy["transition"],
        "chance": 0.5,
        "codes_used": f"{usage.used}/{usage.size}",
        "perplexity_by_position": [round(p, 2) for p in usage.perplexity],
        "extract_640x480_video_s_per_s": round(5.0 / extract_s, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=2000, help="chunks the FAST tokenizer is trained on")
    parser.add_argument("--steps", type=int, default=400, help="training steps of the causal VQ-VAE")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(json.dumps({"threads": options.threads} | fast(options.chunks)))
    print(json.dumps({"threads": options.threads} | latent(options.steps)))


if __name__ == "__main__":
    main()
