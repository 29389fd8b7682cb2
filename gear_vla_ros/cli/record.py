"""`gear-vla record`: episodes of a running graph, started, marked and ended by keys."""

import contextlib
import os
import time
from pathlib import Path

from gear_vla_ros.cli.plan import BringUp, NodeSpec, network_environment
from gear_vla_ros.cli.processes import ProcessGroup
from gear_vla_ros.cli.terminal import Terminal
from gear_vla_ros.ros.recorder_client import RecorderClient, RecorderFigures
from gear_vla_ros.settings import load_robot
from gear_vla_ros.srv import ControlEpisode

Request = ControlEpisode.Request
ENDINGS = {
    "e": (Request.STOP, "stopped"),
    "y": (Request.SUCCESS, "success"),
    "n": (Request.FAILURE, "failure"),
    "d": (Request.DISCARD, "discarded"),
}
HELP = "s start · y success · n failure · d discard · e end without a mark · q quit"
TURN_S, SHOW_S, DISCOVERY_S, START_LIMIT_S = 0.05, 0.25, 3.0, 20.0


class Recording:
    """What the keys do, and what there is to say about it. One thread."""

    def __init__(self, client: RecorderClient, terminal: Terminal, instruction: str, operator: str) -> None:
        self._client, self._terminal = client, terminal
        self._instruction, self._operator = instruction, operator
        self._path, self._since_s = "", 0.0
        self._over: set[str] = set()
        self._waiting = ""
        self.quit = False

    @property
    def episode(self) -> str:
        """Folder of the episode being recorded, empty with none; also of one that somebody else started."""
        said = self._client.figures.episode
        return self._path or ("" if said in self._over else said)

    def press(self, keys: str) -> None:
        """Keys one after the other, each when the one before is answered; others than those of `HELP` do nothing."""
        self._waiting += keys
        while self._waiting and not self._client.busy:
            key, self._waiting = self._waiting[0], self._waiting[1:]
            self._press(key)

    def _press(self, key: str) -> None:
        if key == "q":
            self._quit()
        elif key == "s":
            self._client.ask(Request.START, self._instruction, self._operator, self._on_started)
        elif key in ENDINGS:
            command, word = ENDINGS[key]
            self._client.ask(command, "", "", lambda *answer: self._on_ended(word, *answer))

    def _quit(self) -> None:
        if self.episode:
            self._terminal.tell(f"{Path(self.episode).name} is being recorded: y, n, d or e first")
        else:
            self.quit = True

    def _on_started(self, accepted: bool, path: str, message: str) -> None:
        if accepted:
            self._path, self._since_s = path, time.monotonic()
        self._terminal.tell(f"recording {path}" if accepted else f"not started: {message}")

    def _on_ended(self, word: str, accepted: bool, path: str, message: str) -> None:
        if path:
            self._path = ""
            self._over.add(path)
        self._terminal.tell(f"{word}: {path}: {message}" if accepted else f"not {word}: {message}")

    def line(self) -> str:
        """The running line: time, size, drops, disk, and the rates by topic."""
        figures = self._client.figures
        disk = "" if figures.free_gb is None else f"disk {figures.free_gb:.1f} GB"
        if not self.episode:
            return f"not recording  {disk}  |  {_rates(figures)}"
        name = Path(self.episode).name
        passed = f" {time.monotonic() - self._since_s:.0f} s" if self._path else ""
        problem = f"  ERROR {figures.error}" if figures.error else ""
        counts = f"{figures.megabytes:.0f} MB  {figures.dropped} dropped  {disk}"
        return f"REC {name}{passed}  {counts}{problem}  |  {_rates(figures)}"


def run(robot: str, folder: str, pictures: str, instruction: str, operator: str, network: str) -> int:
    """Until q or Ctrl-C. Raises ValueError without a terminal."""
    environment = network_environment(network)
    os.environ.update(environment)
    recorder = NodeSpec("recorder_node", {"robot": robot, "folder": folder, "pictures": pictures})
    plan = BringUp(load_robot(robot), (recorder,), environment)
    with Terminal() as terminal:
        try:
            return _record(plan, terminal, instruction, operator)
        except KeyboardInterrupt:
            terminal.tell("ended")
            return 0


def _record(plan: BringUp, terminal: Terminal, instruction: str, operator: str) -> int:
    """With the recorder_node that is there, else with one of our own, whose episode ends with it."""
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(RecorderClient(terminal.check))
        group = None
        if not client.within(DISCOVERY_S, lambda: client.ready):
            group = stack.enter_context(ProcessGroup(plan, lambda name, line: terminal.tell(f"{name}: {line}")))
            if not client.within(START_LIMIT_S, lambda: client.ready or group.ended()) or group.ended():
                terminal.tell("recorder_node did not start; what it said is above")
                return 1
        recording = Recording(client, terminal, instruction, operator)
        terminal.tell(HELP)
        shown_s = 0.0
        while not recording.quit:
            recording.press(terminal.keys(TURN_S))
            client.turn()
            if group is not None and group.ended():
                return 1
            if time.monotonic() - shown_s > SHOW_S:
                shown_s = time.monotonic()
                terminal.show(recording.line())
    return 0


def _rates(figures: RecorderFigures) -> str:
    running = {topic: rate for topic, rate in figures.rates_hz.items() if rate > 0}
    shown = (f"{topic.removeprefix('/gear_vla').strip('/')} {rate:.0f}" for topic, rate in running.items())
    return "  ".join(shown) + " Hz" if running else "nothing is heard"
