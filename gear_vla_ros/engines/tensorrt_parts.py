"""TensorRT: a bundle's graphs as plans on an NVIDIA GPU, bound to buffers of torch.

Written against the documentation of TensorRT 10 and 11. NOT RUN YET with the real library (see `tensorrt_plans`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gear_vla_ros.engines.bundle import Bundle, BundleError, TensorRecord
from gear_vla_ros.engines.parts import Described, Value, check_inputs, record_of
from gear_vla_ros.engines.tensorrt_plans import Plans

DTYPES = {"float32": torch.float32, "int64": torch.int64, "bool": torch.bool, "uint8": torch.uint8}
BUFFERS = 2
"""Outputs of a part in turn, so that what one run kept is not overwritten by the run that reads it."""


@dataclass
class _Plan:
    """One part on the device. inputs: owned buffers for what comes from the host; outputs: `BUFFERS` sets."""

    engine: Any
    context: Any
    inputs: dict[str, torch.Tensor]
    outputs: list[dict[str, torch.Tensor]]
    turn: int = 0


class TensorRtParts:
    """One plan a part, all on one stream."""

    def __init__(self, bundle: Bundle, parts: Sequence[str], device: str = "cuda") -> None:
        """Raises ImportError without TensorRT, BundleError without a GPU or when a plan cannot be built or read."""
        trt = import_module("tensorrt")
        self._device = torch.device(device)
        self._stream = _stream(self._device)
        gpu = _gpu(self._device)
        self._name = f"tensorrt {trt.__version__}, {gpu['gpu']}"
        self._records = {part: bundle.manifest.parts[part] for part in parts}
        plans = Plans(trt, bundle, gpu)
        self._plans = {part: self._bind(part, plans.engine(part)) for part in parts}

    @property
    def about(self) -> str:
        """Backend, its version and device."""
        return self._name

    def run(self, part: str, inputs: Mapping[str, Value], kept: Collection[str] = ()) -> dict[str, Value]:
        """As `Parts.run`; what is kept is a tensor on the device, overwritten by the second next run of the part."""
        record = record_of(self._records, part)
        plan = self._plans[part]
        check_inputs(part, record.inputs, {name: _described(value) for name, value in inputs.items()})
        for name, value in inputs.items():
            self._address(plan, name, self._on_device(plan, name, value))
        plan.turn = (plan.turn + 1) % BUFFERS
        outputs = plan.outputs[plan.turn]
        for name, buffer in outputs.items():
            self._address(plan, name, buffer)
        if not plan.context.execute_async_v3(self._stream):
            raise RuntimeError(f"tensorrt: {part}: execution failed; TensorRT's own lines above say why")
        if self._device.type == "cuda":
            torch.cuda.current_stream(self._device).synchronize()
        return {name: value if name in kept else value.cpu().numpy().copy() for name, value in outputs.items()}

    def put(self, value: NDArray[Any]) -> Value:
        """A tensor on the device."""
        return torch.from_numpy(np.ascontiguousarray(value)).to(self._device)

    def close(self) -> None:
        """Release plans and buffers."""
        self._plans.clear()

    def _bind(self, part: str, engine: Any) -> _Plan:
        """Buffers for a plan. Raises BundleError when its tensors are not those of the manifest."""
        record = self._records[part]
        wanted = {**record.inputs, **record.outputs}
        found = {engine.get_tensor_name(i) for i in range(engine.num_io_tensors)}
        if found != wanted.keys():
            raise BundleError(f"tensorrt: {part}: tensors {sorted(found)}, the manifest says {sorted(wanted)}")
        for name, tensor in wanted.items():
            if (shape := tuple(engine.get_tensor_shape(name))) != tensor.shape:
                raise BundleError(f"tensorrt: {part}.{name}: {list(shape)}, the manifest says {list(tensor.shape)}")
        outputs = [{name: self._empty(tensor) for name, tensor in record.outputs.items()} for _ in range(BUFFERS)]
        inputs = {name: self._empty(tensor) for name, tensor in record.inputs.items()}
        return _Plan(engine, engine.create_execution_context(), inputs, outputs)

    def _on_device(self, plan: _Plan, name: str, value: Value) -> torch.Tensor:
        if isinstance(value, torch.Tensor):
            return value
        plan.inputs[name].copy_(torch.from_numpy(np.ascontiguousarray(value)))
        return plan.inputs[name]

    def _address(self, plan: _Plan, name: str, buffer: torch.Tensor) -> None:
        if not plan.context.set_tensor_address(name, buffer.data_ptr()):
            raise RuntimeError(f"tensorrt: {name}: address refused")

    def _empty(self, tensor: TensorRecord) -> torch.Tensor:
        return torch.empty(tensor.shape, dtype=DTYPES[tensor.dtype], device=self._device)


def _described(value: Value) -> Value:
    if isinstance(value, torch.Tensor):
        return Described(tuple(value.shape), str(value.dtype).removeprefix("torch."))
    return value


def _stream(device: torch.device) -> int:
    if device.type != "cuda":
        return 0
    if not torch.cuda.is_available():
        raise BundleError("torch finds no CUDA device")
    return int(torch.cuda.current_stream(device).cuda_stream)


def _gpu(device: torch.device) -> dict[str, str]:
    if device.type != "cuda":
        return {"gpu": device.type, "compute_capability": "none"}
    major, minor = torch.cuda.get_device_capability(device)
    return {"gpu": torch.cuda.get_device_name(device), "compute_capability": f"{major}.{minor}"}
