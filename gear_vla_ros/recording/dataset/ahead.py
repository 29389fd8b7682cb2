"""Work that goes on in a thread of its own while the caller reads on."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

WAITING = 8
"""Calls that may wait; the caller waits for the oldest of more."""


class Ahead:
    """Calls one after the other in one thread, the caller at most `WAITING` ahead. Whoever calls is one thread.

    What a call raises is raised by a later `call`, or by `wait`.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._pending: deque[Future[None]] = deque()

    def call(self, work: Callable[..., None], *arguments: Any) -> None:
        """Have `work(*arguments)` done next."""
        self._pending.append(self._pool.submit(work, *arguments))
        while len(self._pending) > WAITING:
            self._pending.popleft().result()

    def wait(self) -> None:
        """Until all is done."""
        while self._pending:
            self._pending.popleft().result()

    def stop(self) -> None:
        """End the thread after the call it is in; what waits is dropped."""
        self._pool.shutdown(cancel_futures=True)
