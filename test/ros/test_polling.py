import time

import pytest
import rclpy
from sensor_msgs.msg import JointState

from gear_vla_ros.contracts import ContractError
from gear_vla_ros.ros.health import Health
from gear_vla_ros.ros.interface import Interface
from gear_vla_ros.ros.polling import Polled
from gear_vla_ros.ros.topics import INSTRUCTION, JOINT_STATES

LIMIT_S = 10.0
INTERFACE = Interface(subscribes=(JOINT_STATES,))


@pytest.fixture
def node():
    rclpy.init()
    made = rclpy.create_node("polling")
    yield made
    made.destroy_node()
    rclpy.try_shutdown()


def publish(node, polled_topic, count):
    publisher = node.create_publisher(JointState, polled_topic, JOINT_STATES.qos)
    deadline = time.monotonic() + LIMIT_S
    while publisher.get_subscription_count() == 0:
        assert time.monotonic() < deadline
        rclpy.spin_once(node, timeout_sec=0.01)
    for i in range(count):
        publisher.publish(JointState(name=[str(i)]))


def names_after(polled, count):
    """Names read until `count` have come."""
    names, deadline = [], time.monotonic() + LIMIT_S
    while len(names) < count and time.monotonic() < deadline:
        names += [message.name[0] for message in polled.all()]
    return names


def test_the_newest_ones_are_kept_in_order(node):
    polled = Polled(node, INTERFACE, JOINT_STATES, "/polled", depth=3)
    publish(node, "/polled", 8)
    assert names_after(polled, 3)[-1] == "7"
    assert polled.all() == []
    assert polled.newest() is None


def test_what_cannot_be_used_is_refused_by_its_topic(node):
    polled, health, seen = Polled(node, INTERFACE, JOINT_STATES, "/polled"), Health(node), []

    def use(message):
        seen.append(message.name[0])
        raise ContractError("name: '0', allowed is another")

    assert polled.read(use, health) is None
    assert health.refused == {}
    publish(node, "/polled", 1)
    deadline = time.monotonic() + LIMIT_S
    while not seen and time.monotonic() < deadline:
        assert polled.read(use, health) is None
    assert health.refused == {"bad_message /polled": 1}
    publish(node, "/polled", 1)
    while not (found := polled.read(lambda message: message.name[0], health)) and time.monotonic() < deadline:
        pass
    assert found == "0"


def test_the_executor_never_takes_a_message(node):
    polled = Polled(node, INTERFACE, JOINT_STATES, "/polled", depth=3)
    publish(node, "/polled", 1)
    for _ in range(5):
        rclpy.spin_once(node, timeout_sec=0.01)
    assert names_after(polled, 1) == ["0"]


def test_a_topic_that_the_interface_does_not_name_is_refused(node):
    with pytest.raises(LookupError, match="/gear_vla/instruction is not in the node's INTERFACE"):
        Polled(node, INTERFACE, INSTRUCTION)
