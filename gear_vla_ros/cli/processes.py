"""A group of node processes: started together, watched, stopped together without orphans."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gear_vla_ros.cli.plan import BringUp, NodeSpec

APART_S, INTERRUPT_S, TERMINATE_S, KILL_S = 1.0, 8.0, 3.0, 2.0
FIRST = "target_node"
"""The node that moves the robot is the first to be stopped."""

DOMAINS = 100
_PR_SET_PDEATHSIG = 1


def enter(plan: BringUp) -> None:
    """Let this process meet the plan's nodes, and nobody else's: its network, and a domain of its own unless told."""
    os.environ.update(plan.environment)
    os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % DOMAINS))


@dataclass
class Running:
    """One started node."""

    spec: NodeSpec
    process: subprocess.Popen[str]
    reader: threading.Thread


def command_line(spec: NodeSpec) -> list[str]:
    """How a node is started without launch_ros."""
    parameters = [word for key, value in spec.parameters.items() for word in ("-p", f"{key}:={_yaml(value)}")]
    return [sys.executable, "-m", f"gear_vla_ros.nodes.{spec.executable}", "--ros-args", *parameters]


def _yaml(value: str | int | float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(value)


class ProcessGroup:
    """Starts the nodes of a plan and stops them again.

    Main thread: everything here. One daemon thread a process only copies its output to `show`.
    """

    def __init__(self, plan: BringUp, show: Callable[[str, str], None]) -> None:
        self._plan = plan
        self._show = show
        self._running: list[Running] = []

    def __enter__(self) -> "ProcessGroup":
        try:
            for spec in self._plan.nodes:
                self._running.append(self._start(spec))
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pids(self) -> Mapping[str, int]:
        """Process ids by node name."""
        return {running.spec.name: running.process.pid for running in self._running}

    def ended(self) -> tuple[str, int] | None:
        """Name and exit code of a process that has ended, if any: the others are of no use without it."""
        for running in self._running:
            code = running.process.poll()
            if code is not None:
                return running.spec.name, code
        return None

    def stop(self) -> dict[str, int]:
        """SIGINT to one after another, then SIGTERM and SIGKILL to what is left; exit codes by node name.

        Not to all at once: Fast DDS 2.14 may hang at the end of a process that just then hears of another's end.
        A node that our SIGINT met while it was still being imported, before it handles signals, ended well.
        """
        for running in sorted(reversed(self._running), key=lambda one: one.spec.name != FIRST):
            self._signal([running], signal.SIGINT, APART_S)
        self._wait(self._running, INTERRUPT_S)
        self._signal(self._running, signal.SIGTERM, TERMINATE_S)
        self._signal(self._running, signal.SIGKILL, KILL_S)
        for running in self._running:
            running.reader.join(timeout=1.0)
        codes = {running.spec.name: running.process.returncode for running in self._running}
        return {name: 0 if code == -signal.SIGINT else code for name, code in codes.items()}

    def _signal(self, running: Sequence[Running], number: signal.Signals, limit_s: float) -> None:
        left = [one for one in running if one.process.poll() is None]
        for one in left:
            one.process.send_signal(number)
        self._wait(left, limit_s)

    @staticmethod
    def _wait(running: Sequence[Running], limit_s: float) -> None:
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline and any(one.process.poll() is None for one in running):
            time.sleep(0.02)

    def _start(self, spec: NodeSpec) -> Running:
        process = subprocess.Popen(
            command_line(spec),
            env={**os.environ, **self._plan.environment, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        reader = threading.Thread(target=self._copy, args=(spec.name, process), daemon=True)
        reader.start()
        return Running(spec, process, reader)

    def _copy(self, name: str, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._show(name, line.rstrip("\n"))


def _die_with_parent() -> None:
    """Ask Linux for a SIGINT when the parent is gone, however it went."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
