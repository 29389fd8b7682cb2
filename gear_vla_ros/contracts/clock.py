"""Time is passed in, so that tests and replay need no sleeping."""

import time
from typing import Protocol


class Clock(Protocol):
    """Whoever says what time it is; nanoseconds on the time base of the message stamps."""

    def now_ns(self) -> int:
        """The present time in nanoseconds."""
        ...


class SystemClock:
    """Wall time, as ROS 2's default clock."""

    def now_ns(self) -> int:
        return time.time_ns()


class ManualClock:
    """A clock that moves only when told to; it may also be set back, as a real one may."""

    def __init__(self, now_ns: int = 1_000_000_000) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        return self._now_ns

    def advance(self, seconds: float) -> None:
        """Move by `seconds`, backwards if negative."""
        self._now_ns += round(seconds * 1e9)
