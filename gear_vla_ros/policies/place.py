"""Placing into a bowl, without memory: what to do next follows from where tool, fingers, object and bowl are."""

from dataclasses import dataclass

import numpy as np

from gear_vla_ros.policies.lift import FINGER_1_S, SLACK, Array, Lift, Tool, towards

CARRY_M, DROP_M = 0.05, 0.015
"""Of the object's lower end above the rim: while it is carried over it, and where it is let go of."""
OVER_M = 0.015
"""How near the bowl's axis it is let go of."""
RISE_M = 0.12
"""Of the tool above the rim, when it is done."""
CARRY_M_S, LOWER_M_S = 0.22, 0.12


@dataclass(frozen=True)
class Bowl:
    """size: full extents `[3]` [m]."""

    world_T_bowl: Array
    size: Array

    @property
    def rim_m(self) -> float:
        """Its height in the world."""
        return float(self.world_T_bowl[2, 3] + self.size[2] / 2)

    def away(self, world_T_object: Array) -> Array:
        """From the object to the bowl's axis `[2]`."""
        way: Array = self.world_T_bowl[:2, 3] - world_T_object[:2, 3]
        return way


@dataclass(frozen=True)
class Place:
    """Fetches as `lift` does, carries over the rim, and lets go."""

    lift: Lift

    def step(
        self,
        tool: Tool,
        world_T_object: Array,
        size: Array,
        bowl: Bowl,
        dt: float,
        may_lift: bool = True,
        may_leave: bool = True,
    ) -> tuple[Tool, float]:
        """The tool after `dt` seconds, and what its gripper is told; as `Lift.step`.

        may_leave: False while fingers are only foreseen to have let go.
        """
        above = float(world_T_object[2, 3]) - _reach_down(world_T_object, size) - bowl.rim_m
        if self.lets_go(world_T_object, size, bowl):
            return self._leave(tool, bowl, dt, may_leave), 1.0
        if not self.lift.holds(tool, world_T_object, size) or not may_lift:
            return self.lift.step(tool, world_T_object, size, dt, may_lift=False)
        way = bowl.away(world_T_object)
        across = float(np.linalg.norm(way))
        goal, speed = tool.world_T_tcp.copy(), CARRY_M_S
        if across < OVER_M or (across < 2 * OVER_M and above < CARRY_M):
            goal[:2, 3] += way
            goal[2, 3] += 0.5 * DROP_M - above
            speed = LOWER_M_S
        elif above < 0.8 * CARRY_M:
            goal[2, 3] += CARRY_M - above
        else:
            goal[:2, 3] += way
            goal[2, 3] += CARRY_M - above
        return Tool(towards(tool.world_T_tcp, goal, speed, dt), tool.opening), 0.0

    def lets_go(self, world_T_object: Array, size: Array, bowl: Bowl) -> bool:
        """Whether the object is where it is let go of, or in the bowl already."""
        across = float(np.linalg.norm(bowl.away(world_T_object)))
        above = float(world_T_object[2, 3]) - _reach_down(world_T_object, size) - bowl.rim_m
        inside = across < float(bowl.size[0]) / 2 - float(min(size)) / 2 and above < -0.25 * float(bowl.size[2])
        return inside or (across < OVER_M and above < DROP_M)

    def is_open(self, tool: Tool, size: Array) -> bool:
        """Whether the fingers are wider than the object."""
        return tool.opening >= min(0.95, float(max(size[:2])) / self.lift.stroke_m + SLACK)

    def _leave(self, tool: Tool, bowl: Bowl, dt: float, may_leave: bool) -> Tool:
        """Open on the spot, then straight up."""
        opening = min(1.0, tool.opening + FINGER_1_S * dt)
        if not may_leave:
            return Tool(tool.world_T_tcp, opening)
        top = tool.world_T_tcp.copy()
        top[2, 3] = max(top[2, 3], bowl.rim_m + RISE_M)
        return Tool(towards(tool.world_T_tcp, top, CARRY_M_S, dt), opening)


def _reach_down(world_T_object: Array, size: Array) -> float:
    """How far the object's lowest corner is below its middle [m], as if it were a box."""
    return float(np.abs(world_T_object[2, :3]) @ size) / 2
