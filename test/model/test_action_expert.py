"""Expert, sampler and dropping: where gradients go, what a prefix does, what a dropped part cannot do."""

import pytest
import torch
from network import inputs, tiny
from torch import nn

from gear_vla_ros.model.attention import drop_after_softmax
from gear_vla_ros.model.dropping import Dropped, draw, language_keep
from gear_vla_ros.model.expert import StateTokens
from gear_vla_ros.model.normalise import ActionStatistics
from gear_vla_ros.model.sampler import sample
from gear_vla_ros.model.sequence import layout
from gear_vla_ros.settings.model import DroppingSpec
from gear_vla_ros.training.losses import flow_matching_loss, flow_sample


def test_the_flow_loss_reaches_the_expert_and_the_state_but_never_the_language_model():
    model = tiny().train()
    given = inputs(model)
    _, latents = model.decode(model.read(given))
    assert latents.keys[0].requires_grad
    drawn = flow_sample(torch.randn(2, 30, 20), torch.ones(2, 30, 20, dtype=torch.bool))
    velocity = model.expert.velocity(drawn.noisy, drawn.time, latents, model.state_tokens(given))
    flow_matching_loss(velocity, drawn).backward()
    for name, part in model.named_children():
        reached = any(p.grad is not None and p.grad.abs().max() > 0 for p in part.parameters())
        assert reached == (name in ("expert", "state")), name


def test_two_flow_times_a_chunk_are_as_one_a_step():
    model = tiny()
    for weight in model.expert.parameters():
        nn.init.normal_(weight, std=0.05)
    given = inputs(model)
    _, latents = model.decode(model.read(given))
    delays = torch.tensor([5, 12])
    drawn = flow_sample(torch.randn(2, 30, 20), torch.ones(2, 30, 20, dtype=torch.bool), delays=delays)
    state = model.state_tokens(given)
    whole = model.expert.velocity(drawn.noisy, drawn.time, latents, state)
    parts = model.expert.velocity_after_clean(drawn.noisy, drawn.tau, drawn.clean, latents, state)
    torch.testing.assert_close(parts, whole)
    assert whole.abs().max() > 0


class Field(nn.Module):
    """A velocity that depends on everything it is given."""

    def forward(self, actions, tau):
        return torch.sin(actions) + tau[..., None] ** 2


