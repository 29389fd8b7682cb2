"""Where the named object is, as the losses of grounding say it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gear_vla_ros.training.grounding import LOOKERS, LOOKING, look_loss, nearby_tokens, turn_loss
from gear_vla_ros.training.whereabouts import TURN_NUMBERS

SIDE, HEADS, LATENTS = 3, 4, 5
VIEWS = (slice(1, 10), slice(10, 10), slice(12, 21))
SHARES = st.floats(0, 1, exclude_max=True)


def attention(tokens: dict[int, int]) -> list[torch.Tensor]:
    """All that the heads of views look at: one key each."""
    paid = []
    for _ in range(LOOKING.stop):
        weights = torch.full((1, HEADS, LATENTS, 25), 1e-3)
        for view, key in tokens.items():
            weights[:, LOOKERS[view], :, key] = 1.0
        paid.append(weights)
    return paid


@given(SHARES, SHARES)
def test_tokens_around_a_point_have_it_as_their_middle(x, y):
    share = nearby_tokens(torch.tensor([x, y]), SIDE).view(SIDE, SIDE)
    assert share.sum().item() == pytest.approx(1, abs=1e-5)
    middles = (np.arange(SIDE) + 0.5) / SIDE
    wanted = np.clip([x, y], middles[0], middles[-1])
    found = [share.sum(axis).numpy() @ middles for axis in (0, 1)]
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_the_loss_is_least_where_the_heads_look_at_the_object():
    point = torch.tensor([[[0.5, 0.5], [-1, -1], [1 / 6, 5 / 6]]])
    seen = torch.tensor([[True, False, True]])
    at_it = look_loss(attention({0: 1 + 4, 2: 12 + 6}), VIEWS, point, seen)
    assert at_it < 0.01
    assert look_loss(attention({0: 1 + 4, 2: 12 + 2}), VIEWS, point, seen) > 3


def test_what_is_hidden_or_not_in_a_view_does_not_count():
    point = torch.tensor([[[0.5, 0.5], [-1, -1], [1.2, 0.5]]])
    away = attention({0: 1})
    assert look_loss(away, VIEWS, point, torch.tensor([[False, False, True]])) == 0
    assert look_loss(away, VIEWS, point, torch.tensor([[True, False, False]])) > 3


def test_how_an_object_lies_counts_where_it_is_known():
    turn = torch.full((2, 2, TURN_NUMBERS), torch.nan)
    found = torch.zeros(2, 2, TURN_NUMBERS, requires_grad=True)
    assert turn_loss(found, turn) == 0
    turn[0, 1, :2] = torch.tensor([0.6, 0.8])
    turn_loss(found, turn).backward()
    assert found.grad.nonzero().tolist() == [[0, 1, 0], [0, 1, 1]]
    assert turn_loss(turn.nan_to_num(), turn) == 0
