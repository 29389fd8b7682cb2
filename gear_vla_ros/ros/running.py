"""main() of every node: start, spin in the main thread, end cleanly on SIGINT or SIGTERM.

The signals' handlers do nothing: Python writes each signal's number into a socket, and a thread that reads it ends the
node. So no callback is ever cut by a KeyboardInterrupt, the context stays valid until the node has closed, a second
Ctrl-C changes nothing, and it does not matter to which thread of which library the system hands the signal.
"""

import contextlib
import gc
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import rclpy
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation as rcl
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from gear_vla_ros.ros.quiet_events import quieten
from gear_vla_ros.settings import SettingsError

BAD_START = 2
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StartError(ValueError):
    """A node cannot start as it was told; one line says why and what is allowed. Exit code 2."""


def run(make_node: Callable[[], Any], make_executor: Callable[[], Executor] = SingleThreadedExecutor) -> int:
    """Make the node, spin it until a signal, close it. Returns the exit code: 0, or 2 when it could not start."""
    caught, catcher = socket.socketpair()
    catcher.setblocking(False)
    signal.set_wakeup_fd(catcher.fileno(), warn_on_full_buffer=False)
    for number in _SIGNALS:
        signal.signal(number, _ignore)
    node = waiter = None
    try:
        _init()
        node = make_node()
        waiter = threading.Thread(target=_end_on_signal, args=(caught, node.ended), name="signals", daemon=True)
        waiter.start()
        return _spin(node, make_executor())
    except (SettingsError, FileNotFoundError, StartError) as error:
        line = str(error) if isinstance(error, SettingsError) else f"{Path(sys.argv[0]).stem}: {error}"
        print(line, file=sys.stderr, flush=True)
        return BAD_START
    finally:
        if waiter is not None:
            with contextlib.suppress(BlockingIOError):
                catcher.send(b"\0")
            waiter.join(timeout=1.0)
        if node is not None:
            node.close()
            node.destroy_node()
        rclpy.try_shutdown()
        signal.set_wakeup_fd(-1)


def _init() -> None:
    """Raises StartError when ROS cannot read the arguments after --ros-args, or its environment variables."""
    try:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    except rcl.UnknownROSArgsError as error:
        raise StartError(f"arguments after --ros-args: {error}, allowed as -p name:=value or -r from:=to") from None
    except rcl.RCLError as error:
        raise StartError(" ".join(str(error).split(", at /")[0].split())) from None


def _spin(node: Any, executor: Executor) -> int:
    """Run callbacks in this thread until a signal, or until the node calls `fail`. Raises StartError with its line.

    Not by `spin_until_future_complete`: it hangs one more callback on the future with every turn.
    """
    quieten(node)
    executor.add_node(node)
    wake = node.create_guard_condition(_nothing)
    node.ended.add_done_callback(lambda _: wake.trigger())
    gc.collect()
    gc.freeze()
    try:
        while not node.ended.done():
            executor.spin_once()
    finally:
        executor.shutdown(timeout_sec=1.0)
    if node.ended.result() is not None:
        raise StartError(node.ended.result())
    return 0


def _end_on_signal(caught: socket.socket, ended: Future) -> None:
    caught.recv(1)
    if not ended.done():
        ended.set_result(None)


def _ignore(number: int, frame: FrameType | None) -> None:
    """The socket has it already."""


def _nothing() -> None:
    """Being called is enough: the turn ends."""
