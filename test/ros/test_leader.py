"""A leader's JointState to a pose: names, signs, offsets, gripper."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sensor_msgs.msg import JointState

from gear_vla_ros.contracts import ContractError
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.ros.leader import LeaderReader
from gear_vla_ros.settings import RobotSpec, load_robot
from gear_vla_ros.settings.loading import parse

SPEC = load_robot("franka")
MODEL = RobotModel(SPEC)
NAMES = [f"dxl_{i}" for i in range(8)]
SIGNS, OFFSETS = [1, -1, 1, -1, 1, 1, -1], [0.1, -0.2, 3.1, 0.0, 0.5, -1.5, 0.0]
LEADER = {"names": NAMES, "signs": SIGNS, "offsets_rad": OFFSETS, "gripper_closed": 2.0, "gripper_open": 1.0}


def reader(**leader):
    data = SPEC.model_dump(mode="json") | {"teleop": {"leader": {"arms": {"right": leader}}}}
    return LeaderReader(parse(RobotSpec, data, "robot.yaml"), "right", MODEL)


@given(arrays(np.float64, (7,), elements=st.floats(-1.5, 1.5)), st.floats(0, 1), st.permutations(range(8)))
def test_the_pose_is_the_robots_at_the_leaders_joints_whatever_their_order(q, opening, order):
    positions = np.append(np.array(SIGNS) * q + OFFSETS, 2.0 - opening)
    message = JointState(name=[NAMES[i] for i in order], position=positions[list(order)].tolist())
    pose, found = reader(**LEADER).read(message)
    np.testing.assert_allclose(pose, MODEL.fk("right", q), atol=1e-9)
    assert found == pytest.approx(opening, abs=1e-9)


def test_a_leader_like_the_robot_needs_no_section():
    arm = SPEC.arms[0]
    names, position = [*arm.joints, arm.gripper.joint], [*arm.home, arm.gripper.open]
    pose, opening = reader().read(JointState(name=names, position=position))
    np.testing.assert_allclose(pose, MODEL.fk("right", np.array(arm.home)), atol=1e-12)
    assert opening == 1.0


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (JointState(name=["a"], position=[0.0]), "/teleop/right/joint_states: name lacks dxl_0, dxl_1"),
        (JointState(), "found none"),
        (JointState(name=NAMES, position=[0.0] * 7), "joint_state.position: 7 values, allowed 8"),
        (JointState(name=NAMES, position=[float("nan")] * 8), "NaN or infinity at 'dxl_0'"),
    ],
)
def test_what_is_no_such_leader_is_refused(message, line):
    with pytest.raises(ContractError, match=line):
        reader(**LEADER).read(message)
