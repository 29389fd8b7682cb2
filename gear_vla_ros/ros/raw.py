"""Subscriptions that hand over serialised messages as they came, whatever QoS their publishers offer."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

from gear_vla_ros.recording.topics import RecordedTopic

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
    """One subscription a topic; `on_message(topic, received [ns], published [ns], bytes)` in the executor's thread.

    A publisher that offers less than expected (best effort, volatile) is met at the next `adapt`.
    """

    def __init__(self, node: Node, on_message: OnMessage) -> None:
        self._node, self._on_message = node, on_message
        self._topics: dict[str, RecordedTopic] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._unmatched: set[str] = set()

    def add(self, topic: RecordedTopic) -> None:
        """Subscribe. Raises LookupError on a type that is not there."""
        self._topics[topic.name] = topic
        self._subscribe(topic, topic.reliable or topic.latched > 0, topic.latched > 0)

    def adapt(self) -> list[str]:
        """Subscribe again, with what their publishers offer, to topics that did not match; their names."""
        names, self._unmatched = sorted(self._unmatched), set()
        for name in names:
            offers = [info.qos_profile for info in self._node.get_publishers_info_by_topic(name)]
            self._node.destroy_subscription(self._subscriptions[name])
            reliable = all(offer.reliability == ReliabilityPolicy.RELIABLE for offer in offers)
            latched = all(offer.durability == DurabilityPolicy.TRANSIENT_LOCAL for offer in offers)
            self._subscribe(self._topics[name], reliable, latched)
        return names

    def _subscribe(self, topic: RecordedTopic, reliable: bool, latched: bool) -> None:
        profile = QoSProfile(
            depth=topic.depth,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        )

        def take(data: bytes, info: Mapping[str, Any] | None = None) -> None:
            now_ns = self._node.get_clock().now().nanoseconds if info is None else 0
            received_ns = info["received_timestamp"] if info else now_ns
            self._on_message(topic, received_ns, info["source_timestamp"] if info else now_ns, data)

        self._subscriptions[topic.name] = self._node.create_subscription(
            message_class(topic.type), topic.name, take, profile, raw=True,
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=lambda _: self._unmatched.add(topic.name)),
        )  # fmt: skip
