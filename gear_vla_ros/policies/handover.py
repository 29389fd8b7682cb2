"""A bar from the left arm to the right, without memory: what to do next follows from where tools, fingers and bar are.

The left arm takes the bar near its end on the left, lifts it to the middle and turns it across; meanwhile the right one
turns on the spot, the way it will take it. The right arm takes the other end; the left arm lets go and leaves.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gear_vla_ros.geometry import se3, so3
from gear_vla_ros.policies.lift import FINGER_1_S, SLACK, Array, Lift, Tool, towards

GIVER, TAKER = "left", "right"
FROM_END_M = 0.03
"""Of the bar's middle between the fingers from its end."""
MEETING_UP_M = 0.14
"""Of the bar above the table where it is passed on."""
AT_M, AT_RAD = 0.015, 0.12
LEAVE_UP_M, TAKE_AWAY_M = 0.10, 0.06
PASS_M_S = 0.18


@dataclass(frozen=True)
class Grips:
    """Who holds the bar, as it was measured: what is only foreseen does not count."""

    giver: bool
    taker: bool
    giver_is_open: bool


@dataclass(frozen=True)
class Handover:
    """lifts: by arm. meeting: x and y [m] in the world of the bar's middle when it is passed on."""

    lifts: Mapping[str, Lift]
    meeting: Array

    def grips(self, tools: Mapping[str, Tool], world_T_bar: Array, size: Array) -> Grips:
        """Who holds the bar now."""
        giver, taker = (
            self.lifts[arm].holds(tools[arm], end_of(world_T_bar, size, arm), size) for arm in (GIVER, TAKER)
        )
        is_open = tools[GIVER].opening > float(min(size[:2])) / self.lifts[GIVER].stroke_m + SLACK
        return Grips(giver, taker, is_open)

    def step(
        self, tools: Mapping[str, Tool], world_T_bar: Array, size: Array, grips: Grips, dt: float
    ) -> dict[str, tuple[Tool, float]]:
        """Each tool after `dt` seconds, and what its gripper is told (0 closed, 1 open)."""
        giver, taker = tools[GIVER], tools[TAKER]
        if grips.taker:
            if grips.giver or not grips.giver_is_open:
                return {GIVER: (self._opened(giver, dt), 1.0), TAKER: (taker, 0.0)}
            return {GIVER: (self._left(giver, dt), 1.0), TAKER: (self._taken(taker, world_T_bar, dt), 0.0)}
        if not grips.giver:
            fetched = self._fetch(GIVER, giver, world_T_bar, size, dt)
            return {GIVER: fetched, TAKER: (self._opened(taker, dt), 1.0)}
        carried, is_there = self._carried(giver, world_T_bar, dt)
        if not is_there:
            ready = self.lifts[TAKER].turned(taker, end_of(self._meeting(world_T_bar), size, TAKER), size, dt)
            return {GIVER: (carried, 0.0), TAKER: (Tool(ready, self._opened(taker, dt).opening), 1.0)}
        return {GIVER: (carried, 0.0), TAKER: self._fetch(TAKER, taker, world_T_bar, size, dt)}

    def _fetch(self, arm: str, tool: Tool, world_T_bar: Array, size: Array, dt: float) -> tuple[Tool, float]:
        """Towards the arm's end of the bar, until the fingers hold it."""
        return self.lifts[arm].step(tool, end_of(world_T_bar, size, arm), size, dt, may_lift=False)

    def _carried(self, tool: Tool, world_T_bar: Array, dt: float) -> tuple[Tool, bool]:
        """Up first, then to the meeting place; and whether the bar is there."""
        goal = self._meeting(world_T_bar)
        off = se3.difference(world_T_bar, goal)
        is_there = float(np.linalg.norm(off[:3])) < AT_M and float(np.linalg.norm(off[3:])) < AT_RAD
        if world_T_bar[2, 3] < 0.5 * MEETING_UP_M:
            goal[:2, 3], goal[:3, :3] = world_T_bar[:2, 3], world_T_bar[:3, :3]
        wanted = goal @ se3.inverse(world_T_bar) @ tool.world_T_tcp
        return Tool(towards(tool.world_T_tcp, wanted, PASS_M_S, dt), tool.opening), is_there

    def _meeting(self, world_T_bar: Array) -> Array:
        """Where the bar is passed on `[4, 4]`, in the world."""
        goal = np.eye(4)
        goal[:2, 3], goal[2, 3] = self.meeting, MEETING_UP_M
        goal[:3, :3] = _across(world_T_bar)
        return goal

    @staticmethod
    def _opened(tool: Tool, dt: float) -> Tool:
        return Tool(tool.world_T_tcp, min(1.0, tool.opening + FINGER_1_S * dt))

    def _left(self, tool: Tool, dt: float) -> Tool:
        """Straight up and out of the way."""
        away = tool.world_T_tcp.copy()
        away[2, 3] = max(away[2, 3], MEETING_UP_M + LEAVE_UP_M)
        return Tool(towards(tool.world_T_tcp, away, PASS_M_S, dt), min(1.0, tool.opening + FINGER_1_S * dt))

    def _taken(self, tool: Tool, world_T_bar: Array, dt: float) -> Tool:
        """A little to the taker's side, away from the giver."""
        goal = tool.world_T_tcp.copy()
        goal[1, 3] += self.meeting[1] - TAKE_AWAY_M - world_T_bar[1, 3]
        return Tool(towards(tool.world_T_tcp, goal, PASS_M_S, dt), tool.opening)


def end_of(world_T_bar: Array, size: Array, arm: str) -> Array:
    """Where an arm takes the bar `[4, 4]`: the left one at the end that is farther left (+y in the world)."""
    along = float(size[1]) / 2 - FROM_END_M
    left = 1.0 if world_T_bar[1, 1] >= 0 else -1.0
    bar_T_end = np.eye(4)
    bar_T_end[1, 3] = along * left * (1.0 if arm == GIVER else -1.0)
    end: Array = world_T_bar @ bar_T_end
    return end


def _across(world_T_bar: Array) -> Array:
    """The bar's rotation, turned about the vertical until its length is along y."""
    length = world_T_bar[:3, 1] * (1.0 if world_T_bar[1, 1] >= 0 else -1.0)
    turn = np.arctan2(length[0], length[1])
    turned: Array = so3.exp(np.array([0.0, 0.0, turn])) @ world_T_bar[:3, :3]
    return turned
