"""Places, positions and masks in numpy against the model's own."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from gear_vla_ros.engines.layout import ByteSentences, Layout
from gear_vla_ros.model import sequence
from gear_vla_ros.model.latents import allowed_ids
from gear_vla_ros.model.text import batch, make_tokens
from gear_vla_ros.settings.model import load_model_spec

SPEC = load_model_spec("tiny")
flags = st.tuples(st.booleans(), st.booleans())


@given(text_tokens=st.integers(2, 40), data=st.data(), wrists=flags, arms=flags)
def test_positions_and_masks_are_those_of_the_model(text_tokens, data, wrists, arms):
    views = (True, *wrists)
    words = data.draw(st.integers(1, text_tokens))
    at = Layout(SPEC, text_tokens)
    text = torch.arange(text_tokens)[None] >= text_tokens - words
    there = sequence.prefix_mask(SPEC, torch.tensor([views]), torch.tensor([arms]), text)
    prefix = sequence.prefix_positions(SPEC, text)
    latent = sequence.following_positions(prefix, SPEC.latents.tokens)
    seen = at.seen(np.array(views), np.array(arms), words)
    np.testing.assert_array_equal(seen, there[0])
    made = at.positions(words)
    np.testing.assert_array_equal(made[:, :, at.length :], latent)
    np.testing.assert_array_equal(made[:, :, : at.length][:, :, seen], prefix[:, :, seen])
    wanted = sequence.layout(SPEC, text_tokens)
    assert (at.length, at.state, at.text) == (wanted.length, wanted.state, wanted.text)
    assert tuple(at.view(i) for i in range(3)) == wanted.views


def test_nobody_sees_what_is_missing_or_comes_later():
    at = Layout(SPEC, 8)
    seen = at.seen(np.array([True, False, True]), np.array([False, True]), 5)
    before = at.prefix_mask(seen)[0, 0]
    hidden = ~np.tri(at.length, dtype=bool) | ~seen
    np.testing.assert_array_equal(before & hidden, np.eye(at.length, dtype=bool) & hidden)
    after = at.latent_mask(seen)[0, 0]
    np.testing.assert_array_equal(after[:, : at.length], np.broadcast_to(seen, (SPEC.latents.tokens, at.length)))
    np.testing.assert_array_equal(after[:, at.length :], np.tri(SPEC.latents.tokens, dtype=bool))


def test_latent_ids_are_those_of_the_model():
    for position in range(SPEC.latents.tokens):
        wanted = allowed_ids(SPEC, position)
        found = Layout(SPEC, 8).latent_ids(position)
        offset = SPEC.language.vocabulary
        assert (found.start, found.stop) == (wanted.start - offset, wanted.stop - offset)


@given(st.text(min_size=1, max_size=20).filter(str.strip))
def test_a_sentence_has_the_ids_of_the_model(text):
    ids, _ = batch(make_tokens(SPEC), [text], 128)
    assert ByteSentences().encode(text) == ids[0, :-1].tolist()
