"""The YAML's `teleop` section: bounds, arms, and what is left out."""

import re
import textwrap
from pathlib import Path

import pytest
import yaml

from gear_vla_ros.settings import RobotSpec, SettingsError, load_robot, robot_names
from gear_vla_ros.settings.loading import parse
from gear_vla_ros.settings.teleop import TeleopSpec

ROOT = Path(__file__).resolve().parents[2]


def robot(name, teleop):
    return parse(RobotSpec, load_robot(name).model_dump(mode="json") | {"teleop": teleop}, "robot.yaml")


@pytest.mark.parametrize("name", robot_names())
def test_every_robot_can_be_driven_without_a_section(name):
    spec = load_robot(name)
    for arm in spec.arms:
        assert spec.teleop.clutch(arm.name).kind == "bool"
        assert spec.teleop.twist.topic(arm.name) == f"/teleop/{arm.name}/twist"
        assert spec.teleop.leader.topic(arm.name) == f"/teleop/{arm.name}/joint_states"
    assert spec.teleop.joy.clutch_button != spec.operator.button, "hold-to-run and clutch are two buttons"


@pytest.mark.parametrize(
    ("teleop", "line"),
    [
        ({"scal": 1.0}, r"teleop.scal: unknown key; did you mean 'scale'\?"),
        ({"scale": 0}, "teleop.scale: found 0; input should be greater than 0"),
        ({"timeout_s": 5}, "teleop.timeout_s: found 5; input should be less than or equal to 1"),
        ({"joy": {"clutch_button": -1}}, "teleop.joy.clutch_button: found -1"),
        ({"joy": {"frame": "wrld"}}, "teleop.joy.frame: found 'wrld'"),
        ({"twist": {"topics": {"left": "/a"}}}, "teleop.twist.topics: left is no arm of it, allowed right"),
        ({"twist": {"gripper_buttons": {"left": {"button": 1}}}}, "twist.gripper_buttons: left is no arm of it"),
        ({"leader": {"arms": {"right": {"signs": [1, 1]}}}}, "leader.arms.right.signs has 2 values, allowed 7 or none"),
        ({"leader": {"arms": {"right": {"names": ["a"]}}}}, "leader.arms.right.names has 1 values, allowed 8 or none"),
        ({"leader": {"arms": {"right": {"gripper_open": 1.0}}}}, "are two numbers, or neither"),
    ],
)
def test_what_is_wrong_is_named(teleop, line):
    with pytest.raises(SettingsError, match=line):
        robot("franka", teleop)


def test_the_example_of_the_documentation_is_a_section_of_franka_and_its_defaults_are_the_defaults():
    text = (ROOT / "docs" / "teleop.md").read_text(encoding="utf-8")
    section = yaml.safe_load(re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1])["teleop"]
    found = robot("franka", section).teleop
    plain = {key for key, value in section.items() if isinstance(value, float)}
    assert len(plain) == 11 and all(getattr(found, key) == getattr(TeleopSpec(), key) for key in plain)


def test_the_spacemouse_of_the_documentation_is_a_section_of_franka():
    text = (ROOT / "docs" / "teleop.md").read_text(encoding="utf-8")
    example = re.search(r"(    teleop:\n(?:     .*\n)+)", text.split("### SpaceMouse")[1])[1]
    spec = robot("franka", yaml.safe_load(textwrap.dedent(example))["teleop"]).teleop
    assert not spec.twist.stamped and spec.twist.topic("right") == "/spacenav/twist"
    assert (spec.clutch("right").button, spec.twist.gripper_buttons["right"].button) == (0, 1)


def test_a_pedal_for_both_arms_and_other_topics():
    pedal = {"kind": "joy", "topic": "/pedal", "button": 0}
    spec = robot("agilex", {"clutches": {"left": pedal, "right": pedal}, "vr": {"topics": {"left": "/vr/l"}}}).teleop
    assert spec.clutch("left").topic == spec.clutch("right").topic == "/pedal"
    assert (spec.vr.topic("left"), spec.vr.topic("right")) == ("/vr/l", "/teleop/right/pose")
