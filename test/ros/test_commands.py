"""Commands of every interface: what the encoder says is what the decoder understands."""

import numpy as np
import pytest
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from gear_vla_ros.contracts import ContractError
from gear_vla_ros.ros.commands import CommandDecoder, CommandEncoder
from gear_vla_ros.ros.running import StartError
from gear_vla_ros.ros.sim_topics import command_topics
from gear_vla_ros.settings import RobotSpec, load_robot, robot_names


@pytest.mark.parametrize("robot", robot_names())
def test_there_and_back(robot):
    spec = load_robot(robot)
    decoder, random = CommandDecoder(spec), np.random.default_rng(0)
    q = {arm.name: random.normal(size=len(arm.joints)) for arm in spec.arms}
    opening = {arm.name: random.uniform() for arm in spec.arms}
    types, found_q, found_opening = decoder.types, {}, {}
    for topic, message in CommandEncoder(spec).encode(q, opening):
        assert isinstance(message, types[topic])
        for arm, command in decoder.decode(topic, message).items():
            found_q |= {arm: command.q} if command.q is not None else {}
            found_opening |= {arm: command.opening} if command.opening is not None else {}
    assert found_q.keys() == q.keys()
    for arm in q:
        np.testing.assert_array_equal(found_q[arm], q[arm])
    assert found_opening == pytest.approx(opening)


def test_a_piper_takes_its_gripper_as_the_seventh_value():
    spec = load_robot("agilex")
    q = {arm.name: np.zeros(6) for arm in spec.arms}
    messages = dict(CommandEncoder(spec).encode(q, {"left": 1.0, "right": 0.0}))
    assert [m.position[6] for m in messages.values()] == [spec.arm("left").gripper.open, 0.0]
    driver = ["joint1", "joint2", "joint3", "joint4", "joint5", "joint6", "gripper"]
    assert [m.name for m in messages.values()] == [driver, driver]


def test_the_force_of_the_yaml_goes_along_where_the_message_carries_it():
    spec = load_robot("agilex")
    messages = CommandEncoder(spec).encode(
        {arm.name: np.zeros(6) for arm in spec.arms}, dict.fromkeys(["left", "right"], 1.0)
    )
    assert all(list(message.effort) == [0.0] * 6 + [1.0] for _, message in messages)


def test_a_gripper_of_kind_joint_state_there_and_back():
    data = load_robot("franka").model_dump(mode="json")
    data["arms"][0]["gripper"] |= {"kind": "joint_state", "topic": "/hand", "max_effort": 20.0}
    spec = RobotSpec.model_validate(data)
    message = dict(CommandEncoder(spec).encode({"right": np.zeros(7)}, {"right": 0.25}))["/hand"]
    assert isinstance(message, CommandDecoder(spec).types["/hand"])
    assert (message.name, list(message.effort)) == (["fr3_finger_joint1"], [20.0])
    assert CommandDecoder(spec).decode("/hand", message)["right"].opening == pytest.approx(0.25)
    with pytest.raises(ContractError, match="joints finger, allowed fr3_finger_joint1"):
        CommandDecoder(spec).decode("/hand", JointState(name=["finger"], position=[0.0]))


def test_grippers_by_action_are_not_simulated():
    data = load_robot("franka").model_dump(mode="json")
    data["arms"][0]["gripper"] |= {"kind": "gripper_command", "topic": "/hand"}
    spec = RobotSpec.model_validate(data)
    assert "/hand" not in dict(CommandEncoder(spec).encode({"right": np.zeros(7)}, {"right": 0.25}))
    with pytest.raises(StartError, match="an action is not simulated; allowed position_array"):
        command_topics(spec)


def trajectory(joints, *points):
    return JointTrajectory(joint_names=joints, points=[JointTrajectoryPoint(positions=p) for p in points])


FRANKA, AGILEX, LDT = (load_robot(name) for name in ("franka", "agilex", "ldt01"))
JOINTS = list(FRANKA.arms[0].joints)


@pytest.mark.parametrize(
    ("spec", "message", "line"),
    [
        (FRANKA, trajectory(JOINTS), "0 points, allowed 1"),
        (FRANKA, trajectory(JOINTS, [0.0] * 7, [0.0] * 7), "2 points, allowed 1"),
        (FRANKA, trajectory(JOINTS[:6], [0.0] * 6), "allowed fr3_joint1, fr3_joint2"),
        (FRANKA, trajectory(JOINTS, [0.0] * 6), "6 values, allowed 7"),
        (AGILEX, JointState(name=["a"], position=[0.0]), "joints a, allowed joint1, joint2"),
        (LDT, Float64MultiArray(data=[float("nan")] * 7), "holds NaN"),
        (LDT, Float64MultiArray(data=[0.0] * 8), "8 values, allowed 7"),
    ],
)
def test_wrong_commands_are_refused(spec, message, line):
    with pytest.raises(ContractError) as refused:
        CommandDecoder(spec).decode(spec.arms[0].command.topic, message)
    assert line in str(refused.value)
