"""When things are done in simulated time: at a rate, or one after another, each taking its time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from gear_vla_ros.sim.running import SECOND_NS

Result = TypeVar("Result")


@dataclass(frozen=True)
class Timing:
    """slow_hz, fast_hz: slow and fast passes a second at most. slow_s: from an observation until its latents can be
    used. fast_s: from a state until its chunk is followed. tail_s: how long the episode goes on after the success.

    execute_s: 0 to think and act while the robot moves; else it holds still meanwhile, slow_s + fast_s each time, then
    follows so much of the chunk and holds again (synchronous inference).
    """

    slow_hz: float = 10.0
    fast_hz: float = 10.0
    slow_s: float = 0.0
    fast_s: float = 0.05
    execute_s: float = 0.0
    limit_s: float = 20.0
    tail_s: float = 0.3


class Repeated:
    """Something that is done at a rate, at the first call when it is due."""

    def __init__(self, hz: float, do: Callable[[], None], begin_ns: int = SECOND_NS) -> None:
        self._period_ns, self._due_ns, self._do = round(1e9 / hz), begin_ns, do

    def run_if_due(self, now_ns: int) -> None:
        """Do it, unless it was done less than a period ago."""
        if now_ns >= self._due_ns:
            self._due_ns += self._period_ns
            self._do()


class Worker(Generic[Result]):
    """One call at a time, as a node's worker thread: its result is there `takes_s` after it was begun.

    do: None when there is nothing to begin with; it is asked again at the next step.
    """

    def __init__(
        self, hz: float, takes_s: float, do: Callable[[], Result | None], done: Callable[[Result], None]
    ) -> None:
        self._period_ns, self._takes_ns = round(1e9 / hz), round(takes_s * 1e9)
        self._do, self._done = do, done
        self._due_ns = self._ready_ns = 0
        self._result: Result | None = None

    def run(self, now_ns: int) -> None:
        """Hand over what is ready; begin anew when that is due and nothing is being made."""
        self._deliver(now_ns)
        if self._result is None and now_ns >= self._due_ns and (result := self._do()) is not None:
            self._result, self._ready_ns = result, now_ns + self._takes_ns
            next_ns = self._due_ns + self._period_ns
            self._due_ns = next_ns if next_ns > now_ns else now_ns + self._period_ns
            self._deliver(now_ns)

    def _deliver(self, now_ns: int) -> None:
        if self._result is not None and now_ns >= self._ready_ns:
            result, self._result = self._result, None
            self._done(result)
