"""A node under test, in a process of its own, as it runs in the bring-up."""

import signal
import subprocess
import sys
import threading

from gear_vla_ros.cli.plan import NodeSpec
from gear_vla_ros.cli.processes import command_line

END_LIMIT_S = 15.0


class NodeProcess:
    """Started on entry; on exit interrupted as by Ctrl-C, and it must then end with 0 and without a traceback.

    What the node printed is shown with any failure.
    """

    def __init__(self, executable, **parameters):
        self._name = executable
        self._command = command_line(NodeSpec(executable, parameters))
        self._lines = []
        self._expected = 0

    def __enter__(self):
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", bufsize=1
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, kind, error, at):
        try:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGINT)
            code = self._process.wait(END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait(END_LIMIT_S)
        self._reader.join(END_LIMIT_S)
        if kind is not None:
            print(f"--- {self._name} ended with {code}; it printed:\n{self.output()}", file=sys.stderr)
            return
        assert code == self._expected, f"{self._name} ended with {code}, not {self._expected}:\n{self.output()}"
        assert "Traceback" not in self.output(), self.output()

    @property
    def pid(self):
        return self._process.pid

    def output(self):
        """What the node printed so far."""
        return "".join(self._lines)

    def wait_end(self, limit_s):
        """Exit code of a node that is to end by itself."""
        self._expected = self._process.wait(limit_s)
        self._reader.join(END_LIMIT_S)
        return self._expected

    def _read(self):
        with self._process.stdout as stream:
            for line in stream:
                self._lines.append(line)
