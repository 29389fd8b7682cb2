"""Our side of the TensorRT backend, against a stand-in for its library; TensorRT itself cannot be installed here."""

import json
import shutil
import sys

import numpy as np
import pytest
import tensorrt_standin
from bundles import given

from gear_vla_ros.engines import parity
from gear_vla_ros.engines.bundle import BOTH, PLANS, BundleError, open_bundle
from gear_vla_ros.engines.graph_engine import GraphEngine
from gear_vla_ros.engines.opening import open_engine
from gear_vla_ros.engines.tensorrt_parts import TensorRtParts

PARTS = ("expert", "state_franka_single_arm")


@pytest.fixture
def trt(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", tensorrt_standin)
    tensorrt_standin.built.clear()
    return tensorrt_standin


@pytest.fixture
def copy(one_bundle, tmp_path):
    shutil.copytree(one_bundle.folder, tmp_path / "bundle")
    return open_bundle(tmp_path / "bundle")


def test_both_paths_through_bound_buffers_are_those_of_onnxruntime(trt, bundle, tmp_path):
    copy = open_bundle(shutil.copytree(bundle.folder, tmp_path / "bundle"))
    engine = GraphEngine(copy, TensorRtParts(copy, copy.parts_of(BOTH), "cpu"))
    reference = open_engine(str(copy.folder), "franka", backend="onnxruntime").engine
    noise = np.random.default_rng(0).standard_normal((30, 20)).astype(np.float32)
    for seed in range(2):
        what = given(seed)
        made, wanted = engine.think(what), reference.think(what)
        np.testing.assert_array_equal(made.ids, wanted.ids)
        np.testing.assert_allclose(made.cache.keys, wanted.cache.keys, atol=1e-5)
        actions = engine.act(made.cache, what.state, noise, noise[:2])
        np.testing.assert_allclose(actions, reference.act(wanted.cache, what.state, noise, noise[:2]), atol=1e-5)
    assert engine.about == "tensorrt 10.9.0, cpu"


def test_recorded_inputs_prove_it(trt, copy):
    found = parity.check(TensorRtParts(copy, PARTS, "cpu"), copy, PARTS)
    assert found["expert"]["velocity"].max_error < 1e-4


def test_plans_are_kept(trt, copy):
    TensorRtParts(copy, PARTS, "cpu")
    assert sorted(trt.built) == sorted(PARTS)
    TensorRtParts(copy, PARTS, "cpu")
    assert sorted(trt.built) == sorted(PARTS)


def rewrite(folder, **values):
    file = folder / PLANS / "expert.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: rewrite(folder, tensorrt="8.6.1"),
        lambda folder: rewrite(folder, gpu="another card"),
        lambda folder: rewrite(folder, compute_capability="8.7"),
        lambda folder: rewrite(folder, onnx="0" * 64),
        lambda folder: (folder / PLANS / "expert.json").write_text("{"),
        lambda folder: (folder / PLANS / "expert.plan").write_bytes(b"cut"),
        lambda folder: (folder / PLANS / "expert.plan").unlink(),
    ],
    ids=["version", "card", "capability", "other graph", "record", "plan cut", "plan gone"],
)
def test_a_foreign_or_stale_plan_is_built_again(trt, copy, harm, caplog):
    TensorRtParts(copy, PARTS, "cpu")
    trt.built.clear()
    harm(copy.folder)
    with caplog.at_level("WARNING"):
        TensorRtParts(copy, PARTS, "cpu")
    assert trt.built == ["expert"]
    assert "expert: TensorRT plan is built" in caplog.text and "expert: built in" in caplog.text


def test_a_bundle_that_may_not_be_written_keeps_its_plans_in_the_cache(trt, copy, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("gear_vla_ros.engines.tensorrt_plans.os.access", lambda path, mode: False)
    TensorRtParts(copy, PARTS, "cpu")
    assert not (copy.folder / PLANS).exists()
    assert len(list((tmp_path / "cache").rglob("*.plan"))) == len(PARTS)


def test_what_the_parser_says_is_passed_on(trt, copy):
    (copy.folder / "expert.onnx").write_bytes(b"nothing")
    with pytest.raises(BundleError, match=r"tensorrt: .*expert\.onnx: \[ONNXRuntimeError\]"):
        TensorRtParts(copy, PARTS, "cpu")


def test_a_plan_with_other_tensors_is_refused(trt, copy, monkeypatch):
    monkeypatch.setattr(trt.Engine, "get_tensor_shape", lambda self, name: (1, 2, 3))
    with pytest.raises(BundleError, match=r"expert\.\w+: \[1, 2, 3\], the manifest says"):
        TensorRtParts(copy, PARTS, "cpu")


def test_without_a_gpu_onnxruntime_takes_over(trt, copy):
    opened = open_engine(str(copy.folder), "franka", backend="tensorrt")
    assert "onnxruntime" in opened.engine.about
    assert opened.refused == ("tensorrt: torch finds no CUDA device",)


def test_tensors_are_checked_as_arrays_are(trt, copy):
    parts = TensorRtParts(copy, PARTS, "cpu")
    inputs = {name: value for name, value in parity.read(copy, ["expert"])["expert"][0][0].items()}
    with pytest.raises(ValueError, match=r"expert\.keys: float32 \[1\], allowed float32"):
        parts.run("expert", {**inputs, "keys": parts.put(np.zeros(1, np.float32))})
    with pytest.raises(ValueError, match=r"expert: inputs .*, allowed"):
        parts.run("expert", {"noisy": inputs["noisy"]})
