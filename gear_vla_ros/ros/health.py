"""Rates, refusals and figures of one node, published on /diagnostics once a second (REP 107)."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from gear_vla_ros.ros import qos

PERIOD_S = 1.0
TOO_SLOW = 0.7
"""Share of the expected rate below which a rate is warned about."""


class Health:
    """Counters of one node. Any thread may call; the lock is held for counting only, never while publishing."""

    def __init__(self, node: Node, hardware_id: str = "", now_s: Callable[[], float] = time.monotonic) -> None:
        self._node = node
        self._hardware_id = hardware_id
        self._now_s = now_s
        self._lock = threading.Lock()
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._expected: dict[str, float] = {}
        self._refused: defaultdict[str, int] = defaultdict(int)
        self._logged_s: dict[str, float] = {}
        self._values: dict[str, str] = {}
        self._last_counts: dict[str, int] = {}
        self._last_refused = 0
        self._last_s = now_s()
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", qos.RESULT)
        node.create_timer(PERIOD_S, self.publish)

    def count(self, name: str) -> None:
        """One more message of `name`; its rate is published."""
        with self._lock:
            self._counts[name] += 1

    def expect(self, name: str, hz: float) -> None:
        """Warn while the rate of `name` is well below `hz`."""
        with self._lock:
            self._expected[name] = hz
            self._counts[name] += 0

    def refuse(self, cause: str, line: str) -> None:
        """Count one refused input or skipped piece of work; its line is logged once a second a cause at most."""
        now_s = self._now_s()
        with self._lock:
            self._refused[cause] += 1
            quiet = now_s - self._logged_s.get(cause, float("-inf")) < 1.0
            if not quiet:
                self._logged_s[cause] = now_s
        if not quiet:
            self._node.get_logger().warning(f"{cause}: {line}")

    def set(self, key: str, value: object) -> None:
        """A figure to publish; the newest one stays."""
        with self._lock:
            self._values[key] = f"{value:.3f}" if isinstance(value, float) else str(value)

    @property
    def refused(self) -> dict[str, int]:
        """How often each cause was met since start."""
        with self._lock:
            return dict(self._refused)

    def publish(self) -> None:
        """One DiagnosticArray with what happened since the last."""
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.status = [self._status()]
        self._publisher.publish(message)

    def _status(self) -> DiagnosticStatus:
        with self._lock:
            now_s = self._now_s()
            rates = self._rates(now_s - self._last_s)
            self._last_counts, self._last_s = dict(self._counts), now_s
            slow = [name for name, hz in self._expected.items() if rates[name] < TOO_SLOW * hz]
            refused = sum(self._refused.values())
            newly_refused, self._last_refused = refused - self._last_refused, refused
            pairs = {f"rate {name} [Hz]": f"{rate:.1f}" for name, rate in rates.items()}
            pairs |= {f"refused {cause}": str(n) for cause, n in self._refused.items()}
            pairs |= self._values
        problems = [f"{name} at {rates[name]:.1f} Hz, expected {self._expected[name]:g}" for name in slow]
        problems += [f"{newly_refused} refused"] if newly_refused else []
        return DiagnosticStatus(
            level=DiagnosticStatus.WARN if problems else DiagnosticStatus.OK,
            name=self._node.get_name(),
            hardware_id=self._hardware_id,
            message="; ".join(problems) or "ok",
            values=[KeyValue(key=key, value=value) for key, value in pairs.items()],
        )

    def _rates(self, seconds: float) -> dict[str, float]:
        span = max(seconds, 1e-3)
        return {name: (n - self._last_counts.get(name, 0)) / span for name, n in self._counts.items()}
