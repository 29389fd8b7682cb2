"""Views and states joined by capture stamp into observations."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts import Clock, ContractError, Instruction, Observation, RobotState, SceneObject, ViewRole
from gear_vla_ros.runtime.history import StateHistory
from gear_vla_ros.settings.robot import SyncSpec

Image = NDArray[np.uint8]
REFERENCE: ViewRole = "head"
BUFFERED_IMAGES = 4


class Synchroniser:
    """Keeps the last images a role and the states of two seconds; gives each complete set at most once. One thread.

    stale_s: age from which `missing` calls an input stale.
    """

    def __init__(self, roles: Iterable[ViewRole], sync: SyncSpec, clock: Clock, stale_s: float = 0.5) -> None:
        self._images: dict[ViewRole, deque[tuple[int, Image]]] = {role: deque(maxlen=BUFFERED_IMAGES) for role in roles}
        if REFERENCE not in self._images:
            raise ContractError(f"roles: {', '.join(self._images) or 'none'}; {REFERENCE} is needed as the reference")
        self._max_skew_ns, self._max_future_ns = round(sync.max_skew_s * 1e9), round(sync.max_future_s * 1e9)
        self._stale_s, self._clock = stale_s, clock
        self._states = StateHistory()
        self._now_ns, self._given_ns = 0, 0
        self.skew_ns = 0
        """Skew of the last observation given."""
        self.counters: Counter[str] = Counter()
        """How often each input was taken or refused, as `head`, `head repeated`, `state future`."""

    def add_image(self, role: ViewRole, stamp_ns: int, image: Image) -> None:
        """Keep an image `[height, width, 3]`, not copied.

        Raises ContractError for a role the robot lacks and for a stamp that is zero, ahead of the clock by more than
        `max_future_s`, before the last one of this role, or the last one again (a frozen camera).
        """
        if role not in self._images:
            raise ContractError(f"image: role '{role}', allowed {', '.join(self._images)}")
        kept = self._images[role]
        self._check_stamp(role, stamp_ns, lambda: kept[-1][0] if kept else 0)
        kept.append((stamp_ns, image))

    def add_state(self, state: RobotState) -> None:
        """Keep a state. Raises ContractError as `add_image`, and when its arms are others than before."""
        self._check_stamp("state", state.stamp_ns, lambda: self._states.newest_ns)
        self._states.add(state)

    def _check_stamp(self, what: str, stamp_ns: int, last: Callable[[], int]) -> None:
        now_ns = self._clock.now_ns()
        if now_ns < self._now_ns:
            self._forget()
        self._now_ns, last_ns = now_ns, last()
        if stamp_ns <= 0:
            self._refuse(what, "zero_stamp", f"stamp {stamp_ns} ns, allowed are capture times greater than zero")
        if stamp_ns > now_ns + self._max_future_ns:
            ahead, allowed = (stamp_ns - now_ns) * 1e-9, self._max_future_ns * 1e-9
            self._refuse(what, "future", f"stamp {ahead:.3f} s ahead of the clock, allowed {allowed:g} s")
        if stamp_ns == last_ns:
            self._refuse(what, "repeated", f"stamp {stamp_ns} ns again, the source may be frozen")
        if stamp_ns < last_ns:
            self._refuse(what, "back", f"stamp {(last_ns - stamp_ns) * 1e-9:.3f} s before the last one")
        self.counters[what] += 1

    def _refuse(self, what: str, cause: str, line: str) -> None:
        self.counters[f"{what} {cause}"] += 1
        raise ContractError(f"{what}: {cause}: {line}")

    def _forget(self) -> None:
        """The clock was set back: nothing kept has a place on the new time line."""
        self.counters["clock set back"] += 1
        for kept in self._images.values():
            kept.clear()
        self._states.clear()
        self._given_ns = 0

    def newest(self, instruction: Instruction, scene: Mapping[str, SceneObject] | None = None) -> Observation | None:
        """The newest complete set that was not given before, at the stamp of its head image; None while there is none.

        Other views are the nearest in time, within `max_skew_s`; the state is interpolated to the head's stamp, so the
        set is complete only when a later state is there.
        """
        for stamp_ns, _ in reversed(self._images[REFERENCE]):
            if stamp_ns <= self._given_ns:
                return None
            views, state = self._views(stamp_ns), self._states.at(stamp_ns)
            if views is not None and state is not None:
                self._given_ns = stamp_ns
                self.skew_ns = max(abs(seen_ns - stamp_ns) for seen_ns, _ in views.values())
                images = {role: image for role, (_, image) in views.items()}
                return Observation(stamp_ns, images, state, instruction, self.skew_ns, scene)
        return None

    def _views(self, stamp_ns: int) -> dict[ViewRole, tuple[int, Image]] | None:
        views = {}
        for role, kept in self._images.items():
            nearest = min(kept, key=lambda item: abs(item[0] - stamp_ns), default=None)
            if nearest is None or abs(nearest[0] - stamp_ns) > self._max_skew_ns:
                return None
            views[role] = nearest
        return views

    def ages_s(self) -> dict[str, float | None]:
        """Seconds since the capture of the newest image of each role and of the newest `state`; None with none yet."""
        newest: dict[str, int] = {role: kept[-1][0] if kept else 0 for role, kept in self._images.items()}
        newest["state"] = self._states.newest_ns
        now_ns = self._clock.now_ns()
        return {what: (now_ns - stamp_ns) * 1e-9 if stamp_ns else None for what, stamp_ns in newest.items()}

    def missing(self) -> list[str]:
        """What keeps observations from being complete, in words; empty when nothing does."""
        lines = []
        for what, age_s in self.ages_s().items():
            if age_s is None:
                lines.append(f"{what}: none yet")
            elif age_s > self._stale_s:
                lines.append(f"{what}: newest is {age_s:.2f} s old, allowed {self._stale_s:g} s")
        return lines or self._apart()

    def _apart(self) -> list[str]:
        """Roles whose stamps are too far from every head image."""
        heads = [stamp_ns for stamp_ns, _ in self._images[REFERENCE]]
        lines = []
        for role, kept in self._images.items():
            skew_ns = min(abs(stamp_ns - head_ns) for stamp_ns, _ in kept for head_ns in heads)
            if skew_ns > self._max_skew_ns:
                lines.append(
                    f"{role}: {skew_ns * 1e-6:.0f} ms from {REFERENCE}, allowed {self._max_skew_ns * 1e-6:g} ms"
                )
        return lines
