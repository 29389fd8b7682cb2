"""A node of the caller's own for the time of a `with` block: what commands talk to a running graph with."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions

MESSAGES_A_TURN = 4
PAUSE_S, WAIT_S, END_S = 0.02, 0.05, 1.0

C = TypeVar("C", bound="Client")


class GraphError(RuntimeError):
    """The graph did not do what was asked within the time limit."""


class Client:
    """Everything runs in the calling thread, in bounded waits. A subclass makes its endpoints in `open`."""

    node: Node

    def __init__(
        self,
        name: str,
        check: Callable[[], None] = lambda: None,
        sim_time: bool = False,
        leave_ctrl_c: bool = False,
    ) -> None:
        """name: of the node. check: called in `until` and `within`; it may raise to give up early (a process has ended,
        say).

        sim_time: the node's clock is /clock. leave_ctrl_c: rclpy does not handle signals.
        """
        self._name, self._check, self._sim_time = name, check, sim_time
        self._signals = SignalHandlerOptions.NO if leave_ctrl_c else None

    def __enter__(self: C) -> C:
        rclpy.init(signal_handler_options=self._signals)
        self.node = Node(self._name, parameter_overrides=[Parameter("use_sim_time", value=self._sim_time)])
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._executor.shutdown(timeout_sec=END_S)
        self.node.destroy_node()
        rclpy.try_shutdown()

    def open(self) -> None:
        """Make publishers, subscriptions and clients of `node`."""

    def turn(self) -> None:
        """Hear what has come."""
        for _ in range(MESSAGES_A_TURN):
            self.wait(0.0)

    def wait(self, seconds: float) -> None:
        """Hear one message, which may take so long to come."""
        self._executor.spin_once(timeout_sec=seconds)

    def within(self, limit_s: float, true: Callable[[], object]) -> bool:
        """Whether a condition begins to hold within a time; one that says something says it again and again."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            self._check()
            if true():
                return True
            self.turn()
            time.sleep(PAUSE_S)
        return False

    def until(self, true: Callable[[], object], limit_s: float, what: str) -> None:
        """Wait until a condition holds. Raises GraphError, naming `what` was waited for."""
        deadline = time.monotonic() + limit_s
        while not true():
            self._check()
            if time.monotonic() > deadline:
                raise GraphError(f"waited {limit_s:.0f} s for {what}")
            self.wait(WAIT_S)
