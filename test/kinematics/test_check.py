import copy

import pytest
import yaml
from robots import NAMES, model_of

from gear_vla_ros.kinematics.check import check_robot
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.settings import RobotSpec, SettingsError, load_robot
from gear_vla_ros.settings.loading import parse
from gear_vla_ros.settings.robot import robots_dir


def changed(name, path, value):
    """The robot with one value of its YAML replaced."""
    data = yaml.safe_load((robots_dir() / f"{name}.yaml").read_text())
    *parents, last = path
    here = data
    for key in parents:
        here = here[key]
    here[last] = copy.deepcopy(value)
    return parse(RobotSpec, data, f"{name}.yaml")


def failed(spec):
    return [finding for finding in check_robot(spec) if not finding.ok]


@pytest.mark.parametrize("name", NAMES)
def test_the_robots_that_come_along_pass(name):
    findings = check_robot(load_robot(name))
    assert [finding for finding in findings if not finding.ok] == []
    for what in ("urdf", "joints", "home", "gripper", "safety", "frame"):
        assert any(what in finding.what for finding in findings), f"{what} was not checked"


def test_only_the_placeholder_says_so():
    assert [name for name in NAMES if any(f.what == "placeholder" for f in check_robot(load_robot(name)))] == ["ldt01"]


ARM = ("arms", 0)


@pytest.mark.parametrize(
    ("name", "path", "value", "what", "found"),
    [
        ("franka", (*ARM, "base_frame"), "fr3_lnik0", "arms.right.base_frame", "'fr3_lnik0'; did you mean 'fr3_link0'"),
        ("franka", (*ARM, "tcp_frame"), "fr3_hand_tpc", "arms.right.tcp_frame", "did you mean 'fr3_hand_tcp'?"),
        ("franka", (*ARM, "joints", 1), "fr3_joint22", "arms.right.joints", "'fr3_joint22'; did you mean 'fr3_joint2'"),
        ("franka", (*ARM, "gripper", "joint"), "fr3_finger", "arms.right.gripper", "'fr3_finger'; did you mean"),
        ("franka", (*ARM, "gripper", "mimic"), {"fr3_finger2": 1.0}, "arms.right.gripper", "'fr3_finger2'; did you"),
        ("franka", ("world_frame",), "wrold", "world_frame", "no link 'wrold'; did you mean 'world'?"),
        ("franka", ("cameras", 0, "frame"), "head_optical", "cameras.head.frame", "mean 'head_optical_frame'?"),
        ("agilex", (*ARM, "tcp_frame"), "right_tcp", "arms.left.joints", "right_joint1"),
        ("franka", (*ARM, "home", 3), 0.5, "arms.right.home", "fr3_joint4 0.5 is not within -3.0421 and -0.1518"),
        ("franka", (*ARM, "gripper", "open"), 0.08, "arms.right.gripper", "open moves fr3_finger_joint1 to 0.08"),
        ("agilex", (*ARM, "gripper", "mimic"), {"left_joint8": 1.0}, "arms.left.gripper", "left_joint8 to 0.035"),
        ("agilex", (*ARM, "gripper", "mimic"), {"right_joint8": -1.0}, "arms.left.gripper.joint", "right_joint8: not"),
        ("franka", (*ARM, "safety", "workspace_min"), [0.5, -0.4, 0], "arms.right.safety", "outside the workspace"),
        ("franka", ("urdf",), "fanka.urdf", "urdf", "no file fanka.urdf in urdf/"),
    ],
)
def test_what_does_not_fit_is_named_alone(name, path, value, what, found):
    findings = failed(changed(name, path, value))
    assert [finding.what for finding in findings] == [what]
    assert found in findings[0].found
    assert "\n" not in findings[0].found


def test_joints_out_of_order_are_told_the_order():
    joints = list(load_robot("franka").arm("right").joints)
    findings = failed(changed("franka", (*ARM, "joints"), [joints[1], joints[0], *joints[2:]]))
    assert findings[0].what == "arms.right.joints"
    assert findings[0].found == f"from fr3_link0 to fr3_hand_tcp the URDF has {', '.join(joints)}: list these"


def test_all_findings_at_once():
    spec = changed("agilex", (*ARM, "joints", 0), "left_jiont1")
    cameras = [camera.model_copy(update={"frame": "nowhere"}) for camera in spec.cameras]
    findings = failed(spec.model_copy(update={"cameras": tuple(cameras)}))
    assert [f.what for f in findings] == [
        "arms.left.joints", "cameras.head.frame", "cameras.left_wrist.frame", "cameras.right_wrist.frame",
    ]  # fmt: skip


@pytest.mark.parametrize("content", ["", "<robot", "<robot name='x'/>", "<robot name='x'><joint/></robot>"])
def test_a_urdf_that_cannot_be_read_is_a_finding_and_one_line(content, tmp_path):
    broken = tmp_path / "broken.urdf"
    broken.write_text(content)
    spec = changed("franka", ("urdf",), str(broken))
    findings = failed(spec)
    assert [finding.what for finding in findings] == ["urdf"]
    assert findings[0].found and "\n" not in findings[0].found
    with pytest.raises(SettingsError, match=r"broken\.urdf") as caught:
        RobotModel(spec)
    assert "\n" not in str(caught.value)


def test_the_model_refuses_wrong_names_with_key_and_suggestion():
    with pytest.raises(SettingsError, match=r"right\.joints: no joint 'fr3_joint22' in franka\.urdf; did you mean"):
        RobotModel(changed("franka", (*ARM, "joints", 1), "fr3_joint22"))
    with pytest.raises(SettingsError, match=r"frame: no link 'fr3_hnd' in franka\.urdf; did you mean 'fr3_hand'"):
        model_of("franka").world_T_frame("fr3_hnd", {})
