"""Losses against hand-written ones; what must not count does not."""

from __future__ import annotations

import math

import pytest
import torch

from gear_vla_ros.training.delays import draw_delays
from gear_vla_ros.training.losses import (
    IGNORE,
    TargetKind,
    arms_valid,
    flow_matching_loss,
    flow_sample,
    next_token_loss,
    token_loss,
)

TEXT, FAST, LATENT = (int(kind) for kind in TargetKind)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tokens(batch: int = 2, length: int = 7, vocabulary: int = 11) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    logits = torch.randn(batch, length, vocabulary, generator=rng())
    labels = torch.randint(vocabulary, (batch, length), generator=rng(1))
    kinds = torch.tensor([TEXT, TEXT, FAST, FAST, FAST, LATENT, LATENT]).expand(batch, -1)
    return logits, labels, kinds


def test_next_token_loss_is_the_mean_log_likelihood_of_the_label_to_the_right() -> None:
    logits, labels, kinds = tokens()
    labels[0, 3] = IGNORE
    by_kind: dict[int, list[float]] = {TEXT: [], FAST: [], LATENT: []}
    for b in range(2):
        for i in range(1, 7):
            if labels[b, i] != IGNORE:
                nll = -torch.log_softmax(logits[b, i - 1], dim=0)[labels[b, i]]
                by_kind[int(kinds[b, i])].append(float(nll))
    loss = next_token_loss(logits, labels, kinds)
    flat = [value for values in by_kind.values() for value in values]
    assert float(loss.total) == pytest.approx(sum(flat) / len(flat), rel=1e-5)
    assert loss.count == {TEXT: 2, FAST: 5, LATENT: 4}
    for kind, values in by_kind.items():
        assert loss.mean[TargetKind(kind)] == pytest.approx(sum(values) / len(values), rel=1e-5)


def test_kinds_can_be_weighted() -> None:
    logits, labels, kinds = tokens()
    plain = next_token_loss(logits, labels, kinds)
    weighted = next_token_loss(logits, labels, kinds, {TargetKind.TEXT: 0.0, TargetKind.FAST: 0.0})
    assert float(weighted.total) == pytest.approx(plain.mean[TargetKind.LATENT], rel=1e-5)
    assert weighted.mean == plain.mean


def test_ignored_positions_get_no_gradient_and_no_kind_is_read_there() -> None:
    logits, labels, kinds = tokens()
    labels[:, 2:5] = IGNORE
    kinds = kinds.clone()
    kinds[:, 2:5] = 99
    logits.requires_grad_()
    next_token_loss(logits, labels, kinds).total.backward()
    assert logits.grad is not None
    assert (logits.grad[:, 1:4] == 0).all()
    assert (logits.grad[:, 6] == 0).all()
    assert (logits.grad[:, [0, 4, 5]].abs().sum(dim=2) > 0).all()


def test_parallel_queries_are_not_shifted() -> None:
    logits, labels, kinds = tokens()
    shifted = next_token_loss(logits, labels, kinds).total
    direct = token_loss(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), kinds[:, 1:].flatten()).total
    assert torch.equal(shifted, direct)


