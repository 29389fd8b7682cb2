"""QoS events of a node, looked at once a second instead of at every turn of the executor.

rclpy gives every publisher and subscription two handlers that warn about offers that do not fit. Each is put into the
wait set anew for every message: with twenty topics that cost more than the messages (benchmarks/RESULTS.md).
"""

import time
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.event_handler import EventHandler
from rclpy.node import Node

PERIOD_S, OPEN_S = 1.0, 0.02


class Seldom(CallbackGroup):
    """Its members run within `OPEN_S` of the first turn after `PERIOD_S`. The middleware keeps events until then."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now_s = now_s
        self._opened_s = float("-inf")

    def can_execute(self, entity: Any) -> bool:
        """Whether the executor waits for it in this turn."""
        now_s = self._now_s()
        if now_s - self._opened_s > PERIOD_S:
            self._opened_s = now_s
        return now_s - self._opened_s <= OPEN_S

    def beginning_execution(self, entity: Any) -> bool:
        """Any number at once."""
        return True

    def ending_execution(self, entity: Any) -> None:
        """Nothing to undo."""


def quieten(node: Node) -> None:
    """Look at all QoS events that the node has by now once a second. Its own timers must turn the executor."""
    group = Seldom()
    for waitable in node.waitables:
        if isinstance(waitable, EventHandler):
            waitable.callback_group = group
