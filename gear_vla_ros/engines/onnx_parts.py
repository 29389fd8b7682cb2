"""ONNX Runtime: the default on a CPU, and CUDA through onnxruntime-gpu's provider (not run yet)."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from gear_vla_ros.engines.bundle import Bundle, BundleError, PartRecord
from gear_vla_ros.engines.engine import THREADS
from gear_vla_ros.engines.parts import Described, Value, check_inputs, record_of

GPU, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


class OnnxParts:
    """One session a part."""

    def __init__(self, bundle: Bundle, parts: Sequence[str], threads: int = THREADS) -> None:
        """threads: 0 leaves all of onnxruntime's own defaults. Raises BundleError when a graph cannot be read."""
        chosen = [name for name in (GPU, CPU) if name in ort.get_available_providers()]
        self._records = {part: bundle.manifest.parts[part] for part in parts}
        self._sessions: dict[str, ort.InferenceSession] = {}
        for part, record in self._records.items():
            file = bundle.folder / record.file
            try:
                self._sessions[part] = ort.InferenceSession(str(file), _options(threads), chosen)
            except Exception as error:
                # onnxruntime's errors have no common class.
                line = " ".join(str(error).split())
                raise BundleError(f"{file}: onnxruntime cannot read it: {line[:200]}") from None
        used = next(iter(self._sessions.values())).get_providers()[0]
        self._device = "cuda" if used != CPU else "cpu"
        self._name = f"onnxruntime {ort.__version__}, {used.removesuffix('ExecutionProvider')}"

    @property
    def about(self) -> str:
        """Backend, its version and device."""
        return self._name

    def run(self, part: str, inputs: Mapping[str, Value], kept: Collection[str] = ()) -> dict[str, Value]:
        """As `Parts.run`; what is kept is an OrtValue."""
        record = record_of(self._records, part)
        session = self._sessions[part]
        check_inputs(part, record.inputs, {k: _described(v, record, k) for k, v in inputs.items()})
        if not kept and self._device == "cpu" and all(isinstance(v, np.ndarray) for v in inputs.values()):
            return dict(zip(record.outputs, session.run(list(record.outputs), dict(inputs)), strict=True))
        binding = session.io_binding()
        for name, value in inputs.items():
            bound = value if isinstance(value, ort.OrtValue) else ort.OrtValue.ortvalue_from_numpy(value)
            binding.bind_ortvalue_input(name, bound)
        for name in record.outputs:
            binding.bind_output(name, self._device if name in kept else "cpu")
        session.run_with_iobinding(binding)
        values = zip(record.outputs, binding.get_outputs(), strict=True)
        return {name: value if name in kept else value.numpy() for name, value in values}

    def put(self, value: NDArray[Any]) -> Value:
        """On a CPU the array itself."""
        return value if self._device == "cpu" else ort.OrtValue.ortvalue_from_numpy(value, self._device, 0)

    def close(self) -> None:
        """Release the sessions."""
        self._sessions.clear()


def _described(value: Value, record: PartRecord, name: str) -> Value:
    """An OrtValue came out of another graph, so its type is the one that the graphs agreed on."""
    if isinstance(value, ort.OrtValue) and name in record.inputs:
        return Described(tuple(value.shape()), record.inputs[name].dtype)
    return value


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    if not threads:
        return options
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    # Waiting threads must not burn the cores that simulator and nodes need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
