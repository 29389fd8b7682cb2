"""How a new chunk meets the running one: `SEAMS` makes, from the window in seconds, what `FollowingSpec.seam` names."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from gear_vla_ros.contracts import ActionChunk
from gear_vla_ros.geometry import se3, so3
from gear_vla_ros.runtime.track import Course, Desired, Track

Seam = Callable[[Course | None, Course, int], Course]
"""From the running course (None: nothing runs), the new one and the present time to the course that is followed."""

MOST_CHUNKS = 3
"""Chunks that an ensemble averages at most, the newest."""
DECAY_S = 1.0
"""Age of an anchor, beyond the newest one's, at which its chunk weighs 1 / e; shorter would undo the fading in."""
MEAN_STEPS = 2
"""Gauss-Newton steps of the mean rotation; for two chunks the first is exact."""


def switch(window_s: float) -> Seam:
    """Follow the newest by time; the safety filter turns the step at the seam into motion within the limits."""
    return lambda running, new, now_ns: new


def blend(window_s: float) -> Seam:
    """Cross over from the running course to the new one within the window, or what is left of the running one."""

    def join(running: Course | None, new: Course, now_ns: int) -> Course:
        if running is None:
            return new
        old = running if isinstance(running, Track) else Coasting(running, now_ns)
        return Blended(old, new, now_ns, min(now_ns + round(window_s * 1e9), running.chunk.end_ns))

    return join


class Coasting:
    """A course that goes on as it moved at one moment, so that blends of blends do not pile up."""

    def __init__(self, course: Course, since_ns: int) -> None:
        self._moving, self._since_ns = course.at(since_ns), since_ns
        self.chunk: ActionChunk = course.chunk

    def at(self, now_ns: int) -> Mapping[str, Desired]:
        """The motion at constant twist and gripper."""
        passed_s = (now_ns - self._since_ns) * 1e-9
        return {
            arm: Desired(se3.advance(moving.base_T_tcp, passed_s * moving.twist), moving.twist, moving.gripper)
            for arm, moving in self._moving.items()
        }


class Blended:
    """From `old` at `begin_ns` to `new` at `end_ns`, on straight line and geodesic, without a step in the twist."""

    def __init__(self, old: Course, new: Course, begin_ns: int, end_ns: int) -> None:
        self._old, self._new, self._begin_ns, self._end_ns = old, new, begin_ns, end_ns
        self.chunk: ActionChunk = new.chunk

    def at(self, now_ns: int) -> Mapping[str, Desired]:
        """The blend, and the new course alone from `end_ns` on."""
        new = self._new.at(now_ns)
        if now_ns >= self._end_ns:
            return new
        old, length_ns = self._old.at(now_ns), self._end_ns - self._begin_ns
        part = min(max((now_ns - self._begin_ns) / length_ns, 0.0), 1.0)
        weight, change = _smooth(part), 6.0 * part * (1.0 - part) / (length_ns * 1e-9)
        return {arm: _between(old[arm], new[arm], weight, change) for arm in new}


def _between(old: Desired, new: Desired, weight: float, change: float) -> Desired:
    """`weight` of the new; `change` is the weight's growth a second."""
    apart = se3.difference(old.base_T_tcp, new.base_T_tcp)
    pose = se3.advance(old.base_T_tcp, weight * apart)
    twist = (1 - weight) * old.twist + weight * new.twist + change * apart
    return Desired(pose, twist, (1 - weight) * old.gripper + weight * new.gripper)


class Member(NamedTuple):
    """One chunk of an ensemble and when it came in."""

    course: Course
    since_ns: int


def ensemble(window_s: float) -> Seam:
    """Weighted mean of all chunks that cover the present (ACT, Zhao et al. 2023, 4.2, on SE(3) and by time)."""
    window_ns = round(window_s * 1e9)

    def join(running: Course | None, new: Course, now_ns: int) -> Course:
        before = running.members if isinstance(running, Ensemble) else ()
        live = [member for member in before if member.course.chunk.end_ns > now_ns]
        since_ns = now_ns if live else now_ns - window_ns
        return Ensemble((*live[-(MOST_CHUNKS - 1) :], Member(new, since_ns)), window_ns)

    return join


class Ensemble:
    """Mean of several chunks; a weight fades in and out over the window and falls with the age of the chunk's anchor.

    Twists are averaged with the same weights; what the weights' change adds is left to the filter's feedback.
    """

    def __init__(self, members: tuple[Member, ...], window_ns: int) -> None:
        self.members, self._window_ns = members, window_ns
        self.chunk: ActionChunk = members[-1].course.chunk

    def at(self, now_ns: int) -> Mapping[str, Desired]:
        """The weighted mean of each arm."""
        weighted = [(self._weight(member, now_ns), member.course) for member in self.members]
        total = sum(weight for weight, _ in weighted)
        if total <= 0.0:
            return self.members[-1].course.at(now_ns)
        wanted = [(weight / total, course.at(now_ns)) for weight, course in weighted if weight > 0.0]
        return {arm: _mean([(weight, arms[arm]) for weight, arms in wanted]) for arm in wanted[0][1]}

    def _weight(self, member: Member, now_ns: int) -> float:
        chunk = member.course.chunk
        fade = min((now_ns - member.since_ns) / self._window_ns, (chunk.end_ns - now_ns) / self._window_ns, 1.0)
        older_s = (self.chunk.stamp_ns - chunk.stamp_ns) * 1e-9
        return _smooth(max(fade, 0.0)) * math.exp(-older_s / DECAY_S)


def _mean(weighted: list[tuple[float, Desired]]) -> Desired:
    if len(weighted) == 1:
        return weighted[0][1]
    weights = np.array([weight for weight, _ in weighted])
    poses = np.stack([desired.base_T_tcp for _, desired in weighted])
    rotation = poses[-1, :3, :3]
    for _ in range(MEAN_STEPS):
        rotation = so3.exp(weights @ so3.log(poses[:, :3, :3] @ rotation.T)) @ rotation
    pose = se3.from_rotation_translation(rotation, weights @ poses[:, :3, 3])
    twist = weights @ np.stack([desired.twist for _, desired in weighted])
    return Desired(pose, twist, sum(weight * desired.gripper for weight, desired in weighted))


def _smooth(part: float) -> float:
    """From 0 to 1 with zero slope at both ends."""
    return part * part * (3.0 - 2.0 * part)


SEAMS: Mapping[str, Callable[[float], Seam]] = MappingProxyType(
    {"switch": switch, "blend": blend, "ensemble": ensemble, "rtc": switch}
)
"""`rtc`: the policy was given steps of what was under way, so its chunk goes on from there; what is left of a step
with long latencies is the safety filter's, as with `switch` (ADR 20)."""
