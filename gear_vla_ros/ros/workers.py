"""A thread that works on the newest item only: what comes while it is busy is replaced, never queued."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class NewestOnly(Generic[T, R]):
    """`deliver(work(item))` in one daemon thread, for the newest item offered.

    failed: called in that thread with whatever `work` or `deliver` raised; the thread goes on.
    min_period_s: least time between the beginnings of two pieces of work. Nothing is delivered after `close`.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[T], R],
        deliver: Callable[[R], None],
        failed: Callable[[Exception], None],
        min_period_s: float = 0.0,
    ) -> None:
        self._work, self._deliver, self._failed = work, deliver, failed
        self._min_period_s = min_period_s
        self._changed = threading.Condition()
        self._waiting: list[T] = []
        self._busy = self._closed = False
        self.skipped = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def idle(self) -> bool:
        """True when nothing is being worked on and nothing waits."""
        with self._changed:
            return not (self._busy or self._waiting)

    def offer(self, item: T) -> None:
        """The newest item; one that still waited is skipped and counted."""
        with self._changed:
            self.skipped += len(self._waiting)
            self._waiting[:] = [item]
            self._changed.notify()

    def close(self, limit_s: float) -> bool:
        """End the thread; False if a piece of work did not end within the limit (its result is dropped)."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout=limit_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        earliest_s = 0.0
        while (item := self._next(earliest_s)) is not None:
            earliest_s = time.monotonic() + self._min_period_s
            try:
                result = self._work(item[0])
                if not self._closed:
                    self._deliver(result)
            except Exception as error:
                if not self._closed:
                    self._failed(error)

    def _next(self, earliest_s: float) -> list[T] | None:
        """The newest item in a list, not before `earliest_s`; None when closed."""
        with self._changed:
            self._busy = False
            self._changed.wait_for(lambda: self._closed, timeout=max(0.0, earliest_s - time.monotonic()))
            self._changed.wait_for(lambda: self._closed or bool(self._waiting))
            if self._closed:
                return None
            self._busy, item, self._waiting = True, self._waiting, []
            return item
