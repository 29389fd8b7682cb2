"""The slow path in int8: a bundle whose products with weights are made of 8 bit integers (ADR 17).

Weights per column, activations per tensor, both symmetric, as QuantizeLinear and DequantizeLinear in the graphs: what
onnxruntime runs on a CPU and TensorRT reads as explicit quantisation. Products of activations with each other, norms,
state projectors and the action expert stay as they are: an error in a velocity is an error in the motion, and the
expert is run several times for each chunk.
"""

import logging
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from gear_vla_ros.contracts import KvCache
from gear_vla_ros.engines import parity
from gear_vla_ros.engines.arrays import SIDES, arm_chunk
from gear_vla_ros.engines.bundle import (
    MANIFEST,
    PLANS,
    Bundle,
    QuantisedRecord,
    file_records,
    open_bundle,
    write_manifest,
)
from gear_vla_ros.engines.engine import SlowInput, StateInput
from gear_vla_ros.engines.graph_engine import GraphEngine
from gear_vla_ros.engines.onnx_parts import OnnxParts
from gear_vla_ros.engines.parts import Value
from gear_vla_ros.geometry import se3, so3

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


class _All:
    """Parts that remember the inputs of every run."""

    def __init__(self, parts: OnnxParts) -> None:
        self._parts = parts
        self.inputs: dict[str, list[dict[str, Value]]] = {}

    @property
    def about(self) -> str:
        """Of the parts that are recorded."""
        return self._parts.about

    def run(self, part: str, inputs: Mapping[str, Value], kept: Collection[str] = ()) -> dict[str, Value]:
        """Run and remember; nothing is kept on a device."""
        self.inputs.setdefault(part, []).append({name: np.array(value) for name, value in inputs.items()})
        return self._parts.run(part, inputs)

    def put(self, value: NDArray[Any]) -> Value:
        """Stays where it is."""
        return value

    def close(self) -> None:
        """Close the parts."""
        self._parts.close()


def quantise(bundle: Bundle, folder: Path, calibration: Sequence[SlowInput], proof: Sequence[SlowInput]) -> Bundle:
    """A copy of a float32 bundle in `folder`, with its slow path in int8; one that is cut short holds no manifest.

    calibration: inputs that the ranges of the activations are taken from. proof: others, on which the chunks are
    compared with those of float32. Raises ValueError for a bundle of another precision, or without inputs; BundleError
    where a part has lost too much (`parity.LEAST_COSINE`).
    """
    if bundle.manifest.dtype != "float32" or bundle.manifest.quantised is not None:
        dtype = "int8" if bundle.manifest.quantised else bundle.manifest.dtype
        raise ValueError(f"{bundle.folder}: graphs of {dtype}, allowed float32; int8 is made from it")
    if not calibration or not proof:
        raise ValueError("int8: no inputs to calibrate with or to prove it on, allowed are one or more of each")
    shutil.copytree(bundle.folder, folder, ignore=shutil.ignore_patterns(MANIFEST, PLANS), dirs_exist_ok=True)
    parts = [name for name in _SLOW if name in bundle.manifest.parts]
    inputs = _inputs(bundle, calibration)
    for name in parts:
        _quantise(folder / bundle.manifest.parts[name].file, inputs[name])
    record = QuantisedRecord(to="int8", parts=tuple(parts), calibrated_on=len(calibration))
    manifest = bundle.manifest.model_copy(update={"files": file_records(folder), "quantised": record})
    made = Bundle(folder, manifest)
    opened = OnnxParts(made, list(manifest.parts))
    found = parity.check(opened, made, list(manifest.parts))
    moved_m, turned_rad = _chunk_errors(bundle, made, proof)
    record = record.model_copy(
        update={"proved_on": len(proof), "chunk_error_m": moved_m, "chunk_error_rad": turned_rad}
    )
    records = {name: part.model_copy(update={"parity": found[name]}) for name, part in manifest.parts.items()}
    write_manifest(folder, manifest.model_copy(update={"parts": records, "quantised": record}))
    opened.close()
    return open_bundle(folder)


def _inputs(bundle: Bundle, calibration: Sequence[SlowInput]) -> dict[str, list[dict[str, Value]]]:
    """One run of each part for each input; of a part that runs several times, another one each time."""
    recorder = _All(OnnxParts(bundle, [name for name in bundle.manifest.parts if name != "expert"]))
    engine, chosen = GraphEngine(bundle, recorder), dict[str, list[dict[str, Value]]]()
    for index, given in enumerate(calibration):
        recorder.inputs.clear()
        engine.think(given)
        for part, runs in recorder.inputs.items():
            chosen.setdefault(part, []).append(runs[index % len(runs)])
    engine.close()
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


def _chunk_errors(before: Bundle, after: Bundle, proof: Sequence[SlowInput]) -> tuple[float, float]:
    """Greatest distance [m] and angle [rad] between the chunks of both, from the same noise."""
    random = np.random.default_rng(_SEED)
    engines = [GraphEngine(bundle, OnnxParts(bundle, list(bundle.manifest.parts))) for bundle in (before, after)]
    moved_m, turned_rad = [], []
    for given in proof:
        noise = random.standard_normal((before.manifest.spec.expert.steps, before.manifest.spec.action_numbers))
        caches = [engine.think(given).cache for engine in engines]
        chunks = [
            _poses(engine, cache, given.state, noise.astype(np.float32))
            for engine, cache in zip(engines, caches, strict=True)
        ]
        for one, other in zip(*chunks, strict=True):
            moved_m.append(float(np.linalg.norm(one[:, :3, 3] - other[:, :3, 3], axis=1).max()))
            turned_rad.append(float(so3.angle_between(one[:, :3, :3], other[:, :3, :3]).max()))
    for engine in engines:
        engine.close()
    return max(moved_m), max(turned_rad)


def _poses(
    engine: GraphEngine, cache: KvCache, state: StateInput, noise: NDArray[np.float32]
) -> list[NDArray[np.float64]]:
    """Each arm's `anchor_T_tcp` `[K, 4, 4]`."""
    actions = engine.act(cache, state, noise).astype(np.float64)
    arms = [side for side, there in zip(SIDES, state.present, strict=True) if there]
    return [arm_chunk(actions, arm, se3.exp(np.zeros(6))).anchor_T_tcp for arm in arms]
