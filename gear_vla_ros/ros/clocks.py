"""The node's ROS clock as a contracts.Clock: wall time, or simulated time with use_sim_time."""

from rclpy.clock import Clock
from rclpy.node import Node


class RosClock:
    """Nanoseconds on the time base of the message stamps."""

    def __init__(self, node: Node) -> None:
        self._clock: Clock = node.get_clock()

    def now_ns(self) -> int:
        """The present time; 0 while simulated time has not begun."""
        return int(self._clock.now().nanoseconds)
