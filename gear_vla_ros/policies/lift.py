"""Lifting from above, without memory: what to do next follows from where tool, fingers and object are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts.naming import BALL, ROUND
from gear_vla_ros.geometry import se3, so3

Array = NDArray[np.float64]

HOVER_M, LIFT_M = 0.10, 0.16
CRUISE_M_S, DESCEND_M_S, LIFT_M_S, TURN_RAD_S, FINGER_1_S = 0.25, 0.12, 0.15, 1.2, 2.0
CENTRED_M, OUTSIDE_M = 0.012, 0.05
"""Of the funnel above a grasp: down at its height within the first, HOVER_M above it from the second on."""
ALIGNED_RAD, TURNED_AWAY_RAD = 0.12, 0.4
"""The same for the turn that is left."""
BELOW_M = 0.04
"""So far below the funnel the tool only rises."""
AT_ACROSS_M, AT_UP_M, AT_RAD = 0.018, 0.012, 0.25
"""How near the grasp the fingers begin to close; the tool goes on centring meanwhile."""
BEGUN, OPEN = 1.5, 0.9
"""Fingers that have begun to close go on in a region so much wider."""
HELD_ACROSS_M, HELD_ALONG_M = 0.045, 0.08
"""Where an object between the fingers may be: its pose is as old as the slow pass."""
SLACK = 0.08
"""Opening beyond the object's width that still counts as holding it."""
TABLE_CLEARANCE_M = 0.012
ALIKE = 1.1
"""Sides that are so much wider than the narrowest are grasped as well, whichever needs the least turn. Wider ones that
would fit are not: whether they do is decided by millimetres that nobody sees."""
HOMEWARDS = 0.9
"""Weight of how the fingers close at home, by how they close now, in the choice between the sides of an object: without
it a hand that errs turns away from home by and by, up to the limit of its last joint."""
UPRIGHT = 0.9
"""Cosine of its axis' lean, from which on what is round is grasped from any side."""


@dataclass(frozen=True)
class Tool:
    """Pose of the tool and opening of its fingers, 0 to 1."""

    world_T_tcp: Array
    opening: float


