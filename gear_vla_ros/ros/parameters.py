"""ROS parameters from a pydantic class: one place for name, type, default, bounds and description."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import Field
from pydantic.fields import FieldInfo
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from gear_vla_ros.settings.loading import Spec, parse

_INT64 = 2**63 - 1


class RobotParams(Spec):
    """What every node takes."""

    robot: str = Field(default="franka", description="robot: a name from config/robots, or a path to a .yaml")


P = TypeVar("P", bound=Spec)


@dataclass(frozen=True)
class ParameterDescription:
    """One parameter, for documentation."""

    name: str
    type: str
    default: Any
    minimum: float | None
    maximum: float | None
    about: str


def describe(params: type[Spec]) -> list[ParameterDescription]:
    """All parameters of a class, in the order of the source."""
    return list(_descriptions(params))


def declare(node: Node, params: type[P]) -> P:
    """Declare every field of `params` as a read-only parameter and return the values the node was started with.

    Raises SettingsError with one line a value that is of the wrong type or out of its bounds.
    """
    descriptions = describe(params)
    for one in descriptions:
        node.declare_parameter(one.name, one.default, ParameterDescriptor(dynamic_typing=True))
    started_with = {one.name: node.get_parameter(one.name).value for one in descriptions}
    values = parse(params, started_with, f"{node.get_name()}: parameters")
    for one in descriptions:
        node.set_descriptor(one.name, _descriptor(one))
    return values


def _descriptor(one: ParameterDescription) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=one.about, read_only=True, dynamic_typing=True)
    if one.minimum is None and one.maximum is None:
        return descriptor
    if one.type == "int":
        low = -_INT64 if one.minimum is None else int(one.minimum)
        high = _INT64 if one.maximum is None else int(one.maximum)
        descriptor.integer_range = [IntegerRange(from_value=low, to_value=high)]
    else:
        low_f = -sys.float_info.max if one.minimum is None else one.minimum
        high_f = sys.float_info.max if one.maximum is None else one.maximum
        descriptor.floating_point_range = [FloatingPointRange(from_value=float(low_f), to_value=float(high_f))]
    return descriptor


def _descriptions(params: type[Spec]) -> Iterator[ParameterDescription]:
    for name, field in params.model_fields.items():
        kind = field.annotation
        shown = " or ".join(get_args(kind)) if get_origin(kind) is Literal else getattr(kind, "__name__", str(kind))
        low, high = _bounds(field)
        about = " ".join((field.description or "").split())
        yield ParameterDescription(name, shown, field.get_default(), low, high, about)


def _bounds(field: FieldInfo) -> tuple[float | None, float | None]:
    """Bounds of a field; an exclusive bound is shown as itself, pydantic refuses the bound."""
    low = high = None
    for rule in field.metadata:
        if isinstance(rule, Ge | Gt):
            low = rule.ge if isinstance(rule, Ge) else rule.gt
        elif isinstance(rule, Le | Lt):
            high = rule.le if isinstance(rule, Le) else rule.lt
    return low, high  # type: ignore[return-value]
