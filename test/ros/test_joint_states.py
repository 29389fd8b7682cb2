"""Joint states by name: any order, nothing missing, nothing invented."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import JointState

from gear_vla_ros.contracts import ContractError
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.ros.joint_states import JointStateReader
from gear_vla_ros.ros.stamps import to_msg
from gear_vla_ros.settings import load_robot

SPEC = load_robot("agilex")
MODEL = RobotModel(SPEC)
NAMES = [name for arm in SPEC.arms for name in (*arm.joints, arm.gripper.joint)]
POSITIONS = {name: 0.001 * i for i, name in enumerate(NAMES, 1)}


def message(names=NAMES, stamp_ns=10**9, velocity=True):
    made = JointState(name=list(names), position=[POSITIONS.get(name, 9.0) for name in names])
    made.velocity = [1.0] * len(names) if velocity else []
    made.header.stamp = to_msg(stamp_ns)
    return made


@settings(max_examples=30, deadline=None)
@given(st.permutations([*NAMES, "some_other_joint"]))
def test_any_order_of_names_gives_the_same_state(names):
    reader = JointStateReader(SPEC, MODEL)
    state, wanted = reader.read(message(names)), JointStateReader(SPEC, MODEL).read(message())
    for arm in SPEC.arms:
        assert state.arms[arm.name].q.tolist() == [POSITIONS[name] for name in arm.joints]
        np.testing.assert_array_equal(state.arms[arm.name].base_T_tcp, wanted.arms[arm.name].base_T_tcp)
        assert state.arms[arm.name].gripper == pytest.approx(POSITIONS[arm.gripper.joint] / arm.gripper.open)


def test_the_order_may_change_between_messages():
    reader = JointStateReader(SPEC, MODEL)
    reader.read(message())
    state = reader.read(message(NAMES[::-1], 2 * 10**9))
    assert state.arms["left"].q.tolist() == [POSITIONS[name] for name in SPEC.arm("left").joints]


def test_velocities_that_a_driver_does_not_give_are_slopes():
    reader = JointStateReader(SPEC, MODEL)
    assert not reader.read(message(velocity=False)).arms["left"].dq.any()
    later = message(stamp_ns=10**9 + 10**8, velocity=False)
    later.position = [p + 0.01 for p in later.position]
    np.testing.assert_allclose(reader.read(later).arms["left"].dq, 0.1)


def spoiled(**fields):
    made = message()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (message([n for n in NAMES if n != "left_joint3"]), "joint_state.name: lacks left_joint3; did you mean"),
        (message([]), "found none"),
        (spoiled(name=[*NAMES[:-1], NAMES[0]]), "left_joint1 more than once"),
        (spoiled(position=[0.0]), "joint_state.position: 1 values, allowed 14"),
        (spoiled(velocity=[0.0]), "joint_state.velocity: 1 values, allowed 14"),
        (spoiled(position=[float("nan")] * 14), "joint_state.position: NaN or infinity at 'left_joint1'"),
        (message(stamp_ns=0), "stamp 0 ns"),
    ],
)
def test_what_is_wrong_is_refused_with_one_line(wrong, line):
    with pytest.raises(ContractError) as refused:
        JointStateReader(SPEC, MODEL).read(wrong)
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)
