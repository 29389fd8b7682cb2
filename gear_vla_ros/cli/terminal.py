"""The terminal key by key, and one line that is written again and again."""

import contextlib
import os
import re
import select
import signal
import sys
import termios
import tty
from types import FrameType, TracebackType

_SEQUENCE = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|O.|.)?")
UNKNOWN_WIDTH = 80
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Terminal:
    """No echo and no waiting for Enter while it is open; as it was before when it closes, however that comes about.

    Ctrl-C, SIGTERM and a closed window end it in the same way: with a KeyboardInterrupt out of the next `keys` or
    `check`. Raised wherever the program happens to be, it could be inside a callback from C++, where it is lost.
    """

    _told_to_end = False

    def __enter__(self) -> "Terminal":
        """Raises ValueError when there is no terminal."""
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise ValueError(
                "keyboard: no terminal at standard input and output; start it in a terminal, not in a pipe"
            )
        self._fd = sys.stdin.fileno()
        self._before = termios.tcgetattr(self._fd)
        self._handlers = {number: signal.signal(number, self._on_signal) for number in _ENDINGS}
        tty.setcbreak(self._fd)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        _write("\n")

    def check(self) -> None:
        """Raises KeyboardInterrupt, once for each time that a signal has told to end."""
        if self._told_to_end:
            self._told_to_end = False
            raise KeyboardInterrupt

    def keys(self, limit_s: float = 0.0) -> str:
        """Keys since the last call, or within `limit_s`; arrow keys and the like are left out. Raises
        KeyboardInterrupt as `check`, and when the terminal is gone."""
        ready, _, _ = select.select([self._fd], [], [], limit_s)
        self.check()
        if not ready:
            return ""
        try:
            data = os.read(self._fd, 1024)
        except OSError:
            data = b""
        if not data or b"\x04" in data:
            raise KeyboardInterrupt
        return _SEQUENCE.sub("", data.decode(errors="ignore"))

    def show(self, line: str) -> None:
        """Write the running line again, cut to the terminal's width."""
        width = _columns() - 1
        _write(f"\r\x1b[K{line if len(line) <= width else line[: width - 1] + '…'}")

    def tell(self, line: str) -> None:
        """A line that stays, above the running one."""
        _write(f"\r\x1b[K{line}\n")

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._told_to_end = True


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or UNKNOWN_WIDTH
    except OSError:
        return UNKNOWN_WIDTH


def _write(text: str) -> None:
    """Nothing is said to a terminal that is gone; the next `keys` tells."""
    with contextlib.suppress(OSError):
        sys.stdout.write(text)
        sys.stdout.flush()
