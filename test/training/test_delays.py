"""Steps that are given: how many, and from where on."""

import math

import pytest
import torch

from gear_vla_ros.training.delays import draw_delays, run_ahead

STEPS, NUMBERS = 30, 20


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def lines(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Chunks in which each number moves evenly, its own way."""
    slopes = torch.randn(count, 1, NUMBERS, generator=rng(1))
    actions = slopes * torch.arange(1, STEPS + 1)[:, None]
    return actions, torch.ones_like(actions, dtype=torch.bool)


def test_delays_are_even_from_none_to_the_most() -> None:
    counts = torch.bincount(draw_delays(lines(900)[0], 8, generator=rng(5)))
    assert len(counts) == 9
    assert ((counts / 900 - 1 / 9).abs() < 4 * math.sqrt(1 / 9 * 8 / 9 / 900)).all()


def test_a_share_of_chunks_has_none() -> None:
    none = (draw_delays(lines(2000)[0], 9, share=0.5, generator=rng(5)) == 0).float().mean()
    assert float(none) == pytest.approx(0.55, abs=0.05)


@pytest.mark.parametrize("most", [-1, STEPS])
def test_a_delay_that_leaves_nothing_is_refused(most: int) -> None:
    with pytest.raises(ValueError, match=rf"max_delay is {most}, allowed is 0\.\.29"):
        draw_delays(lines(2)[0], most)


@pytest.mark.parametrize("most", [-1.0, STEPS - 0.5])
def test_a_lead_beyond_the_end_is_refused(most: float) -> None:
    actions, valid = lines(2)
    with pytest.raises(ValueError, match=rf"ahead_steps is {most:g}, allowed is 0 to 29"):
        run_ahead(actions, valid, torch.full((2,), 4), most)


def test_no_lead_leaves_the_chunk() -> None:
    actions, valid = lines(50)
    led = run_ahead(actions, valid, torch.full((50,), 4), STEPS - 1.0, rng(4))
    assert (led.abs() <= actions[:, -1:].abs() + 1e-4).all()


def test_led_chunks_begin_ahead_on_the_same_path_and_end_where_they_ended() -> None:
    actions, valid = lines(400)
    led = run_ahead(actions, valid, torch.ones(400, dtype=torch.long), 8.0, rng(2))
    torch.testing.assert_close(led[:, -1], actions[:, -1])
    at = (led / actions[:, :1]).mean(dim=2)  # in steps, 1 for the first
    lead = at[:, 0] - 1.0
    assert 0.0 <= float(lead.min()) < 0.5
    assert 7.5 < float(lead.max()) <= 8.0 + 1e-4
    steps = torch.arange(STEPS)
    wanted = steps + 1 + lead[:, None] * (1 - steps / (STEPS - 1))
    torch.testing.assert_close(at, wanted, atol=1e-3, rtol=0)
    torch.testing.assert_close(led, at[..., None] * actions[:, :1], atol=1e-3, rtol=1e-3)


def test_a_chunk_without_given_steps_and_one_that_ends_early_stay_as_they_are() -> None:
    actions, valid = lines(3)
    valid[1, 20:] = False
    led = run_ahead(actions, valid, torch.tensor([0, 5, 5]), 8.0, rng(3))
    assert torch.equal(led[:2], actions[:2])
    assert not torch.equal(led[2], actions[2])


def test_without_a_lead_nothing_changes() -> None:
    actions, valid = lines(3)
    assert torch.equal(run_ahead(actions, valid, torch.full((3,), 4), 0.0, rng(3)), actions)


def test_an_arm_that_is_not_there_is_no_reason_to_leave_the_other() -> None:
    actions, valid = lines(2)
    valid[..., :10] = False
    led = run_ahead(actions, valid, torch.full((2,), 4), 8.0, rng(3))
    assert not torch.equal(led[..., 10:], actions[..., 10:])
