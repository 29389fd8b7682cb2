"""What can be said to a simulated robot, and how physics tells that it was done."""

from typing import Protocol

import numpy as np

from gear_vla_ros.contracts import Instruction
from gear_vla_ros.contracts.naming import check_arms, spoken, understood
from gear_vla_ros.geometry import se3
from gear_vla_ros.sim.scene import BOWL_WALL_M
from gear_vla_ros.sim.world import World

LIFTED_M = 0.08
HELD_S = 0.5
UPRIGHT_COS = 0.9
STILL_M_S = 0.05
LABEL_UP_COS = 0.97


class Task(Protocol):
    """A success predicate; it may remember since when it holds."""

    target: str

    def done(self, world: World) -> str | None:
        """What physics says when it is done, else None. Call it at every step that should count."""
        ...

    def restart(self) -> None:
        """The world was reset."""
        ...


class _Lasting:
    """Done when the condition has held for HELD_S without a break."""

    def __init__(self, target: str) -> None:
        self.target = target
        self._since_s: float | None = None

    def restart(self) -> None:
        """What has held before does not count."""
        self._since_s = None

    def lasts(self, holds: bool, now_s: float) -> bool:
        if not holds:
            self._since_s = None
        elif self._since_s is None:
            self._since_s = now_s
        return self._since_s is not None and now_s - self._since_s >= HELD_S


class LiftTask(_Lasting):
    """Lift the named object: LIFTED_M above its rest, touched by a gripper, for HELD_S."""

    def __init__(self, target: str, rest_height: float) -> None:
        super().__init__(target)
        self._rest_height = rest_height

    def lifted_m(self, world: World) -> float:
        """Height above rest."""
        return float(world.position(self.target)[2]) - self._rest_height

    def done(self, world: World) -> str | None:
        lifted = self.lifted_m(world)
        up = lifted >= LIFTED_M and world.touched_by_gripper(self.target)
        return f"{spoken(self.target)} lifted {lifted:.2f} m" if self.lasts(up, world.time_s) else None


class PlaceTask(_Lasting):
    """Put the named object into the named bowl: inside its walls, let go of, at rest in the upright bowl for HELD_S."""

    def __init__(self, target: str, goal: str) -> None:
        super().__init__(target)
        self.goal = goal

    def inside(self, world: World) -> bool:
        """Whether the object's middle is within the bowl's walls and below its rim by no less than it is above."""
        objects = world.objects()
        bowl, thing = objects[self.goal], objects[self.target]
        x, y, z, _ = se3.inverse(bowl.world_T_object) @ thing.world_T_object[:, 3]
        upright = bowl.world_T_object[2, 2] > UPRIGHT_COS
        across = float(np.hypot(x, y)) < bowl.size[0] / 2 - BOWL_WALL_M
        return bool(upright and across and abs(z) <= bowl.size[2] / 2)

    def done(self, world: World) -> str | None:
        still = world.speed(self.target) < STILL_M_S and not world.touched_by_gripper(self.target)
        placed = self.lasts(still and self.inside(world), world.time_s)
        return f"{spoken(self.target)} in the {spoken(self.goal)}" if placed else None


class HandoverTask(_Lasting):
    """The named bar is LIFTED_M above its rest, touched by the right arm and no longer by the left, for HELD_S."""

    def __init__(self, target: str, rest_height: float) -> None:
        super().__init__(target)
        self._rest_height = rest_height

    def done(self, world: World) -> str | None:
        lifted = float(world.position(self.target)[2]) - self._rest_height
        taken = world.touched_by_gripper(self.target, "right") and not world.touched_by_gripper(self.target, "left")
        held = self.lasts(taken and lifted >= LIFTED_M, world.time_s)
        return f"{spoken(self.target)} in the right gripper, {lifted:.2f} m up" if held else None


class FlipLabelTask(_Lasting):
    """The label of the named parcel faces up, the parcel let go of and at rest, for HELD_S."""

    def done(self, world: World) -> str | None:
        up = float(world.objects()[self.target].world_T_object[2, 0])
        still = world.speed(self.target) < STILL_M_S and not world.touched_by_gripper(self.target)
        turned = self.lasts(still and up > LABEL_UP_COS, world.time_s)
        return f"label of the {spoken(self.target)} faces up" if turned else None


def task_of(instruction: Instruction, world: World) -> Task:
    """The task that an instruction names. Raises ValueError saying what can be said."""
    objects = world.objects()
    request = understood(instruction.text, objects)
    if request.task == "place":
        return PlaceTask(request.object, request.goal)
    check_arms(request, world.spec.name, len(world.spec.arms))
    if request.task == "flip_label":
        return FlipLabelTask(request.object)
    rest_height = world.spec.sim.table_height + float(objects[request.object].size[2]) / 2
    return (HandoverTask if request.task == "handover" else LiftTask)(request.object, rest_height)


class Judge:
    """Watches the task of the instruction in force, and says once that it is done."""

    def __init__(self) -> None:
        self.instruction_id = 0
        self._task: Task | None = None
        self._told = False

    def instruct(self, instruction: Instruction, world: World) -> None:
        """Watch another task; none after a ValueError, which says what can be said."""
        self._task, self._told, self.instruction_id = None, False, instruction.id
        self._task = task_of(instruction, world)

    def restart(self) -> None:
        """The world was reset: the same task again."""
        self._told = False
        if self._task is not None:
            self._task.restart()

    def news(self, world: World) -> str | None:
        """What was achieved, once; else None."""
        if self._task is None or self._told:
            return None
        line = self._task.done(world)
        self._told = line is not None
        return line
