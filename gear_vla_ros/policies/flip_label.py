"""Laying a parcel on its back, so that its label faces up, without memory: what is next follows from where all is."""

from dataclasses import dataclass

import numpy as np

from gear_vla_ros.geometry import se3, so3
from gear_vla_ros.policies.lift import FINGER_1_S, SLACK, Array, Lift, Tool, towards

FROM_TOP_M = 0.025
"""Where the upright parcel is taken, below its upper end."""
HELD_ACROSS_M, HELD_ALONG_M = 0.03, 0.04
GOAL_RAD, LET_GO_RAD, LYING_RAD = np.radians(58.0), np.radians(48.0), np.radians(75.0)
"""Of the label above the horizon: where it is turned to, where the parcel falls by itself, where it lies."""
STANDING_RAD = np.radians(30.0)
EDGE_M = 0.004
"""Of the lower edge, about which it is turned, above the table."""
TURN_RAD_S, TURN_M_S, LEAVE_M_S, LEAVE_M = 0.9, 0.12, 0.2, 0.18
TOOL_IN_PARCEL = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True)
class FlipLabel:
    """Takes the upright parcel from above across its width, tilts it backwards about its lower edge, lets it fall."""

    lift: Lift

    def holds(self, tool: Tool, world_T_parcel: Array, size: Array) -> bool:
        """Whether the fingers are as wide as the parcel, and around its upper end."""
        away = (se3.inverse(world_T_parcel) @ tool.world_T_tcp)[:3, 3] - _grasp_in_parcel(size)[:3, 3]
        around = float(np.linalg.norm(away[:2])) < HELD_ACROSS_M and abs(float(away[2])) < HELD_ALONG_M
        return around and abs(tool.opening - self._held_at(size)) < SLACK

    def step(
        self, tool: Tool, world_T_parcel: Array, size: Array, dt: float, may_turn: bool = True, may_leave: bool = True
    ) -> tuple[Tool, float]:
        """The tool after `dt` seconds, and what its gripper is told; as `Lift.step`.

        may_turn, may_leave: False while fingers are only foreseen to hold, or to have let go.
        """
        up = label_up_rad(world_T_parcel)
        if up > LET_GO_RAD:
            return self._leave(tool, dt, may_leave and up > LYING_RAD), 1.0
        if self.holds(tool, world_T_parcel, size):
            return (self._turned(tool, world_T_parcel, size, up, dt) if may_turn else tool), 0.0
        if up > STANDING_RAD:
            return self._leave(tool, dt, may_leave), 1.0
        return self.lift.fetch(tool, _upright(world_T_parcel) @ _grasp_in_parcel(size), float(size[1]), dt)

    def _held_at(self, size: Array) -> float:
        return min(float(size[1]) / self.lift.stroke_m, 1.0)

    @staticmethod
    def _turned(tool: Tool, world_T_parcel: Array, size: Array, up: float, dt: float) -> Tool:
        """A little farther about the parcel's lower edge behind the label."""
        turn = min(TURN_RAD_S * dt, max(0.0, GOAL_RAD - up))
        edge = np.array([-size[0] / 2, 0.0, -size[2] / 2])
        goal = world_T_parcel.copy()
        goal[:3, :3] = so3.exp(-turn * world_T_parcel[:3, 1]) @ world_T_parcel[:3, :3]
        at = world_T_parcel[:3, 3] + world_T_parcel[:3, :3] @ edge
        at[2] = EDGE_M
        goal[:3, 3] = at - goal[:3, :3] @ edge
        wanted = goal @ se3.inverse(world_T_parcel) @ tool.world_T_tcp
        return Tool(towards(tool.world_T_tcp, wanted, TURN_M_S, dt), tool.opening)

    @staticmethod
    def _leave(tool: Tool, dt: float, may_leave: bool) -> Tool:
        """Open on the spot, then straight up."""
        opening = min(1.0, tool.opening + FINGER_1_S * dt)
        if not may_leave:
            return Tool(tool.world_T_tcp, opening)
        top = tool.world_T_tcp.copy()
        top[2, 3] = max(top[2, 3], LEAVE_M)
        return Tool(towards(tool.world_T_tcp, top, LEAVE_M_S, dt), opening)


def label_up_rad(world_T_parcel: Array) -> float:
    """How far the label faces above the horizon: 0 sideways, pi / 2 up."""
    return float(np.arcsin(np.clip(world_T_parcel[2, 0], -1.0, 1.0)))


def arm_behind(world_T_parcel: Array) -> str:
    """The arm towards which the parcel is laid: its label faces the other one."""
    return "left" if world_T_parcel[1, 0] < 0.0 else "right"


def _grasp_in_parcel(size: Array) -> Array:
    """`parcel_T_grasp` `[4, 4]`: from above, closing across the width."""
    return se3.from_rotation_translation(TOOL_IN_PARCEL, np.array([0.0, 0.0, size[2] / 2 - FROM_TOP_M]))


def _upright(world_T_parcel: Array) -> Array:
    """The same place and heading, without a lean."""
    heading = np.arctan2(world_T_parcel[1, 0], world_T_parcel[0, 0])
    turned = so3.exp(np.array([0.0, 0.0, float(heading)]))
    upright: Array = se3.from_rotation_translation(turned, world_T_parcel[:3, 3])
    return upright