def test_without_targets_the_loss_is_zero_and_differentiable() -> None:
    logits, labels, kinds = tokens()
    logits.requires_grad_()
    loss = next_token_loss(logits, torch.full_like(labels, IGNORE), kinds)
    loss.total.backward()
    assert loss.total.item() == 0.0
    assert loss.count == {}
    assert logits.grad is not None
    assert (logits.grad == 0).all()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda a, b, c: (a, b[:, 1:], c), r"labels \[2, 6\], kinds \[2, 7\]: allowed is \[B, L, V\]"),
        (lambda a, b, c: (a[0], b, c), r"logits \[7, 11\]"),
        (lambda a, b, c: (a, b + 11, c), r"label \d+ is out of range, allowed is 0\.\.10 or -100"),
        (lambda a, b, c: (a, b, c + 3), r"target kinds hold \[3, 4, 5\], allowed are \[0, 1, 2\]"),
    ],
)
def test_malformed_tokens_are_refused(spoil, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        next_token_loss(*spoil(*tokens()))


def chunks(batch: int = 64, steps: int = 30, dims: int = 20) -> tuple[torch.Tensor, torch.Tensor]:
    actions = torch.randn(batch, steps, dims, generator=rng(2))
    return actions, torch.ones_like(actions, dtype=torch.bool)


def up_to_eight(actions: torch.Tensor) -> torch.Tensor:
    return draw_delays(actions, 8, generator=rng(5))


def test_sample_lies_on_the_straight_way_from_noise_to_action() -> None:
    actions, valid = chunks()
    sample = flow_sample(actions, valid, delays=up_to_eight(actions), generator=rng(3))
    ahead = sample.noisy + (1.0 - sample.time[..., None]) * sample.velocity
    torch.testing.assert_close(ahead, actions)


def test_perfect_velocity_has_no_loss_and_a_known_error_its_square() -> None:
    actions, valid = chunks()
    sample = flow_sample(actions, valid, delays=up_to_eight(actions), generator=rng(3))
    assert float(flow_matching_loss(sample.velocity, sample)) == 0.0
    assert float(flow_matching_loss(sample.velocity + 0.5, sample)) == pytest.approx(0.25, rel=1e-5)


def test_flow_time_is_uniform_and_one_a_chunk() -> None:
    actions, valid = chunks(batch=4000, steps=3, dims=1)
    time = flow_sample(actions, valid, generator=rng(4)).time
    assert (time == time[:, :1]).all()
    assert (time >= 0).all()
    assert (time < 1).all()
    deciles = torch.histc(time[:, 0], bins=10, min=0, max=1) / 4000
    assert ((deciles - 0.1).abs() < 4 * math.sqrt(0.1 * 0.9 / 4000)).all()


def test_early_flow_times_are_nearer_to_noise_as_beta_says() -> None:
    actions, valid = chunks(batch=4000, steps=3, dims=1)
    tau = flow_sample(actions, valid, early=1.5, generator=rng(4)).tau
    assert (tau >= 0).all()
    assert (tau < 1).all()
    for share in (0.1, 0.5, 0.9):
        assert float((tau < share).float().mean()) == pytest.approx(1 - (1 - share) ** 1.5, abs=0.03)


def test_a_clean_prefix_is_the_action_itself_and_is_not_learned() -> None:
    actions, valid = chunks(batch=900)
    delays = up_to_eight(actions)
    sample = flow_sample(actions, valid, delays=delays, generator=rng(5))
    assert torch.equal((sample.time == 1).sum(dim=1), delays)
    for chunk, delay in enumerate(delays.tolist()):
        assert torch.equal(sample.noisy[chunk, :delay], actions[chunk, :delay])
        assert not sample.counts[chunk, :delay].any()
        assert sample.counts[chunk, delay:].all()
        assert (sample.time[chunk, :delay] == 1).all()
        assert (sample.time[chunk, delay:] < 1).all()


def test_no_delay_means_no_clean_step() -> None:
    assert (flow_sample(*chunks(), generator=rng(6)).time < 1).all()


def test_a_padded_arm_can_change_neither_input_nor_loss_nor_gradient() -> None:
    actions, _ = chunks(batch=2)
    valid = arms_valid(torch.tensor([[True, False], [False, True]]), steps=30, numbers=10)
    other = actions.clone()
    other[0, :, 10:] = torch.nan
    other[1, :, :10] = 1e9
    first, second = (flow_sample(a, valid, generator=rng(7)) for a in (actions, other))
    assert torch.equal(first.noisy, second.noisy)
    assert (first.noisy[0, :, 10:] == 0).all()
    guess = torch.randn(2, 30, 20, generator=rng(8), requires_grad=True)
    losses = [flow_matching_loss(guess, sample) for sample in (first, second)]
    assert torch.equal(losses[0], losses[1])
    losses[1].backward()
    assert guess.grad is not None
    assert torch.equal(guess.grad != 0, valid)


def test_the_same_seed_gives_the_same_sample() -> None:
    actions, valid = chunks()
    first, second = (flow_sample(actions, valid, delays=up_to_eight(actions), generator=rng(9)) for _ in range(2))
    assert torch.equal(first.noisy, second.noisy)
    assert torch.equal(first.time, second.time)


def test_flow_shapes_are_checked() -> None:
    actions, valid = chunks()
    with pytest.raises(ValueError, match="flow actions and valid are"):
        flow_sample(actions, valid[..., :10])
    with pytest.raises(ValueError, match=r"velocity has shape \[64, 30, 10\], allowed is \[64, 30, 20\]"):
        flow_matching_loss(actions[..., :10], flow_sample(actions, valid))
