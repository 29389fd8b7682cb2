"""As much of TensorRT's documented Python API as is called.

The "plan" is a line naming its maker and then the ONNX file, run by onnxruntime on the addresses. Buffers are host
memory.
"""

import ctypes
from enum import IntEnum
from pathlib import Path

import numpy as np
import onnxruntime as ort

__version__ = "10.9.0"
MAGIC = b"standin plan\n"
NUMPY = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(bool)": np.bool_, "tensor(uint8)": np.uint8}
built: list[str] = []


class NetworkDefinitionCreationFlag(IntEnum):
    STRONGLY_TYPED = 1


class MemoryPoolType(IntEnum):
    WORKSPACE = 0


class Logger:
    WARNING = 2

    def __init__(self, severity):
        self.severity = severity


class Network:
    def __init__(self, flags):
        assert flags == 1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED
        self.onnx = b""


class ParserError:
    def __init__(self, line):
        self._line = line

    def desc(self):
        return self._line


class OnnxParser:
    def __init__(self, network, logger):
        assert isinstance(logger, Logger)
        self._network, self._errors = network, []

    def parse_from_file(self, path):
        content = Path(path).read_bytes()
        try:
            ort.InferenceSession(content)
        except Exception as error:
            self._errors.append(ParserError(str(error)))
            return False
        self._network.onnx = content
        built.append(Path(path).stem)
        return True

    @property
    def num_errors(self):
        return len(self._errors)

    def get_error(self, index):
        return self._errors[index]


class Config:
    def set_memory_pool_limit(self, pool, size):
        assert pool is MemoryPoolType.WORKSPACE and size > 0


class Builder:
    def __init__(self, logger):
        assert isinstance(logger, Logger)

    def create_network(self, flags=0):
        return Network(flags)

    def create_builder_config(self):
        return Config()

    def build_serialized_network(self, network, config):
        assert isinstance(config, Config)
        return memoryview(MAGIC + network.onnx)


class Runtime:
    def __init__(self, logger):
        assert isinstance(logger, Logger)

    def deserialize_cuda_engine(self, plan):
        return Engine(plan[len(MAGIC) :]) if bytes(plan).startswith(MAGIC) else None


class Engine:
    def __init__(self, onnx):
        self.session = ort.InferenceSession(bytes(onnx))
        self.tensors = {t.name: t for t in (*self.session.get_inputs(), *self.session.get_outputs())}

    @property
    def num_io_tensors(self):
        return len(self.tensors)

    def get_tensor_name(self, index):
        return list(self.tensors)[index]

    def get_tensor_shape(self, name):
        return self.tensors[name].shape

    def create_execution_context(self):
        return Context(self)


class Context:
    def __init__(self, engine):
        self._engine, self._at = engine, {}

    def set_tensor_address(self, name, address):
        self._at[name] = address
        return name in self._engine.tensors

    def _array(self, name):
        tensor = self._engine.tensors[name]
        kind = np.dtype(NUMPY[tensor.type])
        size = kind.itemsize * int(np.prod(tensor.shape))
        raw = (ctypes.c_uint8 * size).from_address(self._at[name])
        return np.frombuffer(raw, kind).reshape(tensor.shape)

    def execute_async_v3(self, stream):
        session = self._engine.session
        inputs = {tensor.name: self._array(tensor.name).copy() for tensor in session.get_inputs()}
        outputs = [tensor.name for tensor in session.get_outputs()]
        for name, value in zip(outputs, session.run(outputs, inputs), strict=True):
            self._array(name)[...] = value
        return True
