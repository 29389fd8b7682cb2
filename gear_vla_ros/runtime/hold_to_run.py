"""The operator's button, which must stay pressed."""

from gear_vla_ros.contracts import Clock


class HoldToRun:
    """Counts from the arrival of the last message: a pad that is switched off, or was never there, holds the robot too.

    One thread.
    """

    def __init__(self, clock: Clock, timeout_s: float) -> None:
        self._clock, self._timeout_ns = clock, round(timeout_s * 1e9)
        self._heard_ns: int | None = None
        self._pressed = False

    def say(self, pressed: bool) -> None:
        """A message came."""
        self._heard_ns, self._pressed = self._clock.now_ns(), pressed

    def restart(self) -> None:
        """Forget what was heard, as after the clock was set back."""
        self._heard_ns = None

    @property
    def missing(self) -> str | None:
        """Why the robot may not move: `hold_to_run_absent`, `_stale` or `_released`; None: it may."""
        if self._heard_ns is None:
            return "hold_to_run_absent"
        if self._clock.now_ns() - self._heard_ns > self._timeout_ns:
            return "hold_to_run_stale"
        return None if self._pressed else "hold_to_run_released"
