"""Subscriptions whose serialised messages are taken as they came, whatever QoS their publishers offer.

Nothing wakes the node with a message: it takes all that came when it wants to. At some hundred messages a second that
costs a fraction of a callback each, and the times of reception are the middleware's anyway.
"""

import importlib
from collections.abc import Callable
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

from gear_vla_ros.recording.topics import RecordedTopic
from gear_vla_ros.ros.polling import NeverRuns
from gear_vla_ros.ros.quiet_events import quieten

OnMessage = Callable[[RecordedTopic, int, int, bytes], None]


def message_class(type_name: str) -> type[Any]:
    """Class of `package/msg/Type`. Raises LookupError when its package is not built or not sourced."""
    package, kind, name = type_name.split("/")
    try:
        found: type[Any] = getattr(importlib.import_module(f"{package}.{kind}"), name)
    except (ImportError, AttributeError) as error:
        raise LookupError(f"message type {type_name}: {error}; build and source its package") from None
    return found


class RawSubscriptions:
    """One subscription a topic; `take` calls `on_message(topic, received [ns], published [ns], bytes)`.

    A publisher that offers less than expected (best effort, volatile) is met at the next `adapt`.
    """

    def __init__(self, node: Node, on_message: OnMessage) -> None:
        self._node, self._on_message = node, on_message
        self._topics: dict[str, RecordedTopic] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._unmatched: set[str] = set()
        self._group = NeverRuns()

    def add(self, topic: RecordedTopic) -> None:
        """Subscribe. Raises LookupError on a type that is not there."""
        self._topics[topic.name] = topic
        self._subscribe(topic, topic.reliable or topic.latched > 0, topic.latched > 0)

    def take(self) -> None:
        """Hand over everything that came since the last call, in the order it came."""
        came: list[tuple[int, int, str, bytes]] = []
        for name, subscription in self._subscriptions.items():
            handle = subscription.handle
            with handle:
                while (taken := handle.take_message(subscription.msg_type, True)) is not None:
                    data, info = taken
                    came.append((info["received_timestamp"], info["source_timestamp"], name, data))
        for received_ns, published_ns, name, data in sorted(came, key=_received):
            self._on_message(self._topics[name], received_ns, published_ns, data)

    def adapt(self) -> list[str]:
        """Subscribe again, with what their publishers offer, to topics that did not match; their names."""
        names, self._unmatched = sorted(self._unmatched), set()
        for name in names:
            offers = [info.qos_profile for info in self._node.get_publishers_info_by_topic(name)]
            self._node.destroy_subscription(self._subscriptions[name])
            reliable = all(offer.reliability == ReliabilityPolicy.RELIABLE for offer in offers)
            latched = all(offer.durability == DurabilityPolicy.TRANSIENT_LOCAL for offer in offers)
            self._subscribe(self._topics[name], reliable, latched)
        if names:
            quieten(self._node)
        return names

    def _subscribe(self, topic: RecordedTopic, reliable: bool, latched: bool) -> None:
        profile = QoSProfile(
            depth=topic.depth,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        )

        subscription = self._node.create_subscription(
            message_class(topic.type), topic.name, _ignore, profile, raw=True,
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=lambda _: self._unmatched.add(topic.name)),
        )  # fmt: skip
        # Its events stay with the executor, its messages do not.
        subscription.callback_group = self._group
        self._subscriptions[topic.name] = subscription


def _received(message: tuple[int, int, str, bytes]) -> int:
    return message[0]


def _ignore(message: Any) -> None:
    """Never called."""
