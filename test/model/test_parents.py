"""Weights of the public parents, under their published names, from local folders."""

import io

import numpy as np
import pytest
import torch
from network import inputs, tiny
from rich.console import Console
from safetensors.torch import save_file
from transformers import Qwen2_5_VLForConditionalGeneration

from gear_vla_ros.cli import checkpoint as command
from gear_vla_ros.model import checkpoint, parents
from gear_vla_ros.model.fast_tokenizer import FastTokenizer
from gear_vla_ros.model.latents import allowed_ids
from gear_vla_ros.model.qwen import qwen_config
from gear_vla_ros.model.spatial import Aggregator
from gear_vla_ros.settings.spatial import SpatialSpec


def published_qwen(spec):
    """A Qwen2.5-VL of these sizes with its own vocabulary, and its weights as the hub has them."""
    torch.manual_seed(7)
    alone = spec.model_copy(update={"fast_vocabulary": 0, "latents": spec.latents.model_copy(update={"groups": 0})})
    parent = Qwen2_5_VLForConditionalGeneration(qwen_config(alone, "sdpa"))
    weights = {}
    for name, tensor in parent.state_dict().items():
        if name != "lm_head.weight" or not spec.language.tied:
            weights[name.replace("model.language_model.", "model.").replace("model.visual.", "visual.")] = (
                tensor.clone()
            )
    return parent, weights


def test_qwen_is_taken_whole_and_appended_rows_are_like_the_parents(tmp_path):
    model = tiny()
    parent, weights = published_qwen(model.spec)
    half = len(weights) // 2
    names = sorted(weights)
    for shard, part in enumerate((names[:half], names[half:])):
        save_file({name: weights[name] for name in part}, tmp_path / f"model-{shard}.safetensors")
    report = parents.load_qwen(model, tmp_path)
    theirs = parent.state_dict()
    assert torch.equal(model.projector.flat.weight, theirs["model.visual.merger.mlp.0.weight"])
    assert torch.equal(model.projector.out.bias, theirs["model.visual.merger.mlp.2.bias"])
    for name, tensor in model.qwen.state_dict().items():
        assert torch.equal(tensor[: len(theirs[name])], theirs[name]), name
    table, known = model.qwen.get_input_embeddings().weight, model.spec.language.vocabulary
    assert table.shape[0] == known + 16 + model.spec.fast_vocabulary
    torch.testing.assert_close(table[known:].std(), table[:known].std(), rtol=0.1, atol=0)
    assert torch.equal(model.qwen.lm_head.weight, table)
    assert set(report.used) == set(weights) and report.left == ()
    assert f"{len(weights)} weights used" in str(report)


def test_names_of_newer_transformers_and_a_pt_file_are_read_too(tmp_path):
    model, other = tiny(), tiny()
    parent, weights = published_qwen(model.spec)
    save_file(weights, tmp_path / "model.safetensors")
    parents.load_qwen(model, tmp_path)
    newer = tmp_path / "newer"
    newer.mkdir()
    torch.save(parent.state_dict(), newer / "model.pt")
    parents.load_qwen(other, newer)
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True))


def published_vggt():
    spec = SpatialSpec.tiny()
    source = Aggregator(spec).eval()
    weights = {parents.AGGREGATOR + name: tensor.clone() for name, tensor in source.state_dict().items()}
    return spec, source, weights | {"camera_head.trunk.0.norm1.weight": torch.zeros(1)}


