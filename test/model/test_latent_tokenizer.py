"""Latent action tokenizer: knows no future, tells opposite motions apart, takes any frame rate, refuses bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from gear_vla_ros.model.causal_vqvae import CausalVqVae
from gear_vla_ros.model.latent_quantizer import GroupedQuantizer, code_usage
from gear_vla_ros.model.latent_tokenizer import LatentActionTokenizer, prepare_frames, resample_indices
from gear_vla_ros.model.latent_tokenizer_spec import LatentTokenizerSpec
from gear_vla_ros.training.synthetic_clips import moving_squares
from gear_vla_ros.training.vqvae import IdProbe, vqvae_step

SPEC = LatentTokenizerSpec(image_size=32, patch=8, width=64, depth=2)
STEPS, BATCH = 300, 16


@pytest.fixture(scope="module")
def trained() -> CausalVqVae:
    torch.set_num_threads(1)
    torch.manual_seed(2)
    model = CausalVqVae(SPEC)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.0)
    video, _ = moving_squares(2048, SPEC.transitions + 1, SPEC.image_size, seed=0)
    order = np.random.default_rng(0)
    for _ in range(STEPS):
        vqvae_step(model, optimizer, video[order.integers(len(video), size=BATCH)])
    return model.eval()


@pytest.fixture(scope="module")
def tokenizer(trained: CausalVqVae) -> LatentActionTokenizer:
    return trained.tokenizer


def noise(frames: int, seed: int, size: int = 48) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size=(frames, size, size, 3), dtype=np.uint8)


def clips_of(video: np.ndarray) -> torch.Tensor:
    return prepare_frames(torch.from_numpy(video), SPEC.image_size)[None]


def test_codes_tell_opposite_motions_apart(trained: CausalVqVae, tokenizer: LatentActionTokenizer) -> None:
    videos, labels = moving_squares(400, SPEC.transitions + 1, SPEC.image_size, seed=1)
    ids = np.stack([tokenizer.extract_ids(video, fps=5.0) for video in videos])  # [400, 5, 4]
    flat, half = ids.reshape(400, -1), 200
    size = SPEC.groups * SPEC.entries
    clip_accuracy = IdProbe(flat[:half], labels[:half], size).opposite_accuracy(flat[half:], labels[half:])
    single, repeated = ids.reshape(-1, SPEC.codes), np.repeat(labels, SPEC.transitions)
    middle = half * SPEC.transitions
    probe = IdProbe(single[:middle], repeated[:middle], size)
    transition_accuracy = probe.opposite_accuracy(single[middle:], repeated[middle:])
    usage = code_usage(torch.from_numpy(ids), SPEC.groups, SPEC.entries)
    with torch.inference_mode():
        frames = prepare_frames(torch.from_numpy(videos.reshape(-1, *videos.shape[2:])), SPEC.image_size)
        reconstruction = float(trained(frames.unflatten(0, videos.shape[:2])).reconstruction)
    print(
        f"\nopposite motions told apart: clip {clip_accuracy:.3f}, one transition {transition_accuracy:.3f},"
        f" chance 0.500; reconstruction {reconstruction:.3f} of the change; {usage}"
    )
    assert clip_accuracy > 0.9
    assert transition_accuracy > 0.65
    assert reconstruction < 0.75
    assert usage.used >= 12


def test_a_future_frame_cannot_change_an_earlier_id(tokenizer: LatentActionTokenizer) -> None:
    video = noise(26, seed=0)
    ids = tokenizer.extract_ids(video, fps=10.0)  # frames 0, 2, 4, ..., 24
    for first_changed in (1, 7, 12, 25):
        other = video.copy()
        other[first_changed:] = noise(26, seed=1)[first_changed:]
        settled = (first_changed - 1) // 2
        np.testing.assert_array_equal(tokenizer.extract_ids(other, fps=10.0)[:settled], ids[:settled])
    assert (tokenizer.extract_ids(noise(26, seed=1), fps=10.0) != ids).any()


def test_a_future_frame_cannot_change_an_earlier_feature_by_one_bit(tokenizer: LatentActionTokenizer) -> None:
    first, second = clips_of(noise(6, seed=2)), clips_of(noise(6, seed=3))
    for known in range(1, 6):
        mixed = torch.cat([first[:, :known], second[:, known:]], dim=1)
        with torch.inference_mode():
            features, quantized = tokenizer(first)
            other_features, other_quantized = tokenizer(mixed)
        assert torch.equal(features[:, :known], other_features[:, :known])
        assert torch.equal(quantized.codes[:, : known - 1], other_quantized.codes[:, : known - 1])
        assert not torch.equal(features[:, known:], other_features[:, known:])


def test_a_video_cut_short_keeps_its_ids(tokenizer: LatentActionTokenizer) -> None:
    videos, _ = moving_squares(1, 14, SPEC.image_size, seed=5)
    ids = tokenizer.extract_ids(videos[0], fps=5.0)
    for frames in (2, 6, 7, 13):
        np.testing.assert_array_equal(tokenizer.extract_ids(videos[0][:frames], fps=5.0), ids[: frames - 1])


def test_later_codes_do_not_reach_an_earlier_reconstruction(trained: CausalVqVae) -> None:
    first, codes = torch.randn(1, 16, SPEC.width), torch.randn(1, SPEC.transitions, SPEC.codes, SPEC.width)
    changed = codes.clone()
    changed[:, 3:] += 1.0
    with torch.inference_mode():
        one, other = trained.decoder(first, codes), trained.decoder(first, changed)
    assert torch.equal(one[:, :3], other[:, :3])
    assert not torch.equal(one[:, 3:], other[:, 3:])


def test_each_position_takes_its_ids_from_its_group(tokenizer: LatentActionTokenizer) -> None:
    ids = tokenizer.extract_ids(noise(40, seed=4), fps=5.0)
    assert ids.shape == (39, SPEC.codes)
    np.testing.assert_array_equal(ids // SPEC.entries, np.tile([0, 1, 0, 1], (39, 1)))


def test_quantizer_gives_the_nearest_entry_and_passes_gradients() -> None:
    torch.manual_seed(0)
    quantizer = GroupedQuantizer(width=6, code_dim=6, groups=2, entries=8)
    latents = torch.randn(2, 5, 4, 6, requires_grad=True)
    quantizer(latents).codes.square().sum().backward()
    assert latents.grad is not None
    assert (latents.grad.flatten(0, 2).norm(dim=1) > 0).all()
    quantizer.eval()
    quantized = quantizer(latents)
    for group, book in enumerate(quantizer.books):
        at = latents[:, :, group::2].reshape(-1, 6)
        nearest = torch.cdist(at, book.codebook).argmin(dim=1)
        assert torch.equal(quantized.ids[:, :, group::2].reshape(-1), nearest + group * 8)
        assert torch.equal(quantized.codes[:, :, group::2].reshape(-1, 6), book.codebook[nearest])


def test_usage_of_known_ids() -> None:
    ids = torch.tensor([[0, 8], [1, 8], [2, 8], [3, 8]])
    usage = code_usage(ids, groups=2, entries=8)
    assert usage.perplexity == pytest.approx((4.0, 1.0))
    assert (usage.used, usage.size) == (5, 16)
    assert str(usage) == "codes used 5/16, perplexity by position 4.00 1.00"


@pytest.mark.parametrize("fps", [5.0, 10.0, 24.0, 29.97, 30.0, 60.0])
def test_any_frame_rate_becomes_five_hertz(fps: float) -> None:
    frames = int(2.05 * fps) + 1
    stamps = np.rint(np.arange(frames) * 1e9 / fps).astype(np.int64)
    taken = stamps[resample_indices(stamps, frames, rate_hz=5.0)] / 1e9
    wanted = np.arange(11) * 0.2
    assert taken.shape == wanted.shape
    assert (taken <= wanted + 1e-3).all()
    assert (wanted - taken < 1 / fps).all()


def test_uneven_stamps_take_the_latest_frame_not_after() -> None:
    stamps = np.array([0, 90, 190, 250, 380, 400, 790], dtype=np.int64) * 1_000_000 + 12345
    np.testing.assert_array_equal(resample_indices(stamps, 7, rate_hz=5.0), [0, 2, 5, 5])


def test_the_same_motion_at_another_rate_has_the_same_ids(tokenizer: LatentActionTokenizer) -> None:
    videos, _ = moving_squares(1, 6, SPEC.image_size, seed=6)
    held = np.repeat(videos[0], 6, axis=0)[:31]
    np.testing.assert_array_equal(tokenizer.extract_ids(held, fps=30.0), tokenizer.extract_ids(videos[0], fps=5.0))


def test_saved_and_loaded_without_its_decoder(tokenizer: LatentActionTokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    loaded = LatentActionTokenizer.load(tmp_path)
    assert loaded.spec == SPEC
    assert not any("decoder" in name for name in loaded.state_dict())
    np.testing.assert_array_equal(loaded.extract_ids(noise(9, 7), 5.0), tokenizer.extract_ids(noise(9, 7), 5.0))


def test_a_foreign_folder_is_refused_by_name(tokenizer: LatentActionTokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    spec = json.loads((tmp_path / "latent_tokenizer.json").read_text())
    for change, message in (
        ({"depth": 3}, r"weight encoder\.blocks\.2\.\S+ is missing, the spec wants"),
        ({"depth": 1}, r"weight encoder\.blocks\.1\.\S+ is \[.*the spec wants not part of the model"),
        ({"width": 32}, r"weight \S+ is \[.*64.*\], the spec wants \[.*32"),
        ({"patch": 7}, "image_size by patch: 32 cannot be divided by 7"),
        ({"width": 64.5}, r"width is 64\.5, must be a whole number above 0"),
        ({"depht": 1}, "unexpected keyword argument 'depht'"),
    ):
        (tmp_path / "latent_tokenizer.json").write_text(json.dumps(spec | change))
        with pytest.raises(ValueError, match=message) as caught:
            LatentActionTokenizer.load(tmp_path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("video", "fps", "message"),
    [
        (np.zeros((6, 8, 8, 3), np.float32), 5.0, "video is float32, allowed is a uint8 array"),
        (np.zeros((6, 3, 8, 8), np.uint8), 5.0, r"shape \[6, 3, 8, 8\], allowed is \[T, H, W, 3\]"),
        (np.zeros((6, 0, 8, 3), np.uint8), 5.0, r"shape \[6, 0, 8, 3\]"),
        (np.zeros((6, 8, 8, 3), np.uint8), 0.0, "fps is 0.0, must be above 0"),
        (np.zeros((6, 8, 8, 3), np.uint8), float("nan"), "fps is nan"),
        (np.zeros((6, 8, 8, 3), np.uint8), 30.0, "spans 0.167 s, at least 0.200 s needed"),
    ],
)
def test_bad_video_is_refused(tokenizer: LatentActionTokenizer, video: np.ndarray, fps: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tokenizer.extract_ids(video, fps)


@pytest.mark.parametrize(
    ("stamps", "message"),
    [
        (np.array([0, 300_000_000, 200_000_000]), "stamp 2 is 200000000 ns, not after the one before"),
        (np.array([0, 200_000_000]), r"stamps are int64 \[2\], allowed is integer \[3\]"),
        (np.array([0.0, 0.2, 0.4]), "stamps are float64"),
    ],
)
def test_bad_stamps_are_refused(tokenizer: LatentActionTokenizer, stamps: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tokenizer.extract_ids_at(noise(3, 8), stamps)


def test_an_untrained_tokenizer_is_refused() -> None:
    with pytest.raises(ValueError, match="untrained"):
        LatentActionTokenizer(SPEC).extract_ids(noise(6, 9), 5.0)
