"""A steady timer that knows how late its ticks are."""

import time
from collections.abc import Callable

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from gear_vla_ros.runtime.latency import Percentiles

WINDOW_S = 10.0


class Ticks:
    """Calls `tick` at `hz` by the monotonic clock, whatever ROS time does.

    A tick that the executor came too late for is left out and counts as one period of delay of the next.
    """

    def __init__(self, node: Node, hz: float, tick: Callable[[], None]) -> None:
        self._tick = tick
        self._period_ns = round(1e9 / hz)
        self._due_ns = 0
        self._late_ms = Percentiles(round(WINDOW_S * hz))
        self._timer = node.create_timer(1.0 / hz, self._on_timer, clock=Clock(clock_type=ClockType.STEADY_TIME))

    @property
    def late_p99_ms(self) -> float:
        """p99 of now - due over the last ten seconds."""
        return self._late_ms.p(99)

    def _on_timer(self) -> None:
        now_ns = time.monotonic_ns()
        due_ns = now_ns - (self._period_ns - self._timer.time_until_next_call()) % self._period_ns
        if self._due_ns:
            self._late_ms.add((now_ns - self._due_ns - self._period_ns) * 1e-6)
        self._due_ns = due_ns
        self._tick()
