"""FAST: exact up to the quantisation step, no symbol ever lost, nothing malformed accepted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gear_vla_ros.model.fast_tokenizer import FastTokenizer

STEPS, DIMS, OFFSET = 30, 4, 1000


def smooth_chunks(count: int, seed: int = 0, steps: int = STEPS, dims: int = DIMS) -> np.ndarray:
    rng = np.random.default_rng(seed)
    time = np.linspace(0.0, 1.0, steps)[None, :, None]
    slope, swing = rng.normal(size=(2, count, 1, dims))
    return 0.1 * slope * time + 0.02 * swing * np.sin(6.0 * time)


@pytest.fixture(scope="module")
def tokenizer() -> FastTokenizer:
    return FastTokenizer.fit(smooth_chunks(300), vocab_size=512, id_offset=OFFSET)


SHARED = FastTokenizer.fit(smooth_chunks(100), vocab_size=320)
"""For hypothesis, whose examples take no fixture of this scope."""


@settings(max_examples=100, deadline=None)
@given(arrays(np.float64, (STEPS, DIMS), elements=st.floats(-2.0, 2.0)))
def test_round_trip_stays_within_the_quantisation_bound(normalised: np.ndarray) -> None:
    tokenizer = SHARED
    chunk = normalised * tokenizer.layout.half_range + tokenizer.layout.centre
    assert tokenizer.saturated(chunk) == 0
    error = np.abs(tokenizer.decode(tokenizer.encode(chunk)) - chunk)
    assert (error <= tokenizer.layout.error_bound() * (1 + 1e-9)).all()


def test_bound_is_half_a_step_times_the_column_of_the_transform() -> None:
    bound = SHARED.layout.error_bound() / SHARED.layout.half_range
    assert bound.shape == (STEPS, DIMS)
    assert (bound <= 0.5 / SHARED.layout.scale * np.sqrt(STEPS) + 1e-12).all()
    finer = FastTokenizer.fit(smooth_chunks(50), scale=40.0, vocab_size=1024).layout
    np.testing.assert_allclose(finer.error_bound() / finer.half_range, bound / 4)


@settings(max_examples=50, deadline=None)
@given(arrays(np.float64, (STEPS, DIMS), elements=st.floats(-1e6, 1e6)))
def test_no_symbol_vanishes_however_far_outside(chunk: np.ndarray) -> None:
    tokenizer = SHARED
    ids = tokenizer.encode(chunk)
    limit = tokenizer.layout.limit
    clamped = np.clip(tokenizer.layout.coefficients(chunk), -limit, limit)
    np.testing.assert_array_equal(tokenizer.layout.coefficients(tokenizer.decode(ids)), clamped)


def test_clamping_is_counted(tokenizer: FastTokenizer) -> None:
    chunk = np.tile(tokenizer.layout.centre, (STEPS, 1))
    assert tokenizer.saturated(chunk) == 0
    chunk[:, 2] += 2.5 * tokenizer.layout.half_range[2]
    assert tokenizer.saturated(chunk) == 1


def test_ids_lie_behind_the_llm_vocabulary(tokenizer: FastTokenizer) -> None:
    ids = [i for chunk in smooth_chunks(20, seed=1) for i in tokenizer.encode(chunk)]
    assert min(ids) >= OFFSET
    assert max(ids) < OFFSET + tokenizer.vocab_size <= OFFSET + 512


def test_smooth_chunks_get_shorter_than_their_numbers(tokenizer: FastTokenizer) -> None:
    lengths = [len(tokenizer.encode(chunk)) for chunk in smooth_chunks(50, seed=2)]
    assert np.mean(lengths) < 0.25 * STEPS * DIMS


def test_low_frequencies_of_all_dimensions_come_first(tokenizer: FastTokenizer) -> None:
    layout = tokenizer.layout
    constant = tokenizer.layout.coefficients(layout.centre + np.ones((STEPS, 1)) * layout.half_range)
    assert (constant[0] == round(layout.scale * np.sqrt(STEPS))).all()
    assert (constant[1:] == 0).all()
    first = tokenizer.decode(tokenizer.encode(layout.centre + np.ones((STEPS, 1)) * layout.half_range))
    np.testing.assert_allclose(first, np.tile(first[:1], (STEPS, 1)), atol=1e-9)


def test_a_padded_arm_cannot_change_the_ids() -> None:
    chunks = smooth_chunks(100)
    valid = np.ones((100, DIMS), np.bool_)
    valid[::2, 2:] = False
    other = chunks.copy()
    other[::2, :, 2:] = 77.0
    first, second = (FastTokenizer.fit(c, vocab_size=320, valid=valid) for c in (chunks, other))
    np.testing.assert_array_equal(first.layout.half_range, second.layout.half_range)
    assert first.encode(chunks[0], valid[0]) == second.encode(other[0], valid[0])
    assert first.encode(chunks[0], valid[0]) != first.encode(chunks[0])


def test_a_dimension_that_stood_still_gets_the_given_range() -> None:
    chunks = smooth_chunks(50)
    chunks[..., 3] = 1.0
    layout = FastTokenizer.fit(chunks, vocab_size=320, min_half_range=[1e-3, 1e-3, 1e-3, 0.5]).layout
    assert layout.half_range[3] == 0.5
    assert layout.centre[3] == 1.0


def test_training_twice_gives_the_same_tokenizer(tmp_path: Path) -> None:
    for name in ("a", "b"):
        FastTokenizer.fit(smooth_chunks(100), vocab_size=400).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_saved_and_loaded_it_is_the_same(tokenizer: FastTokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "fast.json")
    loaded = FastTokenizer.load(tmp_path / "fast.json", id_offset=OFFSET)
    for chunk in smooth_chunks(10, seed=3):
        assert loaded.encode(chunk) == tokenizer.encode(chunk)
        np.testing.assert_array_equal(loaded.decode(loaded.encode(chunk)), tokenizer.decode(tokenizer.encode(chunk)))


@pytest.mark.parametrize(
    ("shape", "message"),
    [((STEPS, DIMS + 1), r"shape \[30, 5\], allowed is \[30, 4\]"), ((STEPS,), "shape"), ((0, DIMS), "shape")],
)
def test_wrong_shape_is_refused(tokenizer: FastTokenizer, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tokenizer.encode(np.zeros(shape))


def test_nan_is_refused_with_its_place(tokenizer: FastTokenizer) -> None:
    chunk = np.zeros((STEPS, DIMS))
    chunk[7, 2] = np.nan
    with pytest.raises(ValueError, match=r"not finite at index \[7, 2\]"):
        tokenizer.encode(chunk)


def test_ids_that_are_no_chunk_are_refused(tokenizer: FastTokenizer) -> None:
    ids = tokenizer.encode(np.zeros((STEPS, DIMS)))
    with pytest.raises(ValueError, match="position 0, allowed is 1000"):
        tokenizer.decode([OFFSET - 1, *ids])
    with pytest.raises(ValueError, match="one chunk is 30 x 4 = 120"):
        tokenizer.decode(ids[:-1])
    with pytest.raises(ValueError, match="ids hold 0"):
        tokenizer.decode([])


def test_a_vocabulary_below_the_alphabet_is_refused() -> None:
    with pytest.raises(ValueError, match="vocab_size is 64, at least 221 needed"):
        FastTokenizer.fit(smooth_chunks(10), vocab_size=64)


def test_a_dimension_valid_nowhere_is_refused() -> None:
    valid = np.ones((10, DIMS), np.bool_)
    valid[:, 1] = False
    with pytest.raises(ValueError, match="dimension 1 is valid in none"):
        FastTokenizer.fit(smooth_chunks(10), valid=valid)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", "other", "allowed is 'gear_vla_fast/1'"),
        ("steps", 60, "untrained or foreign"),
        ("half_range", [0.0] * DIMS, "above 0"),
        ("centre", "no numbers", "could not convert"),
        ("scale", -1, "must be above 0"),
        ("bpe", {"model": 3}, "does not parse"),
    ],
)
def test_a_damaged_file_is_refused_by_name(
    tokenizer: FastTokenizer, tmp_path: Path, key: str, value: Any, message: str
) -> None:
    path = tmp_path / "fast.json"
    tokenizer.save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(ValueError, match=message) as caught:
        FastTokenizer.load(path)
    assert "fast.json is no FAST tokenizer" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_untrained_file_is_refused(tokenizer: FastTokenizer, tmp_path: Path) -> None:
    path = tmp_path / "fast.json"
    tokenizer.save(path)
    content = json.loads(path.read_text())
    content["bpe"]["model"].update(vocab={}, merges=[])
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="untrained"):
        FastTokenizer.load(path)
