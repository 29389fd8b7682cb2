"""Steps that are given: how many, and who decided them."""

import math

import numpy as np
import pytest
import torch
from test_sides import batches

from gear_vla_ros.geometry import se3
from gear_vla_ros.settings.training import FOLLOWED_STEPS, TrainingSpec
from gear_vla_ros.training.delays import SETTLE_STEPS, draw_delays, earlier_chunks, followed_instead, gone_on_from

STEPS, NUMBERS, RATE_HZ = 30, 20, 30.0
RIGHT, GRIPPERS = slice(10, 19), [9, 19]


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def lines(count: int) -> torch.Tensor:
    """Chunks in which each number moves evenly, its own way."""
    slopes = torch.randn(count, 1, NUMBERS, generator=rng(1))
    return slopes * torch.arange(1, STEPS + 1)[:, None]


def test_delays_are_even_from_none_to_the_most() -> None:
    counts = torch.bincount(draw_delays(lines(900), 8, generator=rng(5)))
    assert len(counts) == 9
    assert ((counts / 900 - 1 / 9).abs() < 4 * math.sqrt(1 / 9 * 8 / 9 / 900)).all()


def test_a_share_of_chunks_has_none() -> None:
    none = (draw_delays(lines(2000), 9, share=0.5, generator=rng(5)) == 0).float().mean()
    assert float(none) == pytest.approx(0.55, abs=0.05)


@pytest.mark.parametrize("most", [-1, STEPS])
def test_a_delay_that_leaves_nothing_is_refused(most: int) -> None:
    with pytest.raises(ValueError, match=rf"max_delay is {most}, allowed is 0\.\.29"):
        draw_delays(lines(2), most)


def all_rows(samples):
    return np.arange(len(samples))


def earlier(samples, rows, age):
    return earlier_chunks(samples, rows, np.full(len(rows), age), RATE_HZ)


def followed(samples, age):
    """Rows whose earlier chunk can be under way."""
    rows = all_rows(samples)[age:]
    told = earlier(samples, rows, age)
    return rows[(told != samples.actions[rows]).any(axis=(1, 2))]


def base_T_tcp(samples, rows, chunks):
    """[B, K, 4, 4] of the right arm."""
    base_T_now = se3.from_xyz_rot6d(samples.state[rows, 1, :9].astype(float))
    return base_T_now[:, None] @ se3.from_xyz_rot6d(chunks[..., RIGHT].astype(float))


def test_what_was_decided_before_is_the_same_motion_seen_from_where_the_tool_is_now(samples):
    for age in (1, 3):
        rows, gone = followed(samples, age), 3 * age
        assert len(rows) > 0.8 * len(samples)
        seen = earlier(samples, rows, age)
        then = base_T_tcp(samples, rows - age, samples.actions[rows - age])
        now = base_T_tcp(samples, rows, seen)
        np.testing.assert_allclose(now[:, : STEPS - gone], then[:, gone:], atol=1e-5)
        np.testing.assert_array_equal(
            seen[:, : STEPS - gone, GRIPPERS], samples.actions[rows - age][:, gone:][..., GRIPPERS]
        )
        np.testing.assert_array_equal(seen[:, STEPS - gone :], samples.actions[rows][:, STEPS - gone :])
        assert not seen[..., :10].any(), "the arm that is not there"


def test_nothing_is_under_way_at_an_episode_s_beginning_and_after_another_instruction(samples):
    first = np.flatnonzero(np.diff(samples.episode, prepend=-1))
    assert len(first) == 2
    for rows in (first, first + 1):
        np.testing.assert_array_equal(earlier(samples, rows, 2), samples.actions[rows])
    assert (earlier(samples, first + 2, 2) != samples.actions[first + 2]).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(earlier(samples, first + 2, 0), samples.actions[first + 2])


def test_what_was_followed_is_given_where_it_is_asked_for_and_known(samples):
    rows = all_rows(samples)
    known = ~np.isnan(samples.followed).any(axis=(1, 2))
    those = np.arange(len(rows)) % 2 == 0
    own = samples.actions[rows]
    given = followed_instead(own, samples, rows, those)
    np.testing.assert_array_equal(given[those & known, :FOLLOWED_STEPS], samples.followed[those & known])
    np.testing.assert_array_equal(given[:, FOLLOWED_STEPS:], own[:, FOLLOWED_STEPS:])
    np.testing.assert_array_equal(given[~(those & known)], own[~(those & known)])
    assert 0 < known.sum() < len(rows) and not np.isnan(given).any()


def test_a_chunk_goes_on_from_what_is_given_and_ends_as_it_was_decided():
    own, given = lines(200), lines(200) + 0.3
    given[..., GRIPPERS] = 1.0
    delays = draw_delays(own, 12, generator=rng(3))
    made = gone_on_from(own, given, delays)
    for chunk, delay, mine, told in zip(made, delays.tolist(), own, given, strict=True):
        if delay == 0:
            assert torch.equal(chunk, mine)
            continue
        assert torch.equal(chunk[:delay], told[:delay])
        torch.testing.assert_close(chunk[delay - 1 + SETTLE_STEPS :], mine[delay - 1 + SETTLE_STEPS :])
        assert torch.equal(chunk[delay:, GRIPPERS], mine[delay:, GRIPPERS]), "fingers do as is decided now, at once"
        left = (chunk - mine)[delay - 1 :, :9].mean(dim=1)
        wanted = 0.3 * (1 - torch.arange(len(left)) / SETTLE_STEPS).clamp_min(0)
        torch.testing.assert_close(left, wanted, atol=1e-5, rtol=0)


def test_a_step_is_given_them_only_when_the_stage_says_so(samples, tmp_path):
    _, own = batches(samples, tmp_path / "own", either_side=False)
    _, older = batches(samples, tmp_path / "older", either_side=False, given_age_s=0.3)
    changed = 0
    for one, other in zip(own, older, strict=True):
        assert torch.equal(one.earlier, one.actions) and torch.equal(one.actions, other.actions)
        changed += int((other.earlier != other.actions).any(dim=2).any(dim=1).sum())
    assert changed > 0.4 * sum(len(batch.actions) for batch in own)


def test_a_stage_says_in_what_share_it_is_what_was_followed(samples, tmp_path):
    _, own = batches(samples, tmp_path / "own", either_side=False)
    _, half = batches(samples, tmp_path / "half", either_side=False, given_followed=0.5)
    changed = [(b.earlier != b.actions).any(dim=2).any(dim=1) for b in half]
    assert all(torch.equal(b.actions, a.actions) for a, b in zip(own, half, strict=True))
    share = float(torch.cat(changed).float().mean())
    assert 0.2 < share < 0.6, share


def test_more_given_steps_than_are_kept_are_refused():
    with pytest.raises(ValueError, match="max_delay_steps is 13, with given_followed at most 12"):
        TrainingSpec(stage="continuous_policy", steps=1, batch=1, max_delay_steps=13, given_followed=0.5)