def test_the_aggregator_of_vggt_is_taken_and_its_heads_are_left(tmp_path):
    spec, source, weights = published_vggt()
    save_file(weights, tmp_path / "model.safetensors")
    fresh = Aggregator(spec).eval()
    report = parents.load_vggt(fresh, tmp_path)
    assert report.left == ("camera_head.trunk.0.norm1.weight",)
    images = torch.rand(1, 2, 3, spec.view_size, spec.view_size)
    with torch.no_grad():
        assert torch.equal(fresh(images), source(images))


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (lambda w: w.pop("aggregator.camera_token"), "VGGT: camera_token is missing"),
        (lambda w: w.update({"aggregator.more": torch.zeros(1)}), "aggregator.more is not of this network"),
        (
            lambda w: w.update({"aggregator.camera_token": torch.zeros(3)}),
            r"aggregator.camera_token has shape \[3\], allowed \[1, 2, 1, 32\]",
        ),
    ],
)
def test_a_wrong_weight_is_named_and_nothing_is_changed(tmp_path, spoil, line):
    spec, _, weights = published_vggt()
    spoil(weights)
    save_file(weights, tmp_path / "model.safetensors")
    fresh = Aggregator(spec)
    before = {name: tensor.clone() for name, tensor in fresh.state_dict().items()}
    with pytest.raises(ValueError, match=line):
        parents.load_vggt(fresh, tmp_path)
    assert all(torch.equal(before[name], tensor) for name, tensor in fresh.state_dict().items())


class Trap:
    def __reduce__(self):
        return print, ("executed",)


def test_a_folder_without_weights_a_broken_file_and_a_pickle_are_named(tmp_path, capsys):
    spec = SpatialSpec.tiny()
    with pytest.raises(FileNotFoundError, match="no weights there"):
        parents.load_vggt(Aggregator(spec), tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"12345678" * 9)
    with pytest.raises(ValueError, match=r"model\.safetensors: not readable as weights"):
        parents.load_vggt(Aggregator(spec), tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save({"aggregator.camera_token": Trap()}, tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"model\.pt: not readable as weights"):
        parents.load_vggt(Aggregator(spec), tmp_path)
    assert "executed" not in capsys.readouterr().out


def test_a_checkpoint_of_two_parents_loads_in_its_precision_and_never_replaces_another(tmp_path):
    spec = tiny().spec
    (tmp_path / "qwen").mkdir()
    (tmp_path / "vggt").mkdir()
    save_file(published_qwen(spec)[1], tmp_path / "qwen" / "model.safetensors")
    weights = {parents.AGGREGATOR + name: tensor for name, tensor in Aggregator(spec.spatial).state_dict().items()}
    save_file(weights, tmp_path / "vggt" / "model.safetensors")
    made = tmp_path / "made"
    reports = list(parents.from_parents(spec, made, tmp_path / "qwen", tmp_path / "vggt"))
    assert [report.parent for report in reports] == ["Qwen2.5-VL", "VGGT"]
    loaded = checkpoint.load(made)
    assert loaded.expert.step.dtype == torch.bfloat16 and torch.get_default_dtype() == torch.float32
    token = weights["aggregator.camera_token"].bfloat16()
    assert torch.equal(loaded.spatial.camera_token, token)
    assert command.show(made, Console(file=(text := io.StringIO()), width=120)) == 0
    assert "expert" in text.getvalue() and "BF16" in text.getvalue()
    with pytest.raises(FileExistsError, match="not empty"):
        list(parents.from_parents(spec, made, tmp_path / "qwen", tmp_path / "vggt"))


def test_fast_ids_are_appended_to_the_vocabulary():
    model = tiny()
    spec, random = model.spec, np.random.default_rng(0)
    chunks = np.cumsum(0.02 * random.standard_normal((40, 30, 20)), axis=1)
    fast = FastTokenizer.fit(chunks, vocab_size=spec.fast_vocabulary, scale=5.0, id_offset=spec.fast_id_offset)
    ids = fast.encode(chunks[0])
    assert spec.fast_id_offset <= min(ids) and max(ids) < spec.vocabulary
    assert not set(ids) & {i for p in range(20) for i in range(*allowed_ids(spec, p).indices(spec.vocabulary))}
    given = inputs(model, size=1)
    answer = torch.tensor([ids])
    logits, _ = model.teach(given, answer, torch.ones(len(ids), dtype=torch.bool))
    assert logits.shape == (1, len(ids) + 1, spec.vocabulary)
    assert (abs(fast.decode(answer[0].tolist()) - chunks[0]) <= fast.layout.error_bound() + 1e-9).all()
