"""Physics in a thread of its own, as fast as the wall clock."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gear_vla_ros.sim.world import World

LATE_S = 0.1
"""Time that is made up for; what is missed beyond it is lost, and the simulation was slower than the wall clock."""
CLOSE_LIMIT_S = 5.0
SECOND_NS = 1_000_000_000
INTERRUPTED_NS = 200_000
Stamp = Callable[[int, int], int]


def simulated_stamp(elapsed_ns: int, due_ns: int) -> int:
    """Capture times on the simulation's own clock, which begins at one second: a stamp of zero means none."""
    return SECOND_NS + elapsed_ns


class WallStamp:
    """Capture times on a wall clock: when a step was due, not when the thread got to it.

    now_ns: the wall clock. Its distance from the monotonic clock is measured anew at every call, unless the thread was
    interrupted while reading the two.
    """

    def __init__(self, now_ns: Callable[[], int], monotonic_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._now_ns, self._monotonic_ns = now_ns, monotonic_ns
        self._offset_ns: int | None = None

    def __call__(self, elapsed_ns: int, due_ns: int) -> int:
        """Wall time [ns] of the monotonic time `due_ns`."""
        before_ns, wall_ns, after_ns = self._monotonic_ns(), self._now_ns(), self._monotonic_ns()
        if self._offset_ns is None or after_ns - before_ns < INTERRUPTED_NS:
            self._offset_ns = wall_ns - (before_ns + after_ns) // 2
        return due_ns + self._offset_ns


class Simulation:
    """Steps a world every `period_s`; others use the world between two steps, by `held`.

    stamp: capture time [ns] from the simulated time since the start and the monotonic time at which the step was due,
    both in ns. on_tick: called after every period, in the physics thread,
    nothing held. failed: called once with what ended the thread.
    """

    def __init__(
        self,
        world: World,
        period_s: float,
        stamp: Stamp,
        on_tick: Callable[[], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self.world, self._period_s = world, period_s
        self._stamp, self._on_tick, self._failed = stamp, on_tick, failed
        self._lock, self._ending = threading.Lock(), threading.Event()
        self._elapsed_ns = self._lost_ns = 0
        self._stamp_ns = stamp(0, time.monotonic_ns())
        self._thread = threading.Thread(target=self._run, name="physics", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @contextmanager
    def held(self) -> Iterator[tuple[World, int]]:
        """The world and the capture time of its state [ns], while nobody steps it. Hold it for microseconds."""
        with self._lock:
            yield self.world, self._stamp_ns

    @property
    def elapsed_s(self) -> float:
        """Simulated seconds since the start; resets of the world do not count."""
        return self._elapsed_ns * 1e-9

    @property
    def lost_s(self) -> float:
        """Seconds by which the simulation has fallen behind the wall clock for good."""
        return self._lost_ns * 1e-9

    def close(self) -> bool:
        """End the thread; False if it did not end within the limit."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_LIMIT_S)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._pace()
        except Exception as error:
            self._failed(error)

    def _pace(self) -> None:
        period_ns, due_ns = round(self._period_s * 1e9), time.monotonic_ns()
        while not self._ending.wait(max(0.0, (due_ns - time.monotonic_ns()) * 1e-9)):
            with self._lock:
                self.world.step(self._period_s)
                self._elapsed_ns += period_ns
                self._stamp_ns = max(self._stamp_ns + 1, self._stamp(self._elapsed_ns, due_ns))
            self._on_tick()
            due_ns += period_ns
            behind_ns = time.monotonic_ns() - due_ns
            if behind_ns > LATE_S * 1e9:
                self._lost_ns += behind_ns
                due_ns += behind_ns
