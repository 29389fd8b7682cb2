"""Subscriptions that are read when the node wants to, instead of waking it with every message.

A 200 Hz topic that is read at 30 Hz costs a callback's share of a core each message; polled, only those that are
used are deserialised, and the ticks of the node are not disturbed.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message

from gear_vla_ros.contracts import ContractError
from gear_vla_ros.ros.health import Health
from gear_vla_ros.ros.interface import Interface, Topic, declared

Made = TypeVar("Made")


class NeverRuns(CallbackGroup):
    """The executor leaves members of this group out of what it waits for."""

    def can_execute(self, entity: Any) -> bool:
        return False

    def beginning_execution(self, entity: Any) -> bool:
        return False

    def ending_execution(self, entity: Any) -> None:
        pass


class Polled:
    """Messages of a topic of the node's interface, kept by the middleware until they are asked for.

    depth: how many are kept; the oldest are dropped. Reading is for one thread at a time.
    """

    def __init__(self, node: Node, interface: Interface, topic: Topic, name: str | None = None, depth: int = 1) -> None:
        declared(topic, interface.subscribes)
        profile = QoSProfile(
            depth=depth, reliability=topic.qos.reliability, durability=topic.qos.durability, history=topic.qos.history
        )
        self._group = NeverRuns()
        self._subscription = node.create_subscription(
            topic.type, name or topic.name, _ignore, profile, callback_group=self._group, raw=True
        )
        self._node, self._type, self._name = node, topic.type, name or topic.name

    def newest(self) -> Any | None:
        """The newest message since the last call, None without one."""
        taken = self._take()
        return deserialize_message(taken[-1], self._type) if taken else None

    def read(self, use: Callable[[Any], Made], health: Health) -> Made | None:
        """What `use` makes of `newest`; None without one. ContractErrors of `use` are refusals, and give None too."""
        if (message := self.newest()) is None:
            return None
        try:
            return use(message)
        except ContractError as error:
            health.refuse(f"bad_message {self._name}", str(error))
            return None

    def all(self) -> list[Any]:
        """All messages since the last call, oldest first."""
        return [deserialize_message(data, self._type) for data in self._take()]

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)

    def _take(self) -> list[bytes]:
        taken = []
        handle = self._subscription.handle
        with handle:
            while (one := handle.take_message(self._type, True)) is not None:
                taken.append(one[0])
        return taken


def _ignore(message: Any) -> None:
    """Never called."""