def test_the_sampler_is_eulers_method():
    noise, field = torch.randn(2, 30, 20), Field()
    reference, tau = noise.clone(), 0.0
    for _ in range(10):
        reference = reference + 0.1 * field(reference, torch.full((2, 30), tau))
        tau += 0.1
    torch.testing.assert_close(sample(field, noise, 10), reference, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("known", [0, 1, 7, 30])
def test_a_clean_prefix_comes_back_unchanged_with_full_time(known):
    prefix, times = torch.randn(2, known, 20), []

    def field(actions, tau):
        times.append(tau)
        return torch.ones_like(actions)

    out = sample(field, torch.randn(2, 30, 20), 4, prefix)
    assert torch.equal(out[:, :known], prefix)
    assert all((tau[:, :known] == 1).all() and (tau[:, known:] == i / 4).all() for i, tau in enumerate(times))


def test_the_flow_time_of_one_step_is_its_own():
    model = tiny()
    given = inputs(model)
    with torch.inference_mode():
        _, latents = model.decode(model.read(given))
        state, noise = model.state_tokens(given), torch.randn(2, 30, 20)
        tau = torch.full((2, 30), 0.5)
        other = tau.clone()
        other[:, :5] = 1.0
        before, after = (model.expert.velocity(noise, t, latents, state) for t in (tau, other))
    assert (before[:, :5] - after[:, :5]).abs().max() > (before[:, 5:] - after[:, 5:]).abs().max()


def test_a_dropped_part_has_no_influence_by_key_or_value():
    query, key, value = (torch.randn(2, 4, length, 8) for length in (3, 6, 6))
    keep = torch.ones(2, 1, 1, 6)
    keep[..., 4:] = 0
    changed_key, changed_value = key.clone(), value.clone()
    changed_key[:, :, 4:], changed_value[:, :, 4:] = torch.randn(2, 4, 2, 8), torch.randn(2, 4, 2, 8)
    before = drop_after_softmax(query, key, value, None, keep, 0.35)
    after = drop_after_softmax(query, changed_key, changed_value, None, keep, 0.35)
    torch.testing.assert_close(before, after)
    alone = nn.functional.scaled_dot_product_attention(query, key[:, :, :4], value[:, :, :4], scale=0.35)
    torch.testing.assert_close(before, alone)


def test_the_experts_state_can_be_dropped():
    model = tiny()
    given = inputs(model)
    with torch.inference_mode():
        _, latents = model.decode(model.read(given))
        dropped = Dropped(torch.tensor([False, False]), torch.tensor([True, False]))
        state, noise = model.state_tokens(given, dropped), torch.randn(2, 30, 20)
        other = StateTokens(torch.randn_like(state.tokens), state.mask, state.keep)
        before, after = (model.expert.velocity(noise, torch.zeros(2, 30), latents, s) for s in (state, other))
    torch.testing.assert_close(before[0], after[0])
    assert not torch.allclose(before[1], after[1])


def test_only_action_queries_lose_sight_of_wrists_and_state():
    model = tiny()
    at = layout(model.spec, 5)
    queries = torch.tensor([False, True])
    dropped = Dropped(wrist=torch.tensor([True, False]), state=torch.tensor([False, True]))
    keep = language_keep(dropped, at, queries, at.length + 2)
    assert keep[:, :, 0].min() == 1
    first, second = keep[0, 0, 1], keep[1, 0, 1]
    assert first[at.views[0]].min() == 1 and first[at.state].min() == 1 and first[at.text].min() == 1
    assert first[at.views[1]].max() == 0 and first[at.views[2]].max() == 0
    assert second[at.state].max() == 0 and second[at.views[1]].min() == 1


def test_dropping_in_the_language_model_is_felt_in_training_only():
    model = tiny()
    given = inputs(model)
    answer = torch.full((2, 20), model.spec.language.vocabulary)
    action = torch.ones(20, dtype=torch.bool)
    nothing = Dropped(torch.tensor([False, False]), torch.tensor([False, False]))
    everything = Dropped(torch.tensor([True, True]), torch.tensor([True, True]))
    with torch.inference_mode():
        plain, same, other = (model.teach(given, answer, action, d)[0] for d in (None, nothing, everything))
    torch.testing.assert_close(plain, same, atol=1e-5, rtol=1e-4)
    assert torch.equal(plain[:, 0], other[:, 0])
    assert not torch.allclose(plain[:, 1:], other[:, 1:])


def test_frequencies_are_the_papers():
    drawn = draw(DroppingSpec(), 40_000, torch.Generator().manual_seed(0))
    both = drawn.wrist & drawn.state
    shares = {
        "both": both.float().mean(),
        "wrist": (drawn.wrist & ~both).float().mean(),
        "state": (drawn.state & ~both).float().mean(),
    }
    assert all(abs(share - 0.2) < 0.01 for share in shares.values()), shares


def test_statistics_turn_percentiles_into_one_and_back():
    statistics, chunks = ActionStatistics(30), 0.3 * torch.randn(500, 30, 20) + 1.0
    valid = torch.ones_like(chunks, dtype=torch.bool)
    valid[..., :10] = False
    before = statistics.centre[:, :10].clone()
    statistics.fit(chunks, valid)
    assert torch.equal(statistics.centre[:, :10], before)
    normal = statistics.normalise(chunks)[..., 10:]
    assert 0.97 < (normal.abs() <= 1).float().mean() < 0.99
    torch.testing.assert_close(statistics.denormalise(statistics.normalise(chunks)), chunks, atol=1e-5, rtol=1e-5)
    right = statistics.centre[:, 10:].clone()
    statistics.fit(chunks + 1.0, torch.ones_like(valid))
    assert torch.equal(statistics.centre[:, 10:], right), "what was fitted stays"
    assert (statistics.centre[:, :10] > 1.9).all(), "an arm that no data had before gets its own"
