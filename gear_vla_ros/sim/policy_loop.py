"""The slow and the fast pass in simulated time, each at its rate and with its latency, as their two nodes run them."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts import (
    ActionChunk,
    ArmChunk,
    CartesianTarget,
    Clock,
    Instruction,
    LatentAction,
    Observation,
    Policy,
    RobotState,
    SceneObject,
    ViewRole,
)
from gear_vla_ros.runtime.latency import Percentiles
from gear_vla_ros.runtime.latent_use import check_usable
from gear_vla_ros.runtime.refused import Refused
from gear_vla_ros.runtime.under_way import followed_after_s, under_way
from gear_vla_ros.settings import RobotSpec
from gear_vla_ros.sim.pacing import Repeated, Timing, Worker
from gear_vla_ros.sim.watching import Watcher
from gear_vla_ros.sim.world import World

Images = Mapping[ViewRole, NDArray[np.uint8]]

EAGER_HZ = 1000.0
_UNSEEN: Images = {"head": np.zeros((8, 8, 3), np.uint8)}


class Eyes(Protocol):
    """The robot's cameras: `take` at their rate, `images` only when somebody looks."""

    def take(self, world: World) -> None:
        """Expose: remember the state of the world."""
        ...

    def images(self) -> Images:
        """uint8 RGB `[height, width, 3]` by view role, of the state taken last."""
        ...


class Seen(NamedTuple):
    """State and ground truth when the newest pictures were taken."""

    state: RobotState
    scene: Mapping[str, SceneObject]


class PolicyLoop:
    """Calls `think` and `act`, and hands on each chunk when it is there. For one thread.

    eyes: None for a policy that does not look, as the expert; it is told the present state. rtc_steps: most of
    what is under way that `act` is given, as by the action_node; 0 for none. state: the robot's, now. deliver: takes
    each chunk.
    """

    def __init__(
        self,
        spec: RobotSpec,
        policy: Policy,
        timing: Timing,
        rtc_steps: int,
        clock: Clock,
        eyes: Eyes | None,
        state: Callable[[], RobotState],
        deliver: Callable[[ActionChunk], None],
        watcher: Watcher,
    ) -> None:
        self._spec, self._policy, self._timing, self._rtc_steps = spec, policy, timing, rtc_steps
        self._clock, self._eyes, self._state, self._deliver, self._watcher = clock, eyes, state, deliver, watcher
        self._exposures = Repeated(spec.sim.camera_rate_hz, self._expose)
        self._workers: tuple[Worker[LatentAction] | Worker[ActionChunk], ...]
        if timing.execute_s:
            takes_s = timing.slow_s + timing.fast_s
            self._workers = (Worker(EAGER_HZ, takes_s, self._think_and_act, self._follow_after_waiting),)
        else:
            self._workers = (
                Worker(timing.slow_hz, timing.slow_s, self._think, self._on_latents),
                Worker(timing.fast_hz, timing.fast_s, self._act, self._on_chunk),
            )
        self._instruction: Instruction | None = None
        self._world: World | None = None
        self._seen: Seen | None = None
        self._latents: LatentAction | None = None
        self._last_chunk: ActionChunk | None = None
        self._state_to_chunk_s = Percentiles(100)
        self._target: CartesianTarget | None = None
        self._busy_until_ns = self._refused_until_ns = 0

    def instruct(self, instruction: Instruction) -> None:
        """Thoughts of another instruction are of no use any more."""
        self._instruction, self._latents = instruction, None

    def followed(self, target: CartesianTarget) -> None:
        """The newest target."""
        self._target = target

    def run(self, world: World) -> None:
        """What is due now."""
        self._world, now_ns = world, self._clock.now_ns()
        if self._eyes is not None:
            self._exposures.run_if_due(now_ns)
        for worker in self._workers:
            worker.run(now_ns)

    def _expose(self) -> None:
        assert self._world is not None and self._eyes is not None
        self._eyes.take(self._world)
        self._seen = Seen(self._state(), self._world.objects())

    def _observation(self) -> Observation:
        assert self._world is not None and self._instruction is not None
        if self._eyes is None or self._seen is None:
            seen, images = Seen(self._state(), self._world.objects()), _UNSEEN
        else:
            seen, images = self._seen, self._eyes.images()
        return Observation(seen.state.stamp_ns, images, seen.state, self._instruction, scene=seen.scene)

    def _refuse(self, error: ValueError) -> None:
        """Say so, and try again a fast pass later."""
        self._latents = None
        self._refused_until_ns = self._clock.now_ns() + round(1e9 / self._timing.fast_hz)
        self._watcher.refused(error)

    def _think(self) -> LatentAction | None:
        if self._clock.now_ns() < self._refused_until_ns:
            return None
        try:
            return self._policy.think(self._observation())
        except ValueError as error:
            self._refuse(error)
            return None

    def _on_latents(self, latents: LatentAction) -> None:
        self._watcher.thought(latents)
        if self._instruction is not None and latents.instruction_id == self._instruction.id:
            self._latents = latents

    def _act(self) -> ActionChunk | None:
        if (latents := self._latents) is None or self._instruction is None:
            return None
        try:
            check_usable(latents, self._policy.model_id, self._instruction.id, self._clock.now_ns(), self._spec)
            state = self._state()
            chunk = self._policy.act(latents, state, self._under_way(latents, state))
        except ValueError as error:
            self._refuse(error)
            return None
        self._watcher.chunk(chunk)
        return chunk

    def _under_way(self, latents: LatentAction, state: RobotState) -> Mapping[str, ArmChunk] | None:
        last = self._last_chunk
        if not self._rtc_steps or last is None or last.instruction_id != latents.instruction_id:
            return None
        ahead_s = followed_after_s(self._state_to_chunk_s.p(90), self._spec.rates.target_hz)
        return under_way(last, state, ahead_s, self._rtc_steps, self._target)

    def _on_chunk(self, chunk: ActionChunk) -> None:
        if self._instruction is None or chunk.instruction_id != self._instruction.id:
            return
        self._last_chunk = chunk
        self._state_to_chunk_s.add((self._clock.now_ns() - chunk.stamp_ns) * 1e-9)
        self._follow(chunk)

    def _follow(self, chunk: ActionChunk) -> None:
        try:
            self._deliver(chunk)
        except Refused as refused:
            self._watcher.refused(refused)

    def _think_and_act(self) -> ActionChunk | None:
        if self._clock.now_ns() < self._busy_until_ns or (latents := self._think()) is None:
            return None
        self._on_latents(latents)
        return self._act()

    def _follow_after_waiting(self, chunk: ActionChunk) -> None:
        """Its first part, as if it had been made now: the robot stood still since."""
        if self._instruction is None or chunk.instruction_id != self._instruction.id:
            return
        now_ns, steps = self._clock.now_ns(), max(1, round(self._timing.execute_s * chunk.rate_hz))
        arms = {
            name: ArmChunk(arm.base_T_anchor, arm.anchor_T_tcp[:steps], arm.gripper[:steps])
            for name, arm in chunk.arms.items()
        }
        part = dataclasses.replace(chunk, stamp_ns=now_ns, arms=arms)
        self._busy_until_ns = part.end_ns
        self._follow(part)
