"""What TensorRT's ONNX parser reads, of the operators that our graphs hold.

Source: onnx/onnx-tensorrt, docs/operators.md, release 10.1 GA (June 2024; opsets 9 to 20), read 2026-11-21. Later
releases add operators and types. uint8 may only enter a network, into a Cast.
"""

from collections.abc import Mapping

SOURCE = "onnx-tensorrt 10.1 GA, docs/operators.md"

_FLOATS = frozenset({"float32", "bfloat16"})
_NUMBERS = _FLOATS | {"int32", "int64"}
_ALL = _NUMBERS | {"bool"}

OPERATORS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("Add", "Div", "IsNaN", "Mul", "Neg", "Pad", "ReduceMax", "ReduceMean", "Sub"), _NUMBERS),
    **dict.fromkeys(("Conv", "Cos", "Gelu", "Gemm", "LayerNormalization", "MatMul", "Pow", "Reciprocal"), _FLOATS),
    **dict.fromkeys(("Sigmoid", "Sin", "Softmax", "Sqrt"), _FLOATS),
    **dict.fromkeys(("Concat", "ConstantOfShape", "Expand", "Gather", "GatherND", "Reshape", "Slice"), _ALL),
    **dict.fromkeys(("Split", "Squeeze", "Tile", "Transpose", "Unsqueeze", "Where"), _ALL),
    **dict.fromkeys(("And", "Not", "Or"), frozenset({"bool"})),
    "Cast": _ALL | {"uint8"},
    "QuantizeLinear": _FLOATS,
    "DequantizeLinear": frozenset({"int8"}),
}
"""Element types by operator (of the types that occur here)."""

SYMMETRIC = frozenset({"QuantizeLinear", "DequantizeLinear"})
"""Operators whose zero points must be 0."""

CONSTANT_AXES = frozenset({"Pad", "ReduceMax", "ReduceMean", "Slice", "Squeeze", "Unsqueeze"})
"""Operators whose axes must be a constant."""
