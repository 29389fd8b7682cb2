import dataclasses
from importlib import import_module

import pytest

from gear_vla_ros.cli.plan import Options, make_plan
from gear_vla_ros.cli.processes import command_line
from gear_vla_ros.settings import robot_names


def names(**options):
    return [node.name for node in make_plan(Options(**options)).nodes]


@pytest.mark.parametrize("robot", robot_names())
def test_every_robot_has_a_simulated_plan(robot):
    plan = make_plan(Options(robot=robot, policy="expert", sim="mujoco"))
    found = [node.name for node in plan.nodes]
    assert found == ["sim_node", "ik_node", "target_node", "action_node", "vlm_node", "task_node"]
    assert all(node.parameters["robot"] == robot for node in plan.nodes)


def test_options_add_and_leave_out_nodes(tmp_path):
    assert "recorder_node" in names(record=str(tmp_path))
    assert "sim_node" not in names(sim="none", policy="gear_vla")
    assert "sim_node" not in names(sim="gazebo", policy="gear_vla")
    assert "joint_state_node" in names(sim="none", policy="gear_vla", robot="agilex")
    assert "joint_state_node" not in names(sim="gazebo", policy="gear_vla", robot="agilex")


def test_a_person_drives_beside_a_policy_or_without_one():
    assert "teleop_node" not in names()
    plan = make_plan(Options(teleop="joy"))
    teleop = next(node for node in plan.nodes if node.name == "teleop_node")
    assert teleop.parameters["device"] == "joy"
    assert {"action_node", "vlm_node"} <= {node.name for node in plan.nodes}
    assert names(sim="none", teleop="joy", policy="none") == ["ik_node", "target_node", "teleop_node"]
    assert names(teleop="leader", policy="none") == ["sim_node", "ik_node", "target_node", "teleop_node"]


@pytest.mark.parametrize(
    ("sim", "asked", "held"), [("none", "auto", True), ("none", "off", False), ("mujoco", "on", True)]
)
def test_somebody_holds_a_button_on_real_hardware(sim, asked, held):
    plan = make_plan(Options(sim=sim, policy="gear_vla", hold_to_run=asked))
    target = next(node for node in plan.nodes if node.name == "target_node")
    assert target.parameters["hold_to_run"] is held


def test_simulation_stays_on_loopback_and_real_robots_keep_their_network():
    simulated = make_plan(Options(sim="mujoco")).environment
    assert simulated["FASTRTPS_DEFAULT_PROFILES_FILE"].endswith("config/dds/loopback.xml")
    assert make_plan(Options(sim="none", policy="gear_vla")).environment == {}
    other = make_plan(Options(sim="none", policy="gear_vla", network="two_machines")).environment
    assert other["FASTRTPS_DEFAULT_PROFILES_FILE"].endswith("config/dds/two_machines.xml")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"robot": "frnka"}, r"'frnka' is not in robots/; did you mean 'franka'\?; there are"),
        ({"task": "plaec"}, r"task: found 'plaec'; did you mean 'place'\?; allowed lift, place, handover, flip_label"),
        ({"task": "handover"}, "'handover' needs two arms, robot franka has one; allowed for it lift, place"),
        ({"task": "lift", "sim": "none", "policy": "gear_vla"}, "task: 'lift' with sim: none; only mujoco"),
        ({"sim": "mujco"}, r"sim: found 'mujco'; did you mean 'mujoco'\?; allowed mujoco, gazebo, none"),
        ({"policy": "exprt"}, r"policy: found 'exprt'; did you mean 'expert'"),
        ({"network": "wifi"}, r"network: found 'wifi'; allowed auto, loopback"),
        ({"teleop": "joi"}, r"teleop: found 'joi'; did you mean 'joy'\?; allowed keyboard, joy, twist, leader, vr"),
        ({"checkpoint": "demo"}, "checkpoint: 'demo', but policy expert has none; say gear_vla"),
        ({"policy": "none"}, "policy: none, so nothing moves the robot; choose teleop"),
        ({"policy": "none", "teleop": "joy", "instruction": "go"}, "with policy none nobody follows it"),
        ({"sim": "none"}, "policy: expert needs the simulator's ground truth"),
        ({"cameras": "realsense"}, "realsense and sim: mujoco would publish the same topics"),
        ({"cameras": "realsense", "sim": "none", "policy": "gear_vla", "robot": "ldt01"}, "has a serial"),
        ({"robot": "ldt01", "sim": "none", "policy": "gear_vla"}, "placeholder kinematics and may only be simulated"),
    ],
)
def test_wrong_words_are_refused_with_what_is_allowed(options, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        make_plan(Options(**options))


def test_planned_parameters_are_parameters_of_the_nodes(tmp_path):
    for node in make_plan(Options(record=str(tmp_path), instruction="pick up the red cube", teleop="vr")).nodes:
        params = import_module(f"gear_vla_ros.nodes.{node.executable}").Params
        assert set(node.parameters) <= set(params.model_fields), node.name
        params.model_validate(dict(node.parameters))


@pytest.mark.parametrize(
    ("seam", "checkpoint", "found"),
    [
        ("auto", "dual_arm", "rtc"),
        ("blend", "dual_arm", "blend"),
        ("auto", "demo", "rtc"),
        ("ensemble", "demo", "ensemble"),
        ("auto", "", "switch"),
    ],
)
def test_chunks_meet_as_the_bundle_says_when_nobody_else_does(seam, checkpoint, found):
    options = Options(policy="gear_vla", seam=seam, checkpoint=checkpoint)
    by = {node.name: node.parameters for node in make_plan(options).nodes}
    assert by["target_node"]["seam"] == found
    assert by["action_node"]["rtc"] == (found == "rtc")


def test_command_lines_quote_what_yaml_would_change():
    sim = make_plan(Options(instruction="it's 3: lift", seed=7)).nodes
    vlm = next(node for node in sim if node.name == "vlm_node")
    line = command_line(vlm)
    assert line[1:4] == ["-m", "gear_vla_ros.nodes.vlm_node", "--ros-args"]
    assert "instruction:='it''s 3: lift'" in line
    assert "seed:=7" in line
    assert "use_scene:=true" in line


def test_every_option_has_a_help():
    assert all(option.metadata["help"] for option in dataclasses.fields(Options))


def test_two_machines_share_the_nodes_and_find_each_other_by_address():
    options = Options(robot="franka", policy="gear_vla", sim="none", peers="10.0.0.2, 10.0.0.3")
    whole = [node.name for node in make_plan(options).nodes]
    policy, robot = (make_plan(dataclasses.replace(options, machine=name)) for name in ("policy", "robot"))
    assert [node.name for node in policy.nodes] == ["action_node", "vlm_node"]
    assert sorted([*whole]) == sorted(node.name for plan in (policy, robot) for node in plan.nodes)
    assert policy.environment["ROS_STATIC_PEERS"] == "10.0.0.2;10.0.0.3"
    assert policy.environment["FASTRTPS_DEFAULT_PROFILES_FILE"].endswith("two_machines.xml")
    with pytest.raises(ValueError, match=r"peers: '10\.0\.0\.2, 10\.0\.0\.3' with network: loopback"):
        make_plan(dataclasses.replace(options, network="loopback"))
    with pytest.raises(ValueError, match="machine: found 'gpu'; allowed all, robot, policy"):
        make_plan(dataclasses.replace(options, machine="gpu"))
