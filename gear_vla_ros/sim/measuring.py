"""Figures of an episode beside its success: steps at the seams, other objects lifted, how near the tools came."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from gear_vla_ros.contracts import ActionChunk, CartesianTarget, Instruction, LatentAction
from gear_vla_ros.contracts.naming import understood
from gear_vla_ros.runtime.status import FollowerStatus
from gear_vla_ros.runtime.track import Track
from gear_vla_ros.sim.pacing import Repeated
from gear_vla_ros.sim.watching import Array, Watcher
from gear_vla_ros.sim.world import World

OTHER_LIFTED_M = 0.05
SEEN_HZ, TRACE_HZ = 30.0, 15.0
_CHUNKS_KEPT = 32


class Together(Watcher):
    """Tells several watchers; counts refusals by kind, and ticks by the grade at which the robot might move."""

    def __init__(self, watchers: Sequence[Watcher]) -> None:
        self._watchers = tuple(watchers)
        self.refusals: Counter[str] = Counter()
        self.faults: Mapping[str, int] = {}
        self.grades: Counter[str] = Counter()
        self.thoughts = self.chunks = 0

    def begun(self, instruction: Instruction, stamp_ns: int) -> None:
        for watcher in self._watchers:
            watcher.begun(instruction, stamp_ns)

    def instructed(self, instruction: Instruction, stamp_ns: int) -> None:
        for watcher in self._watchers:
            watcher.instructed(instruction, stamp_ns)

    def state(self, world: World, stamp_ns: int) -> None:
        for watcher in self._watchers:
            watcher.state(world, stamp_ns)

    def thought(self, latents: LatentAction) -> None:
        self.thoughts += 1

    def chunk(self, chunk: ActionChunk) -> None:
        self.chunks += 1
        for watcher in self._watchers:
            watcher.chunk(chunk)

    def refused(self, error: ValueError) -> None:
        self.refusals[getattr(error, "cause", "policy")] += 1

    def target(self, target: CartesianTarget, status: FollowerStatus) -> None:
        self.grades[status.grade.name.lower()] += 1
        self.faults = status.faults
        for watcher in self._watchers:
            watcher.target(target, status)


class SeamMeter(Watcher):
    """At each tick that begins with a new chunk: how far the old and the new one are apart, and the step of velocity.

    apart_mm: between where both want the tool then, the farthest arm. steps_m_s: change of the commanded velocity at
    that tick, the arm with the greatest.
    """

    def __init__(self) -> None:
        self.apart_mm: list[float] = []
        self.steps_m_s: list[float] = []
        self._chunks: dict[int, ActionChunk] = {}
        self._source_ns = 0
        self._twists: Mapping[str, Array] = {}

    def chunk(self, chunk: ActionChunk) -> None:
        self._chunks[chunk.stamp_ns] = chunk
        while len(self._chunks) > _CHUNKS_KEPT:
            del self._chunks[next(iter(self._chunks))]

    def target(self, target: CartesianTarget, status: FollowerStatus) -> None:
        twists = {name: arm.twist[:3] for name, arm in target.arms.items()}
        if target.source_stamp_ns and self._source_ns and target.source_stamp_ns != self._source_ns:
            self.steps_m_s.append(max(float(np.linalg.norm(twists[arm] - self._twists[arm])) for arm in twists))
            old, new = self._chunks.get(self._source_ns), self._chunks.get(target.source_stamp_ns)
            if old is not None and new is not None and target.stamp_ns < old.end_ns:
                self.apart_mm.append(1e3 * _apart_m(old, new, target.stamp_ns))
        self._source_ns, self._twists = target.source_stamp_ns or self._source_ns, twists


def _apart_m(old: ActionChunk, new: ActionChunk, now_ns: int) -> float:
    before, after = Track(old).at(now_ns), Track(new).at(now_ns)
    ways = [before[arm].base_T_tcp[:3, 3] - after[arm].base_T_tcp[:3, 3] for arm in after if arm in before]
    return max((float(np.linalg.norm(way)) for way in ways), default=0.0)


class Looking(Watcher):
    """Looks at the world at a rate, and knows the newest sentence."""

    def __init__(self, hz: float) -> None:
        self._text: str | None = None
        self._looking = Repeated(hz, self._due)
        self._world: World | None = None

    def begun(self, instruction: Instruction, stamp_ns: int) -> None:
        self._text = instruction.text

    def instructed(self, instruction: Instruction, stamp_ns: int) -> None:
        self._text = instruction.text

    def state(self, world: World, stamp_ns: int) -> None:
        self._world = world
        self._looking.run_if_due(stamp_ns)

    def look(self, world: World) -> None:
        """What to do at that rate."""

    def _due(self) -> None:
        assert self._world is not None
        self.look(self._world)


class Others(Looking):
    """Which objects were lifted that no instruction had named, and how near any tool came to the one named last."""

    def __init__(self) -> None:
        super().__init__(SEEN_HZ)
        self.lifted: dict[str, float] = {}
        self.nearest_m = self.target_up_m = float("nan")
        self._ever_named: set[str] = set()
        self.named = ""
        self._rest: dict[str, float] = {}

    def look(self, world: World) -> None:
        heights = {thing.name: float(world.position(thing.name)[2]) for thing in world.scene.things}
        self._rest = self._rest or heights
        if self._text is not None:
            self.named = understood(self._text, heights).object
            self._ever_named.add(self.named)
            self._text, self.nearest_m, self.target_up_m = None, float("inf"), 0.0
        for name, height in heights.items():
            up = height - self._rest[name]
            if name not in self._ever_named and up >= OTHER_LIFTED_M:
                self.lifted[name] = max(up, self.lifted.get(name, 0.0))
        at = world.position(self.named)
        tools = [np.linalg.norm(world.position(arm.tcp_frame) - at) for arm in world.spec.arms]
        self.nearest_m = min(self.nearest_m, float(min(tools)))
        self.target_up_m = max(self.target_up_m, heights[self.named] - self._rest[self.named])


class Trace(Looking):
    """Positions of everything at TRACE_HZ, and the sentence in force: enough to draw the episode afterwards."""

    def __init__(self) -> None:
        super().__init__(TRACE_HZ)
        self.qpos: list[Array] = []
        self.said: list[str] = []

    def look(self, world: World) -> None:
        self.qpos.append(world.data.qpos.copy())
        self.said.append(self._text or "")
