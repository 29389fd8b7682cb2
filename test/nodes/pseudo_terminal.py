"""A command of `gear-vla` in a terminal of its own."""

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time

LIMIT_S = 30.0


class PseudoTerminal:
    """Started on entry. Afterwards it must have ended by itself, with the terminal as it was before."""

    def __init__(self, *arguments):
        self._command = [sys.executable, "-m", "gear_vla_ros.cli.main", *arguments]
        self.output = ""

    def __enter__(self):
        self._master, self._slave = pty.openpty()
        termios.tcsetwinsize(self._slave, (24, 240))
        self._before = termios.tcgetattr(self._slave)
        self._process = subprocess.Popen(
            self._command, stdin=self._slave, stdout=self._slave, stderr=self._slave, start_new_session=True,
            preexec_fn=_take_terminal,
        )  # fmt: skip
        return self

    def __exit__(self, kind, error, at):
        try:
            if kind is None:
                self.code = self._process.wait(LIMIT_S)
                assert termios.tcgetattr(self._slave) == self._before, "the terminal was left changed"
            else:
                print(f"--- the terminal showed:\n{self.output}", file=sys.stderr)
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            os.close(self._master)
            os.close(self._slave)

    @property
    def pid(self):
        return self._process.pid

    def type(self, keys):
        os.write(self._master, keys.encode())

    def signal(self, number=signal.SIGINT):
        self._process.send_signal(number)

    def read(self):
        """Take over what was shown since the last call."""
        while select.select([self._master], [], [], 0)[0]:
            self.output += os.read(self._master, 65536).decode(errors="replace")

    def shows(self, text, turn=lambda: time.sleep(0.02), limit_s=LIMIT_S):
        """Wait for a text; `turn` is called meanwhile."""
        deadline = time.monotonic() + limit_s
        while text not in self.output:
            assert time.monotonic() < deadline, f"waited {limit_s:g} s for '{text}' in:\n{self.output[-2000:]}"
            turn()
            self.read()

    def wait_end(self, limit_s=LIMIT_S):
        """Exit code; what it shows meanwhile is read, so that it never waits for the terminal."""
        deadline = time.monotonic() + limit_s
        while self._process.poll() is None:
            assert time.monotonic() < deadline, f"did not end in {limit_s:g} s:\n{self.output[-2000:]}"
            self.read()
            time.sleep(0.02)
        self.read()
        return self._process.returncode


def _take_terminal():
    """Make the slave the controlling terminal, so that Ctrl-C is a signal."""
    import fcntl

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
