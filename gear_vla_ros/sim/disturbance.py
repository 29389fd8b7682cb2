"""What goes wrong on purpose while data is collected, so that it shows how to recover.

For a short while something else is followed than what the expert wants: the tool is pushed aside, or the fingers close
or open when they should not. The expert knows nothing of it; its chunks, the labels, start from wherever the arm has
come to (noise injection as in DART, Laskey et al. 2017).
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts import ActionChunk, ArmChunk
from gear_vla_ros.geometry import se3
from gear_vla_ros.sim.running import SECOND_NS

Array = NDArray[np.float64]

KINDS, SHARES = ("kick", "close", "open"), (0.6, 0.25, 0.15)
MOST = 3
BEGIN_S, LASTS_S, APART_S = (0.3, 5.0), (0.3, 0.6), 1.2
KICK_M_S, KICK_RAD_S = (0.08, 0.25), 0.6
GRIPPER = {"close": 0.0, "open": 1.0}


@dataclass(frozen=True)
class Span:
    """One disturbance. twist: `[6]` of the tool in the arm's base frame (m/s, rad/s); of no use unless it is a kick."""

    kind: str
    begin_ns: int
    end_ns: int
    twist: Array


def random_spans(random: np.random.Generator) -> tuple[Span, ...]:
    """None to MOST disturbances of one episode, apart from each other, in the order of time."""
    begins = np.sort(random.uniform(*BEGIN_S, size=random.integers(0, MOST + 1)))
    spans: list[Span] = []
    for begin_s in begins:
        kind, lasts_s, twist = str(random.choice(KINDS, p=SHARES)), random.uniform(*LASTS_S), _kick(random)
        begin_ns = SECOND_NS + round(begin_s * 1e9)
        if not spans or begin_ns > spans[-1].end_ns + APART_S * 1e9:
            spans.append(Span(kind, begin_ns, begin_ns + round(lasts_s * 1e9), twist))
    return tuple(spans)


def _kick(random: np.random.Generator) -> Array:
    """Any way but far down: the table is there."""
    way = random.normal(size=3)
    way[2] = abs(way[2]) if way[2] < -0.3 else way[2]
    linear = way / np.linalg.norm(way) * random.uniform(*KICK_M_S)
    return np.concatenate([linear, random.uniform(-KICK_RAD_S, KICK_RAD_S, 3)])


class Disturber:
    """From a chunk and the time to what is followed in its place; the chunk itself while nothing is disturbed."""

    def __init__(self, spans: tuple[Span, ...]) -> None:
        self._spans = spans
        self._arm: tuple[int, str] = (-1, "")

    def __call__(self, chunk: ActionChunk, now_ns: int) -> ActionChunk:
        """Only the arm that was to move farthest when the disturbance began is disturbed."""
        span = next((span for span in self._spans if span.begin_ns <= now_ns < span.end_ns), None)
        if span is None:
            return chunk
        if self._arm[0] != span.begin_ns:
            self._arm = span.begin_ns, max(chunk.arms, key=lambda arm: _travel(chunk.arms[arm]))
        arm = self._arm[1]
        part = chunk.arms[arm]
        changed = self._kicked(part, span, now_ns, chunk.rate_hz) if span.kind == "kick" else self._gripped(part, span)
        return dataclasses.replace(chunk, arms={**chunk.arms, arm: changed})

    @staticmethod
    def _gripped(part: ArmChunk, span: Span) -> ArmChunk:
        return dataclasses.replace(part, gripper=np.full(len(part.gripper), GRIPPER[span.kind]))

    @staticmethod
    def _kicked(part: ArmChunk, span: Span, now_ns: int, rate_hz: float) -> ArmChunk:
        """Along the twist until the disturbance ends, then still; the fingers as they were to be."""
        due_s = np.arange(1, len(part.gripper) + 1) / rate_hz
        moved = span.twist * np.minimum(due_s, (span.end_ns - now_ns) * 1e-9)[:, None]
        poses = se3.advance(np.broadcast_to(part.base_T_anchor, (len(moved), 4, 4)), moved)
        return dataclasses.replace(part, anchor_T_tcp=se3.inverse(part.base_T_anchor) @ poses)


def _travel(part: ArmChunk) -> float:
    return float(np.linalg.norm(part.anchor_T_tcp[:, :3, 3], axis=1).max() + np.ptp(part.gripper))
