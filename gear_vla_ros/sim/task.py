"""What can be said to a simulated robot, and how physics tells that it was done."""

from dataclasses import dataclass

from gear_vla_ros.contracts import Instruction
from gear_vla_ros.contracts.naming import lifted_object
from gear_vla_ros.sim.world import World

LIFTED_M = 0.08
HELD_S = 0.5


@dataclass
class LiftTask:
    """Lift the named object: LIFTED_M above its rest, touched by a gripper, for HELD_S."""

    target: str
    rest_height: float
    held_since_s: float | None = None

    @staticmethod
    def of(instruction: Instruction, world: World) -> "LiftTask":
        """The task that an instruction names. Raises ValueError saying what can be said."""
        objects = world.objects()
        target = lifted_object(instruction.text, objects)
        return LiftTask(target, world.spec.sim.table_height + float(objects[target].size[2]) / 2)

    def lifted_m(self, world: World) -> float:
        """Height above rest."""
        return float(world.objects()[self.target].world_T_object[2, 3]) - self.rest_height

    def done(self, world: World) -> str | None:
        """What physics says when it is done, else None. Call it at every step that should count."""
        lifted = self.lifted_m(world)
        if lifted < LIFTED_M or not world.touched_by_gripper(self.target):
            self.held_since_s = None
            return None
        if self.held_since_s is None:
            self.held_since_s = world.time_s
        if world.time_s - self.held_since_s < HELD_S:
            return None
        return f"{self.target.replace('_', ' ')} lifted {lifted:.2f} m"


class Judge:
    """Watches the task of the instruction in force, and says once that it is done."""

    def __init__(self) -> None:
        self.instruction_id = 0
        self._task: LiftTask | None = None
        self._told = False

    def instruct(self, instruction: Instruction, world: World) -> None:
        """Watch another task; none after a ValueError, which says what can be said."""
        self._task, self._told, self.instruction_id = None, False, instruction.id
        self._task = LiftTask.of(instruction, world)

    def restart(self) -> None:
        """The world was reset: the same task again."""
        self._told = False
        if self._task is not None:
            self._task.held_since_s = None

    def news(self, world: World) -> str | None:
        """What was achieved, once; else None."""
        if self._task is None or self._told:
            return None
        line = self._task.done(world)
        self._told = line is not None
        return line
