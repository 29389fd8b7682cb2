"""The slow path in int8: a bundle whose products with weights are made of 8 bit integers (ADR 17).

Weights per column, activations per tensor, both symmetric, as QuantizeLinear and DequantizeLinear in the graphs: what
onnxruntime runs on a CPU and TensorRT reads as explicit quantisation. Products of activations with each other, norms,
state projectors and the action expert stay as they are: an error in a velocity is an error in the motion, and the
expert is run several times for each chunk.
"""

import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from gear_vla_ros.engines import parity
from gear_vla_ros.engines.arrays import SIDES, arm_chunk
from gear_vla_ros.engines.bundle import (
    MANIFEST,
    PLANS,
    Bundle,
    QuantisedRecord,
    check_new,
    file_records,
    open_bundle,
    write_manifest,
)
from gear_vla_ros.engines.engine import SlowInput
from gear_vla_ros.engines.graph_engine import GraphEngine
from gear_vla_ros.engines.onnx_parts import OnnxParts
from gear_vla_ros.engines.parts import Value
from gear_vla_ros.geometry import so3

_SLOW = ("vision", "prefill", "step", "parallel")
_SEED = 0
_STAGED = ".int8"
_OPTIONS = {
    "ActivationSymmetric": True,
    "WeightSymmetric": True,
    "DedicatedQDQPair": True,
    "QuantizeBias": False,
}


class _Calls(CalibrationDataReader):  # type: ignore[misc]
    """Inputs of one part, one after the other."""

    def __init__(self, inputs: Sequence[Mapping[str, Value]]) -> None:
        self._left: Iterator[Mapping[str, Value]] = iter(inputs)

    def get_next(self) -> dict[str, Any] | None:
        """The next one, None after the last."""
        found = next(self._left, None)
        return None if found is None else dict(found)


def quantise(bundle: Bundle, folder: Path, calibration: Sequence[SlowInput], proof: Sequence[SlowInput]) -> Bundle:
    """A copy of a float32 bundle in `folder`, with its slow path in int8; one that is cut short holds no manifest.

    calibration: inputs that the ranges of the activations are taken from. proof: others, on which the chunks are
    compared with those of float32. Raises ValueError for a bundle of another precision, or without inputs; BundleError
    where a part has lost too much (`parity.LEAST_COSINE`); FileExistsError.
    """
    if (found := bundle.precision("prefill")) != "float32":
        raise ValueError(f"{bundle.folder}: graphs of {found}, allowed float32; int8 is made from it")
    if not calibration or not proof:
        raise ValueError("int8: no inputs to calibrate with or to prove it on, allowed are one or more of each")
    check_new(folder)
    shutil.copytree(bundle.folder, folder, ignore=shutil.ignore_patterns(MANIFEST, PLANS), dirs_exist_ok=True)
    parts = [name for name in _SLOW if name in bundle.manifest.parts]
    before = OnnxParts(bundle, list(bundle.manifest.parts))
    inputs = _inputs(bundle, before, calibration)
    for name in parts:
        _quantise(folder / bundle.manifest.parts[name].file, inputs[name])
    record = QuantisedRecord(to="int8", parts=tuple(parts), calibrated_on=len(calibration))
    manifest = bundle.manifest.model_copy(update={"files": file_records(folder), "quantised": record})
    made = Bundle(folder, manifest)
    after = OnnxParts(made, list(manifest.parts))
    measured = parity.check(after, made, list(manifest.parts))
    moved_m, turned_rad = _chunk_errors(GraphEngine(bundle, before), GraphEngine(made, after), proof)
    before.close()
    after.close()
    record = record.model_copy(
        update={"proved_on": len(proof), "chunk_error_m": moved_m, "chunk_error_rad": turned_rad}
    )
    records = {name: part.model_copy(update={"parity": measured[name]}) for name, part in manifest.parts.items()}
    write_manifest(folder, manifest.model_copy(update={"parts": records, "quantised": record}))
    return open_bundle(folder)


def _inputs(bundle: Bundle, parts: OnnxParts, calibration: Sequence[SlowInput]) -> dict[str, list[parity.Arrays]]:
    """One run of each part for each input; of `step`, which runs once a latent token, another one each time."""
    recorder = parity.Recorder(parts)
    engine, chosen = GraphEngine(bundle, recorder), dict[str, list[parity.Arrays]]()
    for index, given in enumerate(calibration):
        recorder.begin(until=index % bundle.manifest.spec.latents.tokens)
        engine.think(given)
        for part, (inputs, _) in recorder.calls.items():
            chosen.setdefault(part, []).append(inputs)
    return chosen


def _quantise(file: Path, inputs: Sequence[Mapping[str, Value]]) -> None:
    """A graph's file in place, with the weights beside it if they are."""
    graph = onnx.load(file, load_external_data=False).graph
    weights = {tensor.name for tensor in graph.initializer}
    nodes = [node.name for node in graph.node if node.op_type in ("Gemm", "MatMul") and node.input[1] in weights]
    beside, staged = file.with_name(f"{file.name}.data"), file.parent / _STAGED
    staged.mkdir()
    logging.disable(logging.WARNING)  # it asks for shapes and folding, which torch.onnx has done
    try:
        quantize_static(
            str(file),
            str(staged / file.name),
            _Calls(inputs),
            use_external_data_format=beside.is_file(),
            quant_format=QuantFormat.QDQ,
            nodes_to_quantize=nodes,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options=_OPTIONS,
        )
    finally:
        logging.disable(logging.NOTSET)
    beside.unlink(missing_ok=True)
    for made in staged.iterdir():
        made.replace(file.parent / made.name)
    staged.rmdir()


def _chunk_errors(before: GraphEngine, after: GraphEngine, proof: Sequence[SlowInput]) -> tuple[float, float]:
    """Greatest distance [m] and angle [rad] between the chunks of both, from the same noise."""
    random = np.random.default_rng(_SEED)
    moved_m, turned_rad = [0.0], [0.0]
    for given in proof:
        noise = random.standard_normal((before.spec.expert.steps, before.spec.action_numbers)).astype(np.float32)
        for one, other in zip(*(_poses(engine, given, noise) for engine in (before, after)), strict=True):
            moved_m.append(float(np.linalg.norm(one[:, :3, 3] - other[:, :3, 3], axis=1).max()))
            turned_rad.append(float(so3.angle_between(one[:, :3, :3], other[:, :3, :3]).max()))
    return max(moved_m), max(turned_rad)


def _poses(engine: GraphEngine, given: SlowInput, noise: NDArray[np.float32]) -> list[NDArray[np.float64]]:
    """Each arm's `anchor_T_tcp` `[K, 4, 4]`."""
    actions = engine.act(engine.think(given).cache, given.state, noise).astype(np.float64)
    arms = [side for side, there in zip(SIDES, given.state.present, strict=True) if there]
    return [arm_chunk(actions, arm, np.eye(4)).anchor_T_tcp for arm in arms]
