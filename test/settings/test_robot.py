import copy

import pytest

from gear_vla_ros.settings import RobotSpec, SettingsError, load_robot
from gear_vla_ros.settings.loading import parse

MINIMAL = {
    "name": "one",
    "urdf": "franka.urdf",
    "arms": [
        {
            "name": "right",
            "base_frame": "base",
            "tcp_frame": "tcp",
            "joints": ["j1", "j2"],
            "home": [0.0, 0.1],
            "gripper": {"joint": "finger", "closed": 0.0, "open": 0.04},
            "command": {"interface": "joint_trajectory", "topic": "/right/command"},
            "safety": {
                "workspace_min": [0.1, -0.5, 0.0],
                "workspace_max": [0.8, 0.5, 0.9],
                "max_linear_speed": 0.3,
                "max_angular_speed": 1.0,
                "max_linear_acceleration": 2.0,
                "max_angular_acceleration": 4.0,
                "max_gripper_speed": 2.0,
            },
        }
    ],
    "cameras": [
        {
            "role": "head", "topic": "/head/image_raw", "info_topic": "/head/camera_info", "frame": "head_optical",
            "width": 640, "height": 480, "fx": 600.0, "fy": 600.0, "cx": 320.0, "cy": 240.0,
        }
    ],
    "state_projector": {"embodiment": "one"},
}  # fmt: skip


def changed(path, value):
    data = copy.deepcopy(MINIMAL)
    *parents, last = path
    here = data
    for key in parents:
        here = here[key]
    here[last] = value
    return data


def test_minimal_robot_is_accepted_and_immutable():
    spec = parse(RobotSpec, MINIMAL, "one.yaml")
    assert spec.rates.target_hz == 30.0
    with pytest.raises(ValueError, match="frozen"):
        spec.name = "two"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("arms", 0, "hoem"), [0.0], r"one\.yaml: arms\[0\]\.hoem: unknown key; did you mean 'home'\?; allowed"),
        (("cameras", 0, "role"), "chest", r"cameras\[0\]\.role: found 'chest'; input should be 'head'"),
        (("cameras", 0, "width"), 8, r"cameras\[0\]\.width: found 8; input should be greater than or equal to 16"),
        (("cameras", 0, "encoding"), "rbg8", r"encoding: found 'rbg8'; .*did you mean 'rgb8'"),
        (("arms", 0, "home"), [0.0], r"arms\[0\]: found .*home has 1 values, joints has 2"),
        (("arms", 0, "joints"), ["j1", "j1"], r"joints repeat a name: j1, j1"),
        (("arms", 0, "gripper", "open"), 0.0, r"arms\[0\]\.gripper: found .*closed and open are both 0\.0"),
        (("arms", 0, "safety", "max_linear_speed"), -1.0, r"max_linear_speed: found -1\.0; .*greater than 0"),
        (("arms", 0, "safety", "workspace_min"), [9.0, 0, 0], r"safety: found .*workspace_min .* is not below"),
        (("arms", 0, "safety", "max_linear_jerk"), 20.0, r"max_linear_jerk 20, allowed is 26\.6667 or more"),
        (("arms", 0, "safety", "max_angular_jerk"), 31.0, r"max_angular_jerk 31, allowed is 32 or more"),
        (("arms", 0, "safety", "max_angular_speed"), float("nan"), r"max_angular_speed: found nan; .*finite"),
        (("arms", 0, "command", "interface"), "joint_posiiton", r"did you mean 'joint_position'"),
        (("arms", 0, "command", "topic"), "/bad topic", r"command\.topic: found '/bad topic'; string should match"),
        (("rates",), {"targethz": 30}, r"rates\.targethz: unknown key; did you mean 'target_hz'"),
        (("urdf",), "robot.txt", r"urdf: found 'robot\.txt'; string should match"),
        (("arms",), [], r"arms: found \[\]; tuple should have at least 1 item"),
    ],
)
def test_errors_name_key_path_value_and_what_is_allowed(path, value, message):
    with pytest.raises(SettingsError, match=message):
        parse(RobotSpec, changed(path, value), "one.yaml")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ({"interface": "joint_trajectory", "names": ["a", "b", "c"]}, "joint_trajectory takes no names, only joint_st"),
        ({"interface": "joint_state", "names": ["a", "b"]}, "names has 2 different names, the message has 3 values"),
        ({"interface": "joint_state", "names": ["a", "b", "b"]}, "names has 2 different names, the message has 3 val"),
    ],
)
def test_names_in_commands_fit_the_message(command, message):
    with pytest.raises(SettingsError, match=message):
        parse(RobotSpec, changed(("arms", 0, "command"), {"topic": "/right/command", **command}), "one.yaml")


def test_without_a_jerk_limit_the_usual_one_is_in_force():
    safety = parse(RobotSpec, MINIMAL, "one.yaml").arms[0].safety
    assert (safety.linear_jerk, safety.angular_jerk) == (60.0, 120.0)
    slow = safety.model_copy(update={"max_linear_speed": 0.1})
    assert slow.linear_jerk == 80.0, "what is allowed at least"


@pytest.mark.parametrize(
    ("gripper", "message"),
    [
        ({"kind": "joint_state"}, "kind 'joint_state' needs one"),
        ({"kind": "position_array", "topic": "/hand", "max_effort": 5.0}, "kind 'position_array' carries no max_eff"),
        ({"max_effort": 5.0}, "interface joint_trajectory carries none, joint_state does"),
        ({"kind": "gripper_command", "topic": "/hand", "max_effort": 0.0}, "max_effort: found 0.0; .*greater than 0"),
    ],
)
def test_a_force_is_only_given_where_something_carries_it(gripper, message):
    gripper = {"joint": "finger", "closed": 0.0, "open": 0.04, **gripper}
    with pytest.raises(SettingsError, match=message):
        parse(RobotSpec, changed(("arms", 0, "gripper"), gripper), "one.yaml")


def test_missing_keys_are_named():
    data = copy.deepcopy(MINIMAL)
    del data["arms"][0]["safety"]
    with pytest.raises(SettingsError, match=r"one\.yaml: arms\[0\]\.safety: missing, it is required"):
        parse(RobotSpec, data, "one.yaml")


def test_every_finding_has_its_own_line():
    data = changed(("arms", 0, "speed"), 1.0)
    data["colour"] = "blue"
    with pytest.raises(SettingsError) as caught:
        parse(RobotSpec, data, "one.yaml")
    assert len(str(caught.value).splitlines()) == 2


def test_broken_yaml_names_file_line_and_column(tmp_path):
    (tmp_path / "bad.yaml").write_text("name: one\narms: [\n")
    with pytest.raises(SettingsError, match=r"bad\.yaml: not readable as YAML: .*line 3, column 1"):
        load_robot(str(tmp_path / "bad.yaml"))
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(SettingsError, match=r"list\.yaml: found list, allowed is a mapping"):
        load_robot(str(tmp_path / "list.yaml"))


def test_unknown_robot_lists_the_names_there_are():
    with pytest.raises(FileNotFoundError, match=r"did you mean 'franka'\?; there are agilex, franka, ldt01"):
        load_robot("frnaka")
    with pytest.raises(FileNotFoundError, match="no file"):
        load_robot("/nowhere/robot.yaml")
    with pytest.raises(FileNotFoundError, match="is not in robots"):
        load_robot("../robots/franka")


def test_unknown_arm_lists_the_names_there_are():
    with pytest.raises(KeyError, match="has no arm 'left'; it has right"):
        parse(RobotSpec, MINIMAL, "one.yaml").arm("left")
