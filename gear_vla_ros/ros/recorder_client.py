"""A client of the recorder_node: starts and ends episodes, hears how it is doing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from gear_vla_ros.ros import qos
from gear_vla_ros.srv import ControlEpisode

CONTROL_NAME = "/gear_vla/control_episode"
MESSAGES_A_TURN = 4


@dataclass(frozen=True)
class RecorderFigures:
    """What recorder_node says on /diagnostics once a second. episode: the folder's path, empty with none.

    rates_hz: by topic. free_gb: of the disk. error: one line, empty for none.
    """

    episode: str = ""
    megabytes: float = 0.0
    dropped: int = 0
    free_gb: float | None = None
    error: str = ""
    rates_hz: dict[str, float] = field(default_factory=dict)


def figures_of(pairs: dict[str, str]) -> RecorderFigures:
    """From the key-value pairs of one status."""
    rates = {
        key.removeprefix("rate ").removesuffix(" [Hz]"): float(value)
        for key, value in pairs.items()
        if key.startswith("rate ")
    }
    episode = pairs.get("episode", "none")
    free = pairs.get("GB free on the disk")
    recording = episode != "none"
    return RecorderFigures(
        episode=episode if recording else "",
        megabytes=float(pairs.get("MB recorded", 0.0)) if recording else 0.0,
        dropped=int(pairs.get("dropped", 0)) if recording else 0,
        free_gb=None if free is None else float(free),
        error=pairs.get("error", "") if recording else "",
        rates_hz=rates,
    )


class RecorderClient:
    """Everything runs in the calling thread, in `turn`; Ctrl-C is left to it."""

    def __init__(self) -> None:
        self.figures = RecorderFigures()

    def __enter__(self) -> "RecorderClient":
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        self._node = Node("gear_vla_record")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, qos.RESULT)
        self._control = self._node.create_client(ControlEpisode, CONTROL_NAME)
        self._asking: Future | None = None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._executor.shutdown(timeout_sec=1.0)
        self._node.destroy_node()
        rclpy.try_shutdown()

    @property
    def ready(self) -> bool:
        """Whether a recorder_node serves."""
        return bool(self._control.service_is_ready())

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited."""
        return self._asking is not None

    def ask(self, command: int, instruction: str, operator: str, answered: Callable[[bool, str, str], None]) -> None:
        """One command of ControlEpisode; `answered(accepted, path, message)` is called in a later `turn`."""
        request = ControlEpisode.Request(command=command, instruction=instruction, operator_name=operator)

        def done(future: Future) -> None:
            self._asking = None
            answer = future.result()
            answered(bool(answer.accepted), str(answer.path), str(answer.message))

        self._asking = self._control.call_async(request)
        self._asking.add_done_callback(done)

    def turn(self) -> None:
        """Hear what has come."""
        for _ in range(MESSAGES_A_TURN):
            self._executor.spin_once(timeout_sec=0)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == "recorder_node":
                self.figures = figures_of({pair.key: pair.value for pair in status.values})