@dataclass(frozen=True)
class Lift:
    """stroke_m: distance between the fingers when fully open. closing: which way they close at home, `[3]`, of unit
    length in the world."""

    stroke_m: float
    closing: Array

    def facing(self, world_T_object: Array, kind: str) -> Array:
        """The same place; what is round stands turned as the hand does at home, for its own turn cannot be seen."""
        axis = np.array([0.0, 0.0, 1.0]) if kind == BALL else world_T_object[:3, 2]
        if kind not in ROUND or abs(float(axis[2])) < UPRIGHT:
            return world_T_object
        y = self.closing - (self.closing @ axis) * axis
        y /= np.linalg.norm(y)
        return se3.from_rotation_translation(np.array([np.cross(y, axis), y, axis]).T, world_T_object[:3, 3])

    def holds(self, tool: Tool, world_T_object: Array, size: Array) -> bool:
        """Whether the fingers are as wide as the object, and around it."""
        grasp, width = self._grasp(tool.world_T_tcp, world_T_object, size)
        held_at = min(width / self.stroke_m, 1.0)
        away = tool.world_T_tcp[:3, 3] - grasp[:3, 3]
        around = float(np.linalg.norm(away[:2])) < HELD_ACROSS_M and abs(float(away[2])) < HELD_ALONG_M
        return around and abs(tool.opening - held_at) < SLACK

    def step(
        self, tool: Tool, world_T_object: Array, size: Array, dt: float, may_lift: bool = True
    ) -> tuple[Tool, float]:
        """The tool after `dt` seconds, and what its gripper is told (0 closed, 1 open).

        may_lift: False while fingers are only foreseen to hold the object: whoever follows late must not lift before
        they do.
        """
        grasp, width = self._grasp(tool.world_T_tcp, world_T_object, size)
        if self.holds(tool, world_T_object, size):
            if not may_lift:
                return tool, 0.0
            top = tool.world_T_tcp.copy()
            top[2, 3] = max(top[2, 3], LIFT_M + float(size[2]))
            return Tool(towards(tool.world_T_tcp, top, LIFT_M_S, dt), tool.opening), 0.0
        return self.fetch(tool, grasp, width, dt)

    def fetch(self, tool: Tool, grasp: Array, width: float, dt: float) -> tuple[Tool, float]:
        """As `step`, towards `world_T_grasp` `[4, 4]` from straight above, until the fingers are `width` [m] apart.

        Down a funnel, without a threshold but the one that closes: whoever imitates this sees the place only roughly.
        """
        held_at = min(width / self.stroke_m, 1.0)
        away = tool.world_T_tcp[:3, 3] - grasp[:3, 3]
        across, up = float(np.linalg.norm(away[:2])), float(away[2])
        turn = float(so3.angle_between(tool.world_T_tcp[:3, :3], grasp[:3, :3]))
        wider = BEGUN if held_at - SLACK < tool.opening < OPEN else 1.0
        if across < wider * AT_ACROSS_M and abs(up) < wider * AT_UP_M and turn < wider * AT_RAD:
            centring = towards(tool.world_T_tcp, grasp, DESCEND_M_S, dt)
            return Tool(centring, max(held_at, tool.opening - FINGER_1_S * dt)), 0.0
        opening = min(1.0, tool.opening + FINGER_1_S * dt)
        outside = max(
            _share(across, CENTRED_M, OUTSIDE_M),
            _share(turn, ALIGNED_RAD, TURNED_AWAY_RAD),
            1.0 - _share(opening, held_at + SLACK, held_at + 2 * SLACK),
        )
        goal, height = grasp.copy(), outside * HOVER_M
        goal[2, 3] += height
        aside = 1.0 - _share(height - up, 0.0, BELOW_M)
        goal[:2, 3] = tool.world_T_tcp[:2, 3] - aside * away[:2]
        speed = DESCEND_M_S + outside * (CRUISE_M_S - DESCEND_M_S)
        return Tool(towards(tool.world_T_tcp, goal, speed, dt), opening), 1.0

    def turned(self, tool: Tool, world_T_object: Array, size: Array, dt: float) -> Array:
        """`world_T_tcp` after `dt` seconds of turning on the spot, the way an object there would be grasped."""
        grasp, _ = self._grasp(tool.world_T_tcp, world_T_object, size)
        goal = se3.from_rotation_translation(grasp[:3, :3], tool.world_T_tcp[:3, 3])
        return towards(tool.world_T_tcp, goal, CRUISE_M_S, dt)

    def _grasp(self, world_T_tcp: Array, world_T_object: Array, size: Array) -> tuple[Array, float]:
        """`world_T_grasp` from straight above, closing across the narrowest sides, of several those that need the least
        turn, from here and from home; the width."""
        sides = world_T_object[:3, :3].copy()
        sides[2] = 0.0
        lengths = np.linalg.norm(sides, axis=0)
        flat = [axis for axis in range(3) if lengths[axis] > 0.5]
        narrow = [axis for axis in flat if size[axis] < ALIKE * min(size[flat])]
        closing = world_T_tcp[:3, 1] + HOMEWARDS * self.closing
        best = max(narrow, key=lambda axis: abs(float(sides[:, axis] @ closing)) / lengths[axis])
        y = sides[:, best] / lengths[best] * (np.sign(sides[:, best] @ closing) or 1.0)
        x_y_z_down = [[-y[1], y[0], 0.0], y, [0.0, 0.0, -1.0]]
        rotation = np.array(x_y_z_down).T
        position = world_T_object[:3, 3].copy()
        position[2] = max(position[2], TABLE_CLEARANCE_M)
        return se3.from_rotation_translation(rotation, position), float(size[best])


def _share(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high` on, a straight line between."""
    return min(1.0, max(0.0, (value - low) / (high - low)))


def towards(world_T_now: Array, world_T_goal: Array, speed: float, dt: float) -> Array:
    """One step towards the goal, both parts arriving no faster than allowed."""
    way = se3.difference(world_T_now, world_T_goal)
    metres, radians = float(np.linalg.norm(way[:3])), float(np.linalg.norm(way[3:]))
    linear = min(1.0, speed * dt / max(metres, 1e-9))
    angular = min(1.0, TURN_RAD_S * dt / max(radians, 1e-9))
    return se3.advance(world_T_now, np.concatenate([way[:3] * linear, way[3:] * angular]))
