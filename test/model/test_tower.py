"""The vision tower with all windows at once against transformers' loop over them, and its stem of cells."""

import pytest
import torch

from gear_vla_ros.model.gear_vla import GearVla
from gear_vla_ros.model.qwen import patchify, view_grid
from gear_vla_ros.model.text import make_tokens
from gear_vla_ros.model.tower import Tower
from gear_vla_ros.settings.model import load_model_spec


@pytest.fixture(scope="module")
def views():
    return torch.rand(4, 3, 112, 112, generator=torch.Generator().manual_seed(1))


def network(name):
    torch.manual_seed(0)
    spec = load_model_spec(name)
    return GearVla(spec, make_tokens(spec)).eval()


def test_all_windows_at_once_equal_one_after_the_other(views):
    model = network("tiny")
    visual, spec = model.qwen.model.visual, model.spec
    patches = patchify(views, spec.vision.patch_size)
    with torch.inference_mode():
        theirs = visual(patches, grid_thw=view_grid(4, 112, 14, views.device)).pooler_output
        ours = Tower(visual, spec.vision, 112)(patches)
    torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)


def test_windows_of_several_sizes_are_refused():
    model = network("tiny")
    vision = model.spec.vision.model_copy(update={"window_size": 84})
    with pytest.raises(ValueError, match=r"multiple of vision\.window_size"):
        Tower(model.qwen.model.visual, vision, 112)


def test_a_view_that_no_sample_has_costs_nothing_and_changes_nothing():
    model = network("demo")
    size = model.spec.view_size
    three = torch.rand(2, 3, 3, size, size, generator=torch.Generator().manual_seed(2))
    one_missing = torch.tensor([[True, False, True]] * 2)
    with torch.inference_mode():
        seen = model.see(three, one_missing)
        mixed = model.see(torch.cat([three, three]), torch.cat([one_missing, torch.ones(2, 3, dtype=torch.bool)]))
    assert not seen[:, 1].any()
    torch.testing.assert_close(seen, mixed[:2], atol=1e-5, rtol=1e-4)


def test_a_patch_of_one_colour_is_told_from_another():
    model = network("demo")
    stem = model.qwen.model.visual.patch_embed
    red, blue = torch.zeros(2, len(stem.place), 3, stem.patch**2).unbind(0)
    red[:, 0], blue[:, 2] = 1.0, 1.0
    assert (stem(red.flatten(1)) - stem(blue.flatten(1))).abs().max() > 0.05


def test_one_picture_s_patches_are_told_apart_by_where_they_are():
    stem = network("demo").qwen.model.visual.patch_embed
    grey = stem(torch.full((len(stem.place), 3 * stem.patch**2), 0.5))
    assert torch.pdist(grey).min() > 0.01
