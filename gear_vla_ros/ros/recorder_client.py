"""A client of the recorder_node: starts and ends episodes, hears how it is doing."""

from collections.abc import Callable
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.task import Future

from gear_vla_ros.ros import qos
from gear_vla_ros.ros.client import Client
from gear_vla_ros.srv import ControlEpisode

CONTROL_NAME = "/gear_vla/control_episode"


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


class RecorderClient(Client):
    """For the calling thread; Ctrl-C is left to it."""

    def __init__(self, check: Callable[[], None]) -> None:
        """check: as of `Client`."""
        super().__init__("gear_vla_record", check, leave_ctrl_c=True)
        self.figures = RecorderFigures()

    def open(self) -> None:
        """Diagnostics in, commands out."""
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, qos.RESULT)
        self._control = self.node.create_client(ControlEpisode, CONTROL_NAME)
        self._asking: Future | None = None

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

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == "recorder_node":
                self.figures = figures_of({pair.key: pair.value for pair in status.values})
