"""Networks on disk, and the sizes of the large ones."""

import pytest
import torch
from network import inputs, tiny
from safetensors.torch import load_file, save_file

from gear_vla_ros.model import checkpoint
from gear_vla_ros.model.gear_vla import GearVla
from gear_vla_ros.model.text import ByteTokens
from gear_vla_ros.settings import load_robot, robot_names
from gear_vla_ros.settings.model import load_model_spec


@pytest.fixture
def folder(tmp_path):
    checkpoint.save(tiny(), tmp_path)
    return tmp_path


def test_what_is_loaded_is_what_was_saved(folder):
    saved, loaded = tiny(), checkpoint.load(folder).eval()
    assert loaded.spec == saved.spec
    given = inputs(saved)
    with torch.inference_mode():
        ids, latents = saved.decode(saved.read(given))
        again, others = loaded.decode(loaded.read(given))
    assert torch.equal(ids, again)
    assert all(torch.equal(a, b) for a, b in zip(latents.keys, others.keys, strict=True))


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (lambda w: w.pop("expert.step"), "expert.step is missing"),
        (lambda w: w.update(more=torch.zeros(1)), "more is not of this network"),
        (lambda w: w.update({"expert.step": torch.zeros(3)}), r"expert.step has shape \[3\], allowed \[30, 128\]"),
    ],
)
def test_a_wrong_weight_is_named(folder, spoil, line):
    weights = load_file(folder / checkpoint.WEIGHTS)
    spoil(weights)
    save_file(weights, folder / checkpoint.WEIGHTS)
    with pytest.raises(ValueError, match=line):
        checkpoint.load(folder)


def test_a_missing_file_is_named(folder):
    (folder / checkpoint.WEIGHTS).unlink()
    with pytest.raises(FileNotFoundError, match=r"no weights\.safetensors"):
        checkpoint.load(folder)


def millions(part):
    return sum(p.numel() for p in {id(p): p for p in part.parameters()}.values()) / 1e6


@pytest.mark.parametrize(("name", "parent"), [("base", 3754.6), ("large", 8292.2)])
def test_the_large_networks_have_the_sizes_of_their_parents(name, parent):
    """Published totals of Qwen2.5-VL-3B and -7B in millions, and of VGGT-1B's aggregator."""
    with torch.device("meta"):
        model = GearVla(load_model_spec(name), ByteTokens())
    projector = millions(model.projector) - millions(model.projector.spatial)
    counts = {
        "qwen": millions(model.qwen) + projector,
        "spatial": millions(model.spatial),
        "expert": millions(model.expert),
    }
    print(name, {part: round(count, 1) for part, count in counts.items()})
    assert counts["qwen"] == pytest.approx(parent, rel=0.01)
    assert counts["spatial"] == pytest.approx(909.1, rel=0.01)
    assert 250 < counts["expert"] < 400


@pytest.mark.parametrize("robot", robot_names())
@pytest.mark.parametrize("name", ["tiny", "base", "large"])
def test_every_robot_has_a_state_projector(robot, name):
    spec = load_robot(robot)
    joints = load_model_spec(name).embodiments[spec.state_projector.embodiment]
    assert {len(arm.joints) for arm in spec.arms} == {joints}
