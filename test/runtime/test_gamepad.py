"""Axes and buttons, whatever a driver sends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gear_vla_ros.contracts import ContractError
from gear_vla_ros.runtime.gamepad import Gamepad
from gear_vla_ros.settings.teleop import AxisSpec, JoySpec, TeleopSpec

JOY = JoySpec()
REST = [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0]


def read(pad, axes=REST, *pressed):
    return pad.read(1, axes, [int(index in pressed) for index in range(11)])


def moved(**axes):
    values = list(REST)
    for name, value in axes.items():
        values[getattr(JOY, name).axis] = value
    return values


@pytest.mark.parametrize(
    ("axes", "axis", "sign"),
    [
        (moved(x=1.0), 0, 1), (moved(y=1.0), 1, 1), (moved(z=1.0), 2, 1),
        (moved(roll=1.0), 3, -1), (moved(pitch=1.0), 4, 1), (moved(yaw=-1.0), 5, -1),
    ],
)  # fmt: skip
def test_full_deflection_is_the_yamls_speed(axes, axis, sign):
    spec = TeleopSpec()
    expected = np.zeros(6)
    expected[axis] = sign * (spec.linear_speed if axis < 3 else spec.angular_speed)
    np.testing.assert_allclose(read(Gamepad(spec, ["right"]), axes).motion.twist, expected)


@given(st.lists(st.floats(-5, 5), min_size=8, max_size=8), st.floats(0, 0.5))
def test_no_deflection_is_faster_than_full_and_the_dead_zone_is_still(axes, dead):
    spec = TeleopSpec(joy=JoySpec(deadzone=dead))
    twist = read(Gamepad(spec, ["right"]), axes).motion.twist
    assert np.all(np.abs(twist[:3]) <= spec.linear_speed + 1e-12)
    assert np.all(np.abs(twist[3:]) <= spec.angular_speed + 1e-12)
    if abs(axes[JOY.x.axis]) <= dead:
        assert twist[0] == 0.0


def test_the_gripper_buttons_and_the_clutch():
    pad = Gamepad(TeleopSpec(gripper_speed=2.0), ["right"])
    state = read(pad, REST, JOY.clutch_button, JOY.close_button)
    assert state.clutched and state.motion.opening_rate == -2.0
    assert read(pad, REST, JOY.open_button).motion.opening_rate == 2.0
    assert read(pad, REST, JOY.open_button, JOY.close_button).motion.opening_rate == 0.0


def test_the_arm_button_counts_once_and_with_the_clutch_open():
    pad = Gamepad(TeleopSpec(), ["left", "right"])
    read(pad)
    assert read(pad, REST, JOY.arm_button).arm == "right"
    assert read(pad, REST, JOY.arm_button).arm == "right", "held"
    read(pad)
    assert read(pad, REST, JOY.arm_button, JOY.clutch_button).arm == "right"
    read(pad)
    assert read(pad, REST, JOY.arm_button).arm == "left"


def test_a_button_that_is_held_at_the_start_changes_no_arm():
    assert read(Gamepad(TeleopSpec(), ["left", "right"]), REST, JOY.arm_button).arm == "left"


def test_tool_axes_and_turned_axes():
    spec = TeleopSpec(joy=JoySpec(frame="tool", x=AxisSpec(axis=1, sign=-1)))
    motion = read(Gamepad(spec, ["right"]), moved(x=1.0)).motion
    assert motion.in_tool and motion.twist[0] == -spec.linear_speed


@pytest.mark.parametrize(
    ("axes", "buttons", "line"),
    [
        ([0.0] * 4, [0] * 11, "/joy: 4 axes, teleop.joy asks for axis 7"),
        ([0.0] * 8, [0] * 5, "/joy: 5 buttons, teleop.joy asks for button 5"),
        ([float("nan")] * 8, [0] * 11, "/joy: axis 1 is nan, allowed -1 to 1"),
    ],
)
def test_what_is_no_such_pad_is_refused(axes, buttons, line):
    with pytest.raises(ContractError, match=line):
        Gamepad(TeleopSpec(), ["right"]).read(1, axes, buttons)
