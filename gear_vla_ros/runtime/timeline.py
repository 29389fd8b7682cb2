"""The motion that is being followed, by time."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from gear_vla_ros.contracts import ActionChunk
from gear_vla_ros.runtime.refused import Refused
from gear_vla_ros.runtime.seams import SEAMS, switch
from gear_vla_ros.runtime.track import Course, Desired, Track

RATE_HZ = (10.0, 100.0)
"""Steps a second that a chunk may have."""


@dataclass(frozen=True)
class Sample:
    """What is wanted at one time, by arm, and the newest chunk it comes from."""

    arms: Mapping[str, Desired]
    chunk: ActionChunk


class Timeline:
    """Chunks joined by a seam. A late chunk is entered where its time is, so latency skips steps exactly. One thread.

    arms: names that every chunk must have (None: any). max_future_s: how far ahead of now an anchor's stamp may be.
    window_s: how long the seams `blend` and `ensemble` take from one chunk to the next. A person's chunks come at
    every tick and always `switch`: averaged, they would lag behind his hand.
    """

    def __init__(
        self,
        seam: str = "switch",
        arms: Collection[str] | None = None,
        max_future_s: float = 0.05,
        window_s: float = 0.2,
    ) -> None:
        self._join = SEAMS[seam](window_s)
        self._join_operator = switch(window_s)
        self._arms = None if arms is None else set(arms)
        self._max_future_ns = round(max_future_s * 1e9)
        self._course: Course | None = None

    def accept(self, chunk: ActionChunk, now_ns: int) -> None:
        """Follow `chunk` from now on.

        Raises Refused with cause `past` (its last step is over), `future` (its anchor was captured ahead of now),
        `sequence` (not after the running chunk of the same maker), `arms` or `rate`.
        """
        self._check_fit(chunk)
        if chunk.end_ns <= now_ns:
            raise Refused("past", f"chunk {chunk.sequence}: ended {(now_ns - chunk.end_ns) * 1e-9:.3f} s ago")
        if chunk.stamp_ns > now_ns + self._max_future_ns:
            ahead, allowed = (chunk.stamp_ns - now_ns) * 1e-9, self._max_future_ns * 1e-9
            raise Refused("future", f"chunk {chunk.sequence}: stamp {ahead:.3f} s ahead of now, allowed {allowed:g} s")
        running = self._running(now_ns)
        same = running is not None and running.chunk.model_id == chunk.model_id
        if running is not None and same and chunk.sequence <= running.chunk.sequence:
            raise Refused("sequence", f"chunk {chunk.sequence}: allowed is after {running.chunk.sequence}, which runs")
        join = self._join_operator if chunk.by_operator else self._join
        self._course = join(running, Track(chunk), now_ns)

    def _check_fit(self, chunk: ActionChunk) -> None:
        if self._arms is not None and set(chunk.arms) != self._arms:
            found, allowed = ", ".join(sorted(chunk.arms)), ", ".join(sorted(self._arms))
            raise Refused("arms", f"chunk {chunk.sequence}: arms {found}, allowed {allowed}")
        if not RATE_HZ[0] <= chunk.rate_hz <= RATE_HZ[1]:
            raise Refused(
                "rate", f"chunk {chunk.sequence}: {chunk.rate_hz:g} Hz, allowed {RATE_HZ[0]:g} to {RATE_HZ[1]:g}"
            )

    def _running(self, now_ns: int) -> Course | None:
        return self._course if self._course is not None and now_ns < self._course.chunk.end_ns else None

    def sample(self, now_ns: int) -> Sample | None:
        """What is wanted at `now_ns`; None before the first chunk and after the end of the last."""
        course = self._running(now_ns)
        return None if course is None else Sample(course.at(now_ns), course.chunk)

    def remaining_s(self, now_ns: int) -> float:
        """Time left until the end, 0 with nothing left."""
        return 0.0 if self._course is None else max(0.0, (self._course.chunk.end_ns - now_ns) * 1e-9)

    @property
    def chunk(self) -> ActionChunk | None:
        """The newest chunk, over or not; None before the first and after `clear`."""
        return None if self._course is None else self._course.chunk

    def clear(self) -> None:
        """Drop what is followed."""
        self._course = None
