"""Keys without releases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gear_vla_ros.contracts import ManualClock
from gear_vla_ros.runtime.keyboard import HELP, KEY_S, MOTIONS, SPEEDS, Keyboard
from gear_vla_ros.settings.teleop import TeleopSpec

SPEC = TeleopSpec()


def board(*arms):
    clock = ManualClock()
    return clock, Keyboard(SPEC, arms or ("left", "right"), clock)


@pytest.mark.parametrize("key", sorted(MOTIONS))
def test_a_key_moves_for_a_moment(key):
    clock, keyboard = board()
    keyboard.press(key)
    axis, sign = MOTIONS[key]
    limit = SPEC.linear_speed if axis < 3 else SPEC.angular_speed
    expected = np.zeros(6)
    expected[axis] = sign * limit * SPEEDS[2]
    np.testing.assert_allclose(keyboard.state().twist, expected)
    clock.advance(KEY_S + 0.001)
    assert not keyboard.state().twist.any()


def test_keys_add_up_and_opposite_ones_cancel():
    _, keyboard = board()
    for key in "wasd":
        keyboard.press(key)
    assert not keyboard.state().twist.any()
    keyboard.press("r")
    assert keyboard.state().twist[2] > 0


def test_the_arm_is_changed_with_the_clutch_open_only():
    _, keyboard = board("left", "right")
    keyboard.press("\t")
    assert keyboard.state().arm == "right"
    keyboard.press("c")
    keyboard.press("\t")
    assert keyboard.state().arm == "right" and keyboard.state().clutched
    keyboard.press("\r")
    keyboard.press("\t")
    assert keyboard.state().arm == "left" and not keyboard.state().clutched


def test_the_gripper_stays_as_the_robot_has_it_until_its_key():
    _, keyboard = board("right")
    assert keyboard.state().opening is None
    keyboard.robot_opening("right", 0.3)
    assert keyboard.state().opening == 0.3
    keyboard.press(" ")
    assert keyboard.state().opening == 1.0
    keyboard.robot_opening("right", 0.4)
    assert keyboard.state().opening == 1.0
    keyboard.press(" ")
    assert keyboard.state().opening == 0.0
    keyboard.press("c")
    assert keyboard.state().opening == 0.4, "a new press of the clutch begins with the robot's"


def test_speed_has_ends():
    _, keyboard = board()
    for key, expected in (("+" * 9, SPEEDS[-1]), ("-" * 9, SPEEDS[0])):
        for one in key:
            keyboard.press(one)
        assert keyboard.state().speed == expected


@given(st.text(max_size=40))
def test_no_key_does_harm(keys):
    _, keyboard = board("right")
    for key in keys:
        keyboard.press(key)
    state = keyboard.state()
    assert np.abs(state.twist[:3]).max() <= SPEC.linear_speed and np.abs(state.twist[3:]).max() <= SPEC.angular_speed
    assert keyboard.quit == ("q" in keys) and keyboard.stop == ("x" in keys)


def test_the_help_names_every_motion():
    assert all(f"{key} " in HELP[0] for key in MOTIONS)
