"""The stem's convolutions: whole views from patches, nothing changed at first, edges told apart."""

import pytest
import torch
from pydantic import ValidationError

from gear_vla_ros.model import checkpoint
from gear_vla_ros.model.gear_vla import GearVla
from gear_vla_ros.model.qwen import TEMPORAL, merge_order, normalised, patchify
from gear_vla_ros.model.text import make_tokens
from gear_vla_ros.settings.model import VisionSpec, load_model_spec

CHANNELS = 16


def network(name, seed=0):
    torch.manual_seed(seed)
    spec = load_model_spec(name)
    return GearVla(spec, make_tokens(spec)).eval()


def seen(model, views):
    with torch.inference_mode():
        return model.see(views, torch.ones(views.shape[:2], dtype=torch.bool))


@pytest.fixture(scope="module")
def views():
    return torch.rand(2, 3, 3, 96, 96, generator=torch.Generator().manual_seed(1))


def test_views_are_put_together_from_their_patches(views):
    stem = network("demo").qwen.model.visual.patch_embed
    stills = patchify(views[0], stem.patch).unflatten(1, (3, TEMPORAL, -1))[:, :, 0].flatten(1)
    torch.testing.assert_close(stem.stills(stills), normalised(views[0]), atol=0, rtol=0)


def test_a_network_that_gets_convolutions_says_what_it_said_and_keeps_them(views, tmp_path):
    model = network("demo")
    before = seen(model, views)
    model.add_convolutions(CHANNELS)
    assert torch.equal(seen(model, views), before)
    torch.nn.init.normal_(model.qwen.model.visual.patch_embed.convolutions.out.weight)
    changed = seen(model, views)
    assert not torch.equal(changed, before)
    checkpoint.save(model, tmp_path)
    assert torch.equal(seen(checkpoint.load(tmp_path).eval(), views), changed)


def test_what_they_find_stands_at_its_token(views):
    model = network("demo")
    model.add_convolutions(CHANNELS)
    other, line, column = views.clone(), 3, 1
    other[0, 2, :, 16 * line + 4 : 16 * line + 12, 16 * column + 4 : 16 * column + 12] = 0.0
    with torch.inference_mode():
        away = (model.convolved(other) - model.convolved(views)).abs().sum(-1)  # [B, V, T]
    assert not away[1].any() and not away[0, :2].any()
    assert away[0, 2].argmax() == 6 * line + column
    first = merge_order(12)[4 * int(away[0, 2].argmax())]
    assert divmod(int(first), 12) == (2 * line, 2 * column)


@pytest.mark.parametrize(("name", "twice"), [("tiny", False), ("demo", True)])
def test_another_stem_or_others_beside_them_are_refused(name, twice):
    model = network(name)
    if twice:
        model.add_convolutions(CHANNELS)
    with pytest.raises(ValueError, match="convolutions: the network has"):
        model.add_convolutions(2 * CHANNELS)


def test_sizes_that_cannot_be_halved_are_refused():
    vision = load_model_spec("demo").vision.model_dump() | {"convolutions": CHANNELS}
    assert VisionSpec.model_validate(vision | {"patch_size": 16}).convolutions == CHANNELS
    for wrong in ({"patch_size": 14}, {"stem": "linear"}):
        with pytest.raises(ValidationError, match="convolutions 16 with stem"):
            VisionSpec.model_validate(vision | wrong)
