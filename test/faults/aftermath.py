"""What the targets did after a fault: how soon they held, how soon they stood, how far they moved."""

import json
import time

import numpy as np

from gear_vla_ros.contracts import Grade
from gear_vla_ros.ros import convert
from gear_vla_ros.ros.stamps import to_ns

HOLD_LIMIT_S, STAND_LIMIT_S, MOVED_LIMIT_M = 6.0, 8.0, 0.5
"""For a loaded machine; benchmarks/RESULTS.md has the figures."""


class Aftermath:
    """Opened at the moment of the fault, on a peer that hears the targets."""

    def __init__(self, peer, targets, spec, fault):
        self._peer, self._targets, self._spec, self._fault = peer, targets, spec, fault
        self._begin = time.time_ns()
        self._last = convert.target_from_msg(targets[-1], spec)

    def _after(self):
        heard = [message for message in self._targets if to_ns(message.header.stamp) > self._begin]
        return [convert.target_from_msg(message, self._spec) for message in heard]

    def _standing(self):
        targets = self._after()
        if not targets or targets[-1].grade < Grade.HOLD:
            return None
        return targets if all(not arm.twist.any() for arm in targets[-1].arms.values()) else None

    def until_it_stands(self, grade=Grade.HOLD):
        """Wait for standstill; check the bounds, print and return the figures."""
        targets = self._peer.until(self._standing, f"standstill after: {self._fault}", HOLD_LIMIT_S + STAND_LIMIT_S)
        held = next(target for target in targets if target.grade >= Grade.HOLD)
        still = next(t for t in targets if t.grade >= Grade.HOLD and not any(a.twist.any() for a in t.arms.values()))
        moved = 0.0
        for name in held.arms:
            way = [self._last, *(target for target in targets if target.stamp_ns <= still.stamp_ns)]
            xyz = np.stack([target.arms[name].base_T_tcp[:3, 3] for target in way])
            moved = max(moved, float(np.linalg.norm(np.diff(xyz, axis=0), axis=1).sum()))
        figures = {
            "fault": self._fault,
            "grade": held.grade.name,
            "to_hold_s": round((held.stamp_ns - self._begin) * 1e-9, 3),
            "to_standstill_s": round((still.stamp_ns - self._begin) * 1e-9, 3),
            "moved_mm": round(moved * 1e3, 1),
        }
        print(json.dumps(figures), flush=True)
        assert targets[-1].grade >= grade, figures
        assert figures["to_hold_s"] < HOLD_LIMIT_S and moved < MOVED_LIMIT_M, figures
        return figures
