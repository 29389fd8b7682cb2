"""A bundle whose slow path is int8: what it says of itself, that it runs, and that float32 is left alone."""

import numpy as np
import onnx
import pytest
from bundles import given, make

from gear_vla_ros.engines import export as exporting
from gear_vla_ros.engines import parity
from gear_vla_ros.engines.bundle import BundleError
from gear_vla_ros.engines.opening import open_engine
from gear_vla_ros.engines.quantised import quantise

CALIBRATION = [given(seed) for seed in range(10, 16)] + [
    given(seed, arms=(True, True), robot="agilex") for seed in range(10, 16)
]
PROOF = [given(0), given(1, arms=(True, True), robot="agilex")]


@pytest.fixture(scope="module")
def int8(one_bundle, tmp_path_factory):
    return quantise(one_bundle, tmp_path_factory.mktemp("int8") / "bundle", CALIBRATION, PROOF)


def operators(bundle, part):
    graph = onnx.load(bundle.folder / f"{part}.onnx").graph
    return {node.op_type for node in graph.node}


def test_the_slow_path_is_smaller_and_the_expert_as_it_was(one_bundle, int8):
    assert int8.manifest.quantised.parts == ("vision", "prefill", "parallel")
    for part in int8.manifest.quantised.parts:
        sizes = [(b.folder / f"{part}.onnx").stat().st_size for b in (one_bundle, int8)]
        assert sizes[1] < 0.8 * sizes[0], part
        assert {"QuantizeLinear", "DequantizeLinear"} <= operators(int8, part)
    assert int8.manifest.files["expert.onnx"] == one_bundle.manifest.files["expert.onnx"]
    assert "QuantizeLinear" not in operators(one_bundle, "prefill")


def test_the_record_says_what_changed(int8):
    record = int8.manifest.quantised
    assert (record.to, record.calibrated_on, record.proved_on) == ("int8", len(CALIBRATION), len(PROOF))
    assert 0 < record.chunk_error_m < 0.05 and 0 < record.chunk_error_rad < 0.5
    assert all(p.cosine >= 0.99 for part in record.parts for p in int8.manifest.parts[part].parity.values())


def test_a_node_opens_it_and_thinks_nearly_the_same(one_bundle, int8):
    plain, small = (open_engine(str(b.folder), "franka", backend="onnxruntime") for b in (one_bundle, int8))
    assert not small.refused
    seen = given(5)
    caches = [opened.engine.think(seen).cache.keys.ravel() for opened in (plain, small)]
    cosine = caches[0] @ caches[1] / np.linalg.norm(caches[0]) / np.linalg.norm(caches[1])
    assert 0.99 < cosine < 1 - 1e-9


def test_int8_parts_are_held_to_their_own_limits_and_the_rest_to_float32s(int8, monkeypatch):
    monkeypatch.setitem(parity.LEAST_COSINE, "int8", 0.9999999)
    refused = open_engine(str(int8.folder), "franka", backend="onnxruntime").refused
    assert len(refused) == 1 and "allowed from 0.9999999" in refused[0]


def test_weights_beside_a_graph_stay_beside_it(tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "MOST_INLINE_BYTES", 0)
    bundle = make(tmp_path, "autoregressive")
    assert (bundle.folder / "prefill.onnx.data").is_file()
    made = quantise(bundle, tmp_path / "int8", CALIBRATION[:2], PROOF)
    assert made.manifest.quantised.parts == ("vision", "prefill", "step")
    assert (made.folder / "prefill.onnx.data").stat().st_size < (bundle.folder / "prefill.onnx.data").stat().st_size
    assert not open_engine(str(made.folder), "agilex").refused


def test_what_cannot_be_quantised_is_refused_before_anything_is_written(one_bundle, int8, tmp_path):
    with pytest.raises(ValueError, match=r"graphs of int8, allowed float32"):
        quantise(int8, tmp_path / "again", CALIBRATION, PROOF)
    with pytest.raises(ValueError, match=r"no inputs to calibrate with"):
        quantise(one_bundle, tmp_path / "without", [], PROOF)
    assert not list(tmp_path.iterdir())


def test_one_that_is_cut_short_is_no_bundle(one_bundle, tmp_path, monkeypatch):
    monkeypatch.setitem(parity.LEAST_COSINE, "int8", 0.9999999)
    with pytest.raises(BundleError, match=r"parity on onnxruntime"):
        quantise(one_bundle, tmp_path / "bad", CALIBRATION, PROOF)
    assert not (tmp_path / "bad" / "bundle.json").exists()
