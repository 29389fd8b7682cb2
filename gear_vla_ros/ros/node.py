"""Base of all nodes: parameters, robot, diagnostics, endpoints from one declaration."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from rclpy.client import Client
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.service import Service as ServiceServer
from rclpy.subscription import Subscription
from rclpy.task import Future

from gear_vla_ros.contracts import ContractError
from gear_vla_ros.ros.health import Health
from gear_vla_ros.ros.interface import Interface, Service, Topic, declared
from gear_vla_ros.ros.parameters import RobotParams, declare
from gear_vla_ros.ros.running import run
from gear_vla_ros.settings import RobotSpec, load_robot
from gear_vla_ros.settings.loading import Spec

__all__ = ["GearLifecycleNode", "GearNode", "run"]

P = TypeVar("P", bound=RobotParams)


class _Common(Generic[P]):
    """What both kinds of node have. `params`, `robot` and `health` are there when `__init__` is done."""

    params: P
    robot: RobotSpec
    health: Health
    ended: Future

    def _set_up(self: Any, params: type[P], interface: Interface) -> None:
        self.interface = interface
        self.ended = Future()
        self.params = declare(self, params)
        self.robot = load_robot(self.params.robot)
        self.health = Health(self, self.robot.name)

    def declare(self: Any, params: type[Spec]) -> Any:
        """Further parameters from a pydantic class. Raises SettingsError."""
        return declare(self, params)

    def advertise(self: Any, topic: Topic, name: str | None = None) -> Publisher:
        """Publisher of a topic of the interface; `name` where the robot's YAML gives it."""
        declared(topic, self.interface.publishes)
        return self.create_publisher(topic.type, name or topic.name, topic.qos)

    def listen(
        self: Any, topic: Topic, callback: Callable[[Any], None], name: str | None = None, raw: bool = False
    ) -> Subscription:
        """Subscription to a topic of the interface. Messages are counted; a ContractError refuses the message."""
        declared(topic, self.interface.subscribes)
        topic_name = name or topic.name

        def take(message: Any) -> None:
            self.health.count(topic_name)
            try:
                callback(message)
            except ContractError as error:
                self.health.refuse(f"bad_message {topic_name}", str(error))

        return self.create_subscription(topic.type, topic_name, take, topic.qos, raw=raw)

    def serve(self: Any, service: Service, callback: Callable[[Any, Any], Any]) -> ServiceServer:
        """Server of a service of the interface."""
        declared(service, self.interface.serves)
        return self.create_service(service.type, service.name, callback)

    def client(self: Any, service: Service) -> Client:
        """Client of a service of the interface."""
        declared(service, self.interface.calls)
        return self.create_client(service.type, service.name)

    def fail(self, line: str) -> None:
        """End the process with exit code 2 and this line: it cannot do what it was started for. From any thread."""
        if not self.ended.done():
            self.ended.set_result(line)

    def close(self) -> None:
        """Stop threads, release devices. Called once, before the node is destroyed."""


class GearNode(Node, _Common[P]):
    """A node that runs from start to end."""

    def __init__(self, name: str, params: type[P], interface: Interface) -> None:
        """Raises SettingsError or FileNotFoundError when a parameter or the robot is wrong."""
        super().__init__(name)
        self._set_up(params, interface)


class GearLifecycleNode(LifecycleNode, _Common[P]):
    """A node with the states of ROS 2's lifecycle."""

    def __init__(self, name: str, params: type[P], interface: Interface) -> None:
        """Raises SettingsError or FileNotFoundError when a parameter or the robot is wrong."""
        super().__init__(name)
        self._set_up(params, interface)
