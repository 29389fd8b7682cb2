"""Parameters from a pydantic class: values, bounds and descriptions as `ros2 param` shows them."""

from typing import Literal

import pytest
import rclpy
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field
from rclpy.parameter import Parameter

from gear_vla_ros.ros import parameters
from gear_vla_ros.ros.parameters import ParameterDescription, RobotParams, declare, describe
from gear_vla_ros.settings import SettingsError


class Params(RobotParams):
    """One of each kind."""

    rate_hz: float = Field(default=30.0, gt=0, le=200, description="ticks a second")
    seed: int = Field(default=0, ge=0, description="of everything\n    random")
    seam: Literal["switch", "blend"] = "switch"
    autostart: bool = True


@pytest.fixture
def made():
    """Nodes with the parameters they were started with."""
    nodes = []
    rclpy.init()

    def make(**started_with):
        overrides = [Parameter(name, value=value) for name, value in started_with.items()]
        nodes.append(rclpy.create_node("taker", parameter_overrides=overrides))
        return nodes[-1]

    yield make
    for node in nodes:
        node.destroy_node()
    rclpy.try_shutdown()


def test_defaults_hold_where_nothing_is_given(made):
    assert declare(made(), Params) == Params()


def test_what_is_given_is_taken(made):
    taken = declare(made(rate_hz=50.0, seam="blend", autostart=False, robot="agilex"), Params)
    assert taken == Params(rate_hz=50.0, seam="blend", autostart=False, robot="agilex")


def test_whole_numbers_are_taken_for_floats_as_people_write_them(made):
    assert declare(made(rate_hz=50), Params).rate_hz == 50.0


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("rate_hz", 0.0, "taker: parameters: rate_hz: found 0.0; input should be greater than 0"),
        ("rate_hz", 201.0, "rate_hz: found 201.0; input should be less than or equal to 200"),
        ("rate_hz", float("nan"), "rate_hz: found nan"),
        ("rate_hz", "fast", "rate_hz: found 'fast'"),
        ("seed", -1, "seed: found -1; input should be greater than or equal to 0"),
        ("seed", 1.5, "seed: found 1.5"),
        ("seam", "swich", "did you mean 'switch'"),
        ("robot", [1, 2], "robot: found"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(made, name, value, line):
    with pytest.raises(SettingsError) as refused:
        declare(made(**{name: value}), Params)
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)


def test_every_wrong_value_has_a_line_of_its_own(made):
    with pytest.raises(SettingsError) as refused:
        declare(made(rate_hz=0.0, seed=-1), Params)
    assert [line.split(": ")[2] for line in str(refused.value).splitlines()] == ["rate_hz", "seed"]


def test_descriptors_tell_bounds_and_meaning_and_that_values_stay(made):
    node = made()
    declare(node, Params)
    rate, seed = node.describe_parameter("rate_hz"), node.describe_parameter("seed")
    assert (rate.description, rate.read_only) == ("ticks a second", True)
    assert (rate.floating_point_range[0].from_value, rate.floating_point_range[0].to_value) == (0.0, 200.0)
    assert (seed.integer_range[0].from_value, seed.integer_range[0].to_value) == (0, 2**63 - 1)
    assert not node.describe_parameter("seam").floating_point_range
    assert not node.set_parameters([Parameter("rate_hz", value=10.0)])[0].successful


def test_descriptions_are_in_the_order_of_the_source_and_on_one_line():
    assert describe(Params)[1:] == [
        ParameterDescription("rate_hz", "float", 30.0, 0, 200, "ticks a second"),
        ParameterDescription("seed", "int", 0, 0, None, "of everything random"),
        ParameterDescription("seam", "switch or blend", "switch", None, None, ""),
        ParameterDescription("autostart", "bool", True, None, None, ""),
    ]


@given(st.one_of(st.none(), st.integers(-(2**40), 0)), st.one_of(st.none(), st.integers(1, 2**40)))
def test_a_range_holds_its_bounds_and_is_open_where_there_are_none(low, high):
    descriptor = parameters._descriptor(ParameterDescription("n", "int", 0, low, high, ""))
    if low is None and high is None:
        assert not descriptor.integer_range
    else:
        found = descriptor.integer_range[0]
        assert (found.from_value, found.to_value) == (
            -(2**63) + 1 if low is None else low,
            2**63 - 1 if high is None else high,
        )
