"""The base of all nodes: nothing is said or heard that is not declared, and what is wrong is refused and counted."""

import pytest
import rclpy
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from gear_vla_ros.contracts import ContractError
from gear_vla_ros.ros import qos
from gear_vla_ros.ros.interface import Interface, Service, Topic
from gear_vla_ros.ros.node import GearLifecycleNode, GearNode
from gear_vla_ros.ros.parameters import RobotParams

STOP = Topic("/stop", Bool, qos.COMMAND, "stop")
OTHER = Topic("/other", Bool, qos.COMMAND, "declared elsewhere")
RESET = Service("/reset", Trigger, "reset")
INTERFACE = Interface(publishes=(STOP,), subscribes=(STOP,), serves=(RESET,), calls=(RESET,))
LIMIT_S = 10.0


@pytest.fixture(params=[GearNode, GearLifecycleNode])
def node(request):
    rclpy.init()
    made = request.param("node", RobotParams, INTERFACE)
    yield made
    made.destroy_node()
    rclpy.try_shutdown()


def spin_until(node, true):
    deadline = node.get_clock().now().nanoseconds + int(LIMIT_S * 1e9)
    while not true():
        assert node.get_clock().now().nanoseconds < deadline
        rclpy.spin_once(node, timeout_sec=0.05)


def test_the_robot_of_the_parameter_is_there(node):
    assert (node.robot.name, node.params.robot) == ("franka", "franka")


def test_a_refused_message_is_counted_and_the_next_one_is_taken(node):
    taken = []

    def take(message):
        if not message.data:
            raise ContractError("stop.data: false, allowed true")
        taken.append(message.data)

    publisher = node.create_publisher(Bool, "/stop", qos.COMMAND)
    node.listen(STOP, take)
    spin_until(node, lambda: publisher.get_subscription_count() > 0)
    publisher.publish(Bool(data=False))
    spin_until(node, lambda: node.health.refused == {"bad_message /stop": 1})
    publisher.publish(Bool(data=True))
    spin_until(node, lambda: taken == [True])
    assert node.health.refused == {"bad_message /stop": 1}


def test_the_robots_own_name_of_a_topic_is_used(node):
    node.listen(STOP, print, "/left/stop")
    assert "/left/stop" in [name for name, _ in node.get_topic_names_and_types()]


def test_what_is_not_in_the_interface_cannot_be_used(node):
    with pytest.raises(LookupError, match=r"/other is not in the node's INTERFACE; it names /stop"):
        node.advertise(OTHER)
    with pytest.raises(LookupError):
        node.listen(OTHER, print)
    with pytest.raises(LookupError):
        node.serve(Service("/reset", Trigger, "the same words, declared again"), print)


def test_declared_services_are_made(node):
    assert node.serve(RESET, print).srv_name == "/reset"
    assert node.client(RESET).srv_name == "/reset"


def test_the_first_failure_is_the_one_that_is_told(node):
    node.fail("first")
    node.fail("second")
    assert node.ended.result() == "first"
