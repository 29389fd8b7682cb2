"""Inputs that must keep coming."""

from gear_vla_ros.contracts import Clock, Grade


class Watchdogs:
    """Past its limit an input slows the robot, past twice its limit it holds it. One thread.

    Ages count from the newest capture that was fed, and before the first one from when the input was expected: the
    absence of the first message is a fault as well.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._limits_ns: dict[str, int] = {}
        self._fed_ns: dict[str, int] = {}

    def expect(self, name: str, limit_s: float) -> None:
        """Watch an input from now on. Raises ValueError for a limit that is not positive."""
        if limit_s <= 0:
            raise ValueError(f"{name}: limit {limit_s} s, allowed is more than 0")
        self._limits_ns[name] = round(limit_s * 1e9)
        self._fed_ns[name] = self._clock.now_ns()

    def fed(self, name: str, stamp_ns: int | None = None) -> None:
        """The input came, captured at `stamp_ns` (None or the future: now). Raises KeyError if it was not expected."""
        now_ns = self._clock.now_ns()
        if name not in self._limits_ns:
            raise KeyError(f"watchdog '{name}' was never expected; there are {', '.join(self._limits_ns) or 'none'}")
        self._fed_ns[name] = now_ns if stamp_ns is None else min(stamp_ns, now_ns)

    def restart(self) -> None:
        """Count all ages from now, as after the clock was set back."""
        self._fed_ns = dict.fromkeys(self._fed_ns, self._clock.now_ns())

    def age_s(self, name: str) -> float:
        """Seconds since the newest capture."""
        return (self._clock.now_ns() - self._fed_ns[name]) * 1e-9

    def grade(self) -> tuple[Grade, tuple[str, ...]]:
        """The worst grade, and as `<name>_stale` every input that is past its limit, worst first."""
        now_ns = self._clock.now_ns()
        found: list[tuple[Grade, str]] = []
        for name, limit_ns in self._limits_ns.items():
            age_ns = now_ns - self._fed_ns[name]
            if age_ns > limit_ns:
                found.append((Grade.HOLD if age_ns > 2 * limit_ns else Grade.SLOW, f"{name}_stale"))
        found.sort(key=lambda item: -item[0])
        return (found[0][0] if found else Grade.FULL), tuple(cause for _, cause in found)
