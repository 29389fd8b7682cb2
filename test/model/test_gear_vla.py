"""The whole network: equal to its parent at the start, blind to what is masked, K/V of exactly the latent positions."""

import dataclasses

import pytest
import torch
from network import inputs, tiny
from transformers import Qwen2_5_VLForConditionalGeneration

from gear_vla_ros.model import sequence
from gear_vla_ros.model.expert import Latents
from gear_vla_ros.model.latents import allowed_ids, to_vocabulary
from gear_vla_ros.model.qwen import patchify, qwen_config, view_grid
from gear_vla_ros.model.sampler import sample
from gear_vla_ros.model.text import IMAGE, VISION_END, VISION_START


@pytest.fixture(scope="module")
def model():
    """For tests that do not change it."""
    return tiny()


def parent_of(model):
    """Qwen2.5-VL as transformers has it, with the network's weights."""
    config = qwen_config(model.spec, "sdpa")
    config.image_token_id, config.vision_start_token_id, config.vision_end_token_id = IMAGE, VISION_START, VISION_END
    qwen = Qwen2_5_VLForConditionalGeneration(config).eval()
    weights = dict(model.qwen.state_dict())
    for ours, theirs in (("flat", "0"), ("out", "2")):
        for name, value in getattr(model.projector, ours).state_dict().items():
            weights[f"model.visual.merger.mlp.{theirs}.{name}"] = value
    qwen.load_state_dict(weights)
    return qwen


def parents_logits(model, given):
    """Of the parent and of ours, for the same pictures and text."""
    qwen, spec = parent_of(model), model.spec
    view = torch.tensor([VISION_START, *[IMAGE] * spec.tokens_per_view, VISION_END])
    ids = torch.cat([view.repeat(3).expand(given.text.shape[0], -1), given.text], dim=1)
    types = (ids == IMAGE).int()
    pixels = patchify(given.views.flatten(0, 1), spec.vision.patch_size)
    grid = view_grid(len(ids) * 3, spec.view_size, spec.vision.patch_size, ids.device)
    positions, _ = qwen.model.get_rope_index(ids, mm_token_type_ids=types, image_grid_thw=grid)
    theirs = qwen(input_ids=ids, pixel_values=pixels, image_grid_thw=grid, mm_token_type_ids=types).logits
    embeds = model.qwen.get_input_embeddings()(ids)
    seen = model.see(given.views, given.view_mask).flatten(0, 2)
    embeds = embeds.masked_scatter((ids == IMAGE)[..., None], seen)
    ours = model.qwen.model.language_model(inputs_embeds=embeds, position_ids=positions).last_hidden_state
    return theirs, model.qwen.lm_head(ours), positions


def test_logits_equal_the_parents_to_the_bit_until_the_first_step():
    model = tiny().train()
    model.qwen.model.visual.eval()
    given = inputs(model, size=1)
    theirs, ours, _ = parents_logits(model, given)
    assert torch.equal(theirs, ours)
    optimizer = torch.optim.SGD(model.projector.parameters(), lr=1.0)
    ours.square().mean().backward()
    assert model.projector.spatial.weight.grad.abs().max() > 0
    optimizer.step()
    with torch.no_grad():
        theirs, ours, _ = parents_logits(model, given)
    assert not torch.equal(theirs, ours)


def test_positions_are_the_parents(model):
    given = inputs(model, size=1)
    _, _, theirs = parents_logits(model, given)
    ours = sequence.prefix_positions(model.spec, given.text_mask)
    at = sequence.layout(model.spec, given.text.shape[1])
    torch.testing.assert_close(ours[:, :, : at.state.start], theirs[:, :, : at.state.start])
    torch.testing.assert_close(ours[:, :, at.text] - 2, theirs[:, :, at.state.start :])


def everything(model, given):
    """All that leaves the network: ids, K/V, velocity."""
    with torch.inference_mode():
        ids, latents = model.decode(model.read(given))
        noise = torch.randn(given.views.shape[0], 30, 20, generator=torch.Generator().manual_seed(1))
        velocity = model.expert.velocity(noise, torch.full((len(noise), 30), 0.3), latents, model.state_tokens(given))
    return [ids, *latents.keys, *latents.values, velocity]


@pytest.mark.parametrize("missing", [{"views": (True, False, True)}, {"arms": (False, True)}])
def test_what_a_padded_view_or_arm_holds_changes_nothing(model, missing):
    given = inputs(model, **missing)
    views, state = given.views.clone(), given.state.clone()
    views[~given.view_mask] = float("nan")
    state[~given.arm_mask] = float("nan")
    before, after = everything(model, given), everything(model, dataclasses.replace(given, views=views, state=state))
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("views", [(True, False, True), (True, True, False), (True, False, False)])
def test_training_leaves_out_views_that_no_sample_has_and_nothing_changes(model, views):
    given = inputs(model, views=views)
    with torch.inference_mode():
        whole = model.read(given)
        model.train()
        short = model.read(given)
        model.eval()
        (ids, latents), (others, theirs) = model.decode(whole), model.decode(short)
    assert short.embeds.shape[1] == whole.embeds.shape[1] - (3 - sum(views)) * (model.spec.tokens_per_view + 2)
    torch.testing.assert_close(short.embeds[:, short.layout.text], whole.embeds[:, whole.layout.text])
    torch.testing.assert_close(short.embeds[:, short.layout.views[0]], whole.embeds[:, whole.layout.views[0]])
    assert torch.equal(ids, others)
    torch.testing.assert_close([*latents.keys, *latents.values], [*theirs.keys, *theirs.values])


