"""What is wrong with a bundle is said in one line, and another backend takes over where it can."""

import json
import shutil

import numpy as np
import onnx
import pytest
from bundles import ROBOTS, given, make, smaller

from gear_vla_ros.engines import bundle as bundles_
from gear_vla_ros.engines.bundle import MANIFEST, BundleError, open_bundle
from gear_vla_ros.engines.export import export
from gear_vla_ros.engines.opening import open_engine
from gear_vla_ros.model.checkpoint import save


@pytest.fixture
def copy(one_bundle, tmp_path):
    """A bundle to break."""
    shutil.copytree(one_bundle.folder, tmp_path / "bundle")
    return tmp_path / "bundle"


def changed(folder, **fields):
    """Put other values into the manifest."""
    data = json.loads((folder / MANIFEST).read_text())
    for path, value in fields.items():
        *way, last = path.split("__")
        inner = data
        for key in way:
            inner = inner[key]
        inner[last] = value
    (folder / MANIFEST).write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"format": 7}, r"format 7, this version reads 1; export the bundle again"),
        ({"opset": 99}, r"opset 99, allowed up to 20"),
        ({"weights": "short"}, r"weights: found 'short'; string should match pattern"),
        ({"dtype": "float8"}, r"dtype: found 'float8'; input should be 'float32' or 'bfloat16'"),
        ({"colour": "red"}, r"colour: unknown key; allowed dtype, files, format"),
        ({"statistics__centre": [[0.0] * 3] * 30}, r"statistics\.centre: 30 steps of \[3\] numbers, allowed 30 of 20"),
        ({"parts__expert__file": "other.onnx"}, r"parts\.expert\.file: 'other\.onnx' is not among its files"),
        ({"files__../../out": {"bytes": 1, "sha256": "0" * 64}}, r"'\.\./\.\./out' leads out of the bundle"),
        ({"parts": {}}, r"parts: vision, prefill, parallel, expert, state_agilex_dual_arm, .* missing"),
        ({"robots": {}}, r"robots: found \{\}"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_manifest_is_refused(copy, fields, line):
    changed(copy, **fields)
    with pytest.raises(ValueError, match=line) as refused:
        open_bundle(copy)
    assert "\n" not in str(refused.value)


def test_a_manifest_that_is_none(copy):
    (copy / MANIFEST).write_text('{"format": ')
    with pytest.raises(BundleError, match=r"bundle\.json: not readable as JSON"):
        open_bundle(copy)
    (copy / MANIFEST).write_text("[]")
    with pytest.raises(BundleError, match="format None"):
        open_bundle(copy)
    (copy / MANIFEST).write_bytes(b" " * (bundles_.MAX_MANIFEST_BYTES + 1))
    with pytest.raises(BundleError, match="bytes, allowed 4194304"):
        open_bundle(copy)
    (copy / MANIFEST).unlink()
    with pytest.raises(FileNotFoundError, match=r"no bundle\.json; `gear-vla export` makes one"):
        open_bundle(copy)


def cut(file):
    file.write_bytes(file.read_bytes()[:-100])


def flip(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize("name", ["expert.onnx", "vision.onnx", "embedding.npy", "parity.npz"])
@pytest.mark.parametrize(
    ("harm", "why"),
    [(lambda f: f.unlink(), "missing"), (cut, "cut or replaced"), (flip, "sha256 .* changed")],
    ids=["missing", "cut", "changed"],
)
def test_a_harmed_file_makes_torch_take_over_and_is_named(copy, name, harm, why):
    harm(copy / name)
    opened = open_engine(str(copy), "franka")
    assert "torch" in opened.engine.about
    (line,) = opened.refused
    assert line.startswith("onnxruntime: ") and name in line and "\n" not in line
    with pytest.raises(BundleError, match=why):
        open_bundle(copy).verify(["expert", "vision"])


def test_without_weights_nobody_takes_over(copy):
    shutil.rmtree(copy / "checkpoint")
    changed(copy, files={name: record for name, record in _files(copy).items() if "/" not in name})
    cut(copy / "expert.onnx")
    with pytest.raises(BundleError, match=r"no backend can run it: onnxruntime: .*expert\.onnx.*; torch: .*no checkp"):
        open_engine(str(copy), "franka")


def test_harmed_weights_are_not_run(copy):
    flip(copy / "checkpoint" / "weights.safetensors")
    assert open_engine(str(copy), "franka").refused == ()
    with pytest.raises(BundleError, match=r"torch: .*weights\.safetensors: sha256"):
        open_engine(str(copy), "franka", backend="torch")


def test_a_path_asks_for_its_own_files_only(copy):
    cut(copy / "vision.onnx")
    opened = open_engine(str(copy), "franka", paths=frozenset({"fast"}))
    assert opened.refused == () and "onnxruntime" in opened.engine.about


def test_a_graph_that_computes_something_else_is_refused_with_both_figures(copy):
    file = copy / "expert.onnx"
    model = onnx.load(file)
    weights = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    wrong = 1.05 * onnx.numpy_helper.to_array(weights)
    weights.CopyFrom(onnx.numpy_helper.from_array(wrong.astype(np.float32), weights.name))
    onnx.save(model, file)
    changed(copy, **{"files": {**_files(copy), "expert.onnx": _record(file)}})
    opened = open_engine(str(copy), "franka")
    assert "torch" in opened.engine.about
    assert (
        "expert.velocity: cosine" in opened.refused[0] and "allowed from 0.99999 and up to 0.001" in opened.refused[0]
    )


def test_a_truncated_graph_with_a_matching_hash_is_refused(copy):
    cut(copy / "expert.onnx")
    changed(copy, **{"files": {**_files(copy), "expert.onnx": _record(copy / "expert.onnx")}})
    assert "onnxruntime cannot read it" in open_engine(str(copy), "franka").refused[0]


def test_it_says_what_it_has_learned_and_how_its_chunks_are_to_meet_or_nothing(copy):
    told = open_bundle(copy).manifest
    assert (told.tasks, told.seam) == (("lift",), "rtc")
    said = json.loads((copy / MANIFEST).read_text())
    del said["tasks"], said["seam"]
    (copy / MANIFEST).write_text(json.dumps(said))
    told = open_bundle(copy).manifest
    assert (told.tasks, told.seam) == ((), None)


def test_a_robot_that_it_was_not_made_for(copy):
    with pytest.raises(BundleError, match="made for franka, agilex, not for robot 'agilix'; did you mean 'agilex'"):
        open_engine(str(copy), "agilix")


def test_backends_by_name(copy):
    with pytest.raises(ValueError, match="backend: found 'onnxruntim'; did you mean 'onnxruntime'"):
        open_engine(str(copy), "franka", backend="onnxruntim")
    opened = open_engine(str(copy), "franka", backend="tensorrt")
    assert "onnxruntime" in opened.engine.about and opened.refused[0].startswith("tensorrt: ")
    with pytest.raises(ValueError, match=r"backend: onnxruntime runs bundles, found random weights; make one with"):
        open_engine("", "franka", backend="onnxruntime")


def test_export_refuses_and_overwrites_nothing(copy, tmp_path):
    save(smaller(), tmp_path / "checkpoint")
    with pytest.raises(FileExistsError, match="is not empty; nothing was written"):
        export(tmp_path / "checkpoint", copy, ROBOTS, [given()])
    for options, line in (
        ({"text_tokens": 1}, "text_tokens: 1, allowed 2 to 128"),
        ({"text_tokens": 129}, "text_tokens: 129, allowed 2 to 128"),
    ):
        with pytest.raises(ValueError, match=line):
            export(tmp_path / "checkpoint", tmp_path / "new", ROBOTS, [given()], **options)
    with pytest.raises(ValueError, match="samples: no recorded input of agilex_dual_arm"):
        export(tmp_path / "checkpoint", tmp_path / "new", ROBOTS, [given()])
    assert not (tmp_path / "new").exists()


def test_bfloat16_is_proved_against_float32_and_a_cpu_takes_torch(tmp_path):
    made = make(tmp_path, "parallel", dtype="bfloat16")
    worst = min(p.cosine for part in made.manifest.parts.values() for p in part.parity.values())
    assert 0.99 < worst < 0.999999
    opened = open_engine(str(made.folder), "franka")
    assert "torch" in opened.engine.about and opened.refused[0].startswith("onnxruntime: ")
    assert opened.engine.fingerprint == made.manifest.weights


def _files(folder):
    return json.loads((folder / MANIFEST).read_text())["files"]


def _record(file):
    return {"bytes": file.stat().st_size, "sha256": bundles_.sha256(file)}
