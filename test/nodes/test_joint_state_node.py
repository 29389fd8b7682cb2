"""Two PiPER drivers, each with its own names, become one robot."""

import numpy as np
import pytest
from peer import Peer
from sensor_msgs.msg import JointState
from support import NodeProcess

from gear_vla_ros.contracts import ContractError
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.ros.joining import JointStateJoiner
from gear_vla_ros.ros.joint_states import JointStateReader
from gear_vla_ros.ros.stamps import to_msg, to_ns
from gear_vla_ros.ros.topics import DRIVER_STATES, JOINT_STATES
from gear_vla_ros.settings import load_robot

SPEC = load_robot("agilex")
WIDTH = 0.05
STAMP_NS = 10**18
MS = 1_000_000


def driver(arm, stamp_ns=STAMP_NS, **changes):
    """As piper_ros says it: names of its own, the gripper as a width."""
    message = JointState(name=[f"joint{i}" for i in range(1, 7)] + ["gripper"])
    message.header.stamp = to_msg(stamp_ns)
    message.position = [*SPEC.arm(arm).home, WIDTH]
    for field, value in changes.items():
        setattr(message, field, value)
    return message


def test_a_set_is_joined_with_the_names_of_the_urdf_and_the_older_stamp():
    joiner = JointStateJoiner(SPEC)
    assert joiner.take("left", driver("left", STAMP_NS - 5 * MS)) is None
    joined = joiner.take("right", driver("right"))
    assert to_ns(joined.header.stamp) == STAMP_NS - 5 * MS
    state = JointStateReader(SPEC, RobotModel(SPEC)).read(joined)
    for arm in SPEC.arms:
        np.testing.assert_allclose(state.arms[arm.name].q, arm.home)
        assert state.arms[arm.name].gripper == pytest.approx(WIDTH / 2 / arm.gripper.open)
    assert joiner.take("left", driver("left")) is None, "one message was joined twice"


def test_velocities_pass_only_if_both_arms_give_them():
    joiner = JointStateJoiner(SPEC)
    joiner.take("left", driver("left", velocity=[0.1] * 7))
    assert list(joiner.take("right", driver("right")).velocity) == []
    joiner.take("left", driver("left", velocity=[0.1] * 6 + [0.2]))
    velocity = list(joiner.take("right", driver("right", velocity=[0.3] * 7)).velocity)
    assert velocity == pytest.approx([0.1] * 7 + [0.3] * 6 + [0.15])


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"name": ["joint1"]}, "/left/joint_states_single: lacks joint2, joint3, joint4, joint5, joint6, gripper"),
        ({"position": [0.0] * 3}, "3 values of position, allowed 7"),
        ({"velocity": [0.0] * 3}, "3 values of velocity, allowed 7"),
        ({"stamp_ns": 0}, "stamp of zero"),
    ],
)
def test_wrong_messages_are_refused_with_one_line(changes, line):
    joiner = JointStateJoiner(SPEC)
    with pytest.raises(ContractError, match=line):
        joiner.take("left", driver("left", **changes))
    assert joiner.take("right", driver("right")) is None


def test_arms_too_far_apart_in_time_are_not_joined_and_the_older_one_is_dropped():
    joiner = JointStateJoiner(SPEC)
    joiner.take("left", driver("left", STAMP_NS - 60 * MS))
    with pytest.raises(ContractError, match=r"joint states of left: 0.060 s older, allowed 0.05 s"):
        joiner.take("right", driver("right"))
    assert joiner.take("left", driver("left")) is not None


def test_the_node_joins_two_drivers_and_is_silent_when_one_is():
    with NodeProcess("joint_state_node", robot="agilex"), Peer("joint_state_node") as peer:
        joined = peer.hear(JOINT_STATES, SPEC.joint_states_topic)
        peer.hear_diagnostics()

        def say(arm, **changes):
            peer.say(DRIVER_STATES, driver(arm, peer.now_ns(), **changes), f"/{arm}/joint_states_single")

        peer.every(0.01, lambda: [say(arm) for arm in ("left", "right")])
        peer.until(lambda: len(joined) > 20, "joined states")
        assert {"left_joint1", "right_joint7"} <= set(joined[-1].name)
        peer.still()
        peer.every(0.01, lambda: say("left"))
        peer.spin(0.3)
        joined.clear()
        peer.spin(0.5)
        assert joined == []
        peer.still()
        peer.every(0.01, lambda: say("right", name=["wrong"] * 7))
        peer.until(lambda: peer.refused().get("bad_message /right/joint_states_single"), "the count")


def test_a_robot_with_one_driver_needs_no_joining():
    with pytest.raises(ValueError, match="franka: no arm has driver_states"):
        JointStateJoiner(load_robot("franka"))