def test_a_view_that_is_there_changes_everything(model):
    given = inputs(model)
    views = given.views.clone()
    views[:, 2] = 1 - views[:, 2]
    before, after = everything(model, given), everything(model, dataclasses.replace(given, views=views))
    assert not any(torch.equal(a, b) for a, b in zip(before[1:], after[1:], strict=True))


@pytest.mark.parametrize("decoding", ["autoregressive", "parallel"])
def test_ids_are_in_the_group_of_their_position(decoding):
    model = tiny(decoding=decoding)
    with torch.inference_mode():
        ids, latents = model.decode(model.read(inputs(model)))
    spec = model.spec
    assert ids.shape == (2, 20)
    for position in range(20):
        allowed = allowed_ids(spec, position)
        chosen = to_vocabulary(spec, ids[:, position])
        assert ((chosen >= allowed.start) & (chosen < allowed.stop)).all()
    assert len(latents.keys) == spec.language.depth
    assert all(k.shape == (2, spec.language.kv_heads, 20, spec.language.head_dim) for k in latents.keys)


def test_the_cache_is_that_of_the_latent_positions(model):
    """One pass over prefix and chosen ids gives the same K/V as decoding one by one."""
    given = inputs(model)
    with torch.inference_mode():
        ids, latents = model.decode(model.read(given))
        again = model.read(given)
        embeds = model.qwen.get_input_embeddings()(to_vocabulary(model.spec, ids))
        model.latents.continue_with(model.qwen, again, embeds)
        at_once = model.latents.cached(again)
    for one, other in zip((*latents.keys, *latents.values), (*at_once.keys, *at_once.values), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_latents_are_no_views_of_the_cache(model):
    """Of a view the strides tell how long the prefix was, and what is compiled for them is compiled again."""
    with torch.inference_mode():
        _, latents = model.decode(model.read(inputs(model)))
    assert all(part.is_contiguous() for part in (*latents.keys, *latents.values))


def test_a_sentence_alone_or_beside_a_longer_one_gives_the_same(model):
    """Padding text on the left changes nothing for the shorter sentence."""
    both = inputs(model)
    longest = both.text.shape[1]
    alone = dataclasses.replace(
        both, **{f.name: getattr(both, f.name)[1:] for f in dataclasses.fields(both) if f.name != "embodiment"}
    )
    short = int(both.text_mask[1].sum())
    alone = dataclasses.replace(
        alone, text=alone.text[:, longest - short :], text_mask=alone.text_mask[:, longest - short :]
    )
    with torch.inference_mode():
        padded, exact = model.read(both).last_hidden[1], model.read(alone).last_hidden[0]
    torch.testing.assert_close(padded, exact, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("field", "value", "line"),
    [
        ("views", torch.rand(2, 3, 3, 64, 64), "views: torch.float32 [2, 3, 3, 64, 64], allowed"),
        ("views", torch.zeros(2, 3, 3, 112, 112, dtype=torch.uint8), "views: torch.uint8"),
        ("view_mask", torch.ones(2, 2, dtype=torch.bool), "view_mask: torch.bool [2, 2], allowed torch.bool [2, 3]"),
        ("views", torch.rand(2, 3, 112, 112, 3), "views: torch.float32 [2, 3, 112, 112, 3], allowed"),
        ("views", torch.rand(2, 2, 3, 112, 112), "views: torch.float32 [2, 2, 3, 112, 112], allowed"),
        ("views", torch.full((2, 3, 3, 112, 112), 255.0), "views: 255 to 255, allowed 0 to 1"),
        ("views", torch.full((2, 3, 3, 112, 112), torch.nan), "views: nan to nan, allowed 0 to 1"),
        ("arm_mask", torch.ones(2, 2), "arm_mask: torch.float32 [2, 2], allowed torch.bool [2, 2]"),
        ("state", torch.full((2, 2, 16), torch.nan), "state: holds NaN or infinity, allowed are finite numbers"),
        ("embodiment", "spot", "embodiment 'spot' has no state projector; there are agilex_dual_arm"),
        ("state", torch.zeros(2, 2, 17), "state: [2, 2, 17], allowed [B, 2, 16] for 'agilex_dual_arm'"),
    ],
)
def test_what_does_not_fit_is_named(model, field, value, line):
    with pytest.raises(ValueError) as refused:
        model.read(dataclasses.replace(inputs(model), **{field: value}))
    assert line in str(refused.value)


def test_a_new_embodiment_changes_no_other_weight():
    model = tiny()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.state.add("new_robot", 7)
    after = model.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert {name.split(".")[2] for name in after.keys() - before.keys()} == {"new_robot"}
    with pytest.raises(ValueError, match="already has"):
        model.state.add("new_robot", 7)


def test_sampling_from_latents_of_another_observation_differs(model):
    given = inputs(model)
    with torch.inference_mode():
        _, latents = model.decode(model.read(given))
        other = Latents([k + 1 for k in latents.keys], latents.values)
        state, noise = model.state_tokens(given), torch.randn(2, 30, 20)
        chunks = [
            sample(lambda a, t, seen=seen: model.expert.velocity(a, t, seen, state), noise, 3)
            for seen in (latents, other)
        ]
    assert not torch.equal(*chunks)
