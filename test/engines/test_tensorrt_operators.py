"""Every operator of every exported graph, in both precisions, against what TensorRT's parser is documented to read."""

import onnx
import pytest
import torch
from bundles import ROBOTS, TEXT_TOKENS, given, smaller
from onnx import numpy_helper

from gear_vla_ros.engines.export import write_graph
from gear_vla_ros.engines.graphs import graphs
from gear_vla_ros.engines.quantised import quantise
from gear_vla_ros.engines.tensorrt_operators import CONSTANT_AXES, OPERATORS, SYMMETRIC
from gear_vla_ros.model.gear_vla import GearVla
from gear_vla_ros.model.text import make_tokens
from gear_vla_ros.settings.model import load_model_spec

NAMES = {
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.BFLOAT16: "bfloat16",
    onnx.TensorProto.INT32: "int32",
    onnx.TensorProto.INT64: "int64",
    onnx.TensorProto.BOOL: "bool",
    onnx.TensorProto.UINT8: "uint8",
    onnx.TensorProto.INT8: "int8",
}
AXES_AT = {"Pad": 3, "Slice": 3, "ReduceMax": 1, "ReduceMean": 1, "Squeeze": 1, "Unsqueeze": 1}


def test_tensorrt_reads_every_operator(bundle):
    assert problems(bundle.folder) == []


@pytest.mark.parametrize("decoding", ["autoregressive", "parallel"])
def test_tensorrt_reads_every_operator_in_bfloat16(tmp_path, decoding):
    model = smaller(decoding=decoding).requires_grad_(False).to(torch.bfloat16)
    for name, graph in graphs(model, tuple(ROBOTS.values()), TEXT_TOKENS).items():
        write_graph(graph, tmp_path / f"{name}.onnx")
    assert problems(tmp_path) == []


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_tensorrt_reads_a_stem_s_convolutions(tmp_path, precision):
    spec = load_model_spec("demo")
    model = GearVla(spec, make_tokens(spec))
    model.add_convolutions(8)
    vision = graphs(model.requires_grad_(False).to(precision), tuple(ROBOTS.values()), TEXT_TOKENS)["vision"]
    write_graph(vision, tmp_path / "vision.onnx")
    assert problems(tmp_path) == []
    assert "Conv" in {node.op_type for node in onnx.load(tmp_path / "vision.onnx").graph.node}


def test_tensorrt_reads_every_operator_in_int8(bundle, tmp_path):
    samples = [given(0), given(1, arms=(True, True), robot="agilex")]
    assert problems(quantise(bundle, tmp_path / "int8", samples, samples).folder) == []


def problems(folder):
    """What TensorRT would not read, one line each."""
    problems, seen = [], set()
    for file in sorted(folder.glob("*.onnx")):
        graph = onnx.shape_inference.infer_shapes(onnx.load(file), strict_mode=True).graph
        types = {tensor.name: tensor.data_type for tensor in graph.initializer}
        types |= {v.name: v.type.tensor_type.elem_type for v in (*graph.input, *graph.value_info, *graph.output)}
        constants = {tensor.name for tensor in graph.initializer}
        zero = {t.name for t in graph.initializer if t.data_type == t.INT8 and not numpy_helper.to_array(t).any()}
        for node in graph.node:
            seen.add(node.op_type)
            allowed = OPERATORS.get(node.op_type)
            if allowed is None or node.domain:
                problems.append(f"{file.name}: {node.domain}.{node.op_type} is not in the table")
                continue
            if node.op_type in SYMMETRIC and (len(node.input) < 3 or node.input[2] not in zero):
                problems.append(f"{file.name}: {node.op_type}: its zero point is not 0")
            for name in filter(None, node.input[:1] if node.op_type in SYMMETRIC else node.input):
                if (kind := NAMES[types[name]]) not in allowed | {"bool", "int64"} & _indices(node):
                    problems.append(f"{file.name}: {node.op_type} of {kind}")
            if node.op_type in CONSTANT_AXES and len(node.input) > AXES_AT[node.op_type]:
                axes = node.input[AXES_AT[node.op_type]]
                if axes and axes not in constants:
                    problems.append(f"{file.name}: {node.op_type}: axes are not constant")
    assert {"MatMul", "Softmax", "Cast"} <= seen
    return problems


def _indices(node):
    """Types of the inputs that are shapes, indices or conditions and no data."""
    if node.op_type in {"Expand", "Gather", "GatherND", "Pad", "ReduceMax", "ReduceMean", "Reshape", "Slice"}:
        return {"int64"}
    return {"int64"} if node.op_type in {"Split", "Squeeze", "Tile", "Unsqueeze"} else set()
