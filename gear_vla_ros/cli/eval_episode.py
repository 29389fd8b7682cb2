"""One evaluated episode: a policy in the scene of one seed, in closed loop and in simulated time."""

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from gear_vla_ros.contracts import (
    ActionChunk,
    ArmChunk,
    Instruction,
    LatentAction,
    Observation,
    Policy,
    RobotState,
    SceneObject,
)
from gear_vla_ros.policies.options import PolicyOptions
from gear_vla_ros.policies.registry import check_checkpoint, check_policy, kept_policy
from gear_vla_ros.settings import RobotSpec, RuntimeSpec, load_robot
from gear_vla_ros.sim.episode import Episode, Later, Outcome
from gear_vla_ros.sim.measuring import Others, SeamMeter, Together, Trace
from gear_vla_ros.sim.pacing import Timing
from gear_vla_ros.sim.randomise import check_task, other_instruction, random_scene
from gear_vla_ros.sim.scene import Scene

EXPERT = "expert"


@dataclass(frozen=True)
class Evaluation:
    """What all episodes of an evaluation have in common.

    noise_seed: of the policy. latency_ms: injected into each chunk, beside slow_ms and fast_ms. execute_s: 0 for
    thinking while moving, else how much of each chunk is followed before the robot waits. switch_at_s: 0, or when
    another object is named.
    """

    robot: str = "franka"
    task: str = "lift"
    policy: str = "gear_vla"
    checkpoint: str = ""
    backend: str = "auto"
    noise_seed: int = 0
    seam: str = "switch"
    rtc_steps_max: int = RuntimeSpec().rtc_steps_max
    slow_hz: float = 5.0
    fast_hz: float = 10.0
    slow_ms: float = 80.0
    fast_ms: float = 30.0
    latency_ms: float = 0.0
    execute_s: float = 0.0
    switch_at_s: float = 0.0
    held_out: bool = False
    shift: bool = False
    limit_s: float = 20.0

    def check(self) -> RobotSpec:
        """The robot. Raises ValueError or FileNotFoundError on unknown names, and where nothing else can be named."""
        spec = load_robot(self.robot)
        check_task(spec, self.task)
        check_policy(self.policy)
        check_checkpoint(self.policy, self.checkpoint)
        self.runtime()
        if self.switch_at_s:
            if self.switch_at_s >= self.limit_s:
                raise ValueError(f"switch_at: {self.switch_at_s:g} s, allowed less than the limit, {self.limit_s:g} s")
            other_instruction(self.scene(spec, 0), 0)
        return spec

    def scene(self, spec: RobotSpec, seed: int) -> Scene:
        """Of one episode."""
        return random_scene(spec, self.task, seed, self.held_out, self.shift)

    def runtime(self) -> RuntimeSpec:
        """How chunks meet. Raises ValueError on an unknown seam, and on a number of steps that is not allowed."""
        try:
            return RuntimeSpec.model_validate({"seam": self.seam, "rtc_steps_max": self.rtc_steps_max})
        except ValidationError as error:
            wrong = error.errors()[0]
            raise ValueError(f"{wrong['loc'][0]}: found '{wrong['input']}'; {wrong['msg']}") from None

    def timing(self) -> Timing:
        """Latencies are simulated, whatever the policy takes here."""
        fast_s = (self.fast_ms + self.latency_ms) * 1e-3
        return Timing(self.slow_hz, self.fast_hz, self.slow_ms * 1e-3, fast_s, self.execute_s, self.limit_s)


@dataclass(frozen=True)
class Attempt:
    """One episode.

    target: object named last, as `red_cube`. side: `left`, `middle` or `right` third of where objects lie. others: how
    far objects were lifted that had not been named [m]. nearest_m: of any tool to the target. target_up_m: how far it
    was lifted at most. seam_mm, seam_m_s: at each new chunk, how far it was from the old one, and the step of the
    commanded velocity. grades: ticks by how freely the robot might move. cpu_s, think_ms, act_ms: measured here, the
    only figures that another run of the same seed does not repeat.
    """

    seed: int
    instruction: str
    switched_to: str
    target: str
    side: str
    outcome: Outcome
    others: Mapping[str, float]
    nearest_m: float
    target_up_m: float
    seam_mm: tuple[float, ...]
    seam_m_s: tuple[float, ...]
    grades: Mapping[str, int]
    faults: Mapping[str, int]
    refusals: Mapping[str, int]
    thoughts: int
    chunks: int
    model_id: str
    about: Mapping[str, str]
    cpu_s: float = field(compare=False)
    think_ms: float = field(compare=False)
    act_ms: float = field(compare=False)
    trace: NDArray[np.float64] = field(compare=False)
    said: tuple[str, ...] = field(compare=False)


def attempt(evaluation: Evaluation, seed: int) -> Attempt:
    """The policy in the scene of one seed; the process keeps the policy for the next one."""
    from gear_vla_ros.sim.eyes import Cameras
    from gear_vla_ros.sim.world import World

    begun_s = time.process_time()
    spec = load_robot(evaluation.robot)
    scene = evaluation.scene(spec, seed)
    policy = Timed(
        kept_policy(
            evaluation.policy,
            evaluation.robot,
            PolicyOptions(evaluation.checkpoint, evaluation.noise_seed, evaluation.backend),
        )
    )
    world = World(spec, scene=scene)
    seams, others, trace = SeamMeter(), Others(), Trace()
    told = Together((seams, others, trace))
    first, later = Instruction(2 * seed + 1, scene.instruction), None
    if evaluation.switch_at_s:
        later = Later(evaluation.switch_at_s, Instruction(2 * seed + 2, other_instruction(scene, seed)))
    eyes = None if evaluation.policy == EXPERT else Cameras(world)
    timing, runtime = evaluation.timing(), evaluation.runtime()
    try:
        episode = Episode(world, policy, first, timing, told, eyes, runtime=runtime, later=later)
        outcome = episode.run()
    finally:
        if eyes is not None:
            eyes.close()
    return Attempt(
        seed=seed,
        instruction=first.text,
        switched_to=later.instruction.text if later else "",
        target=others.named,
        side=_side(spec, scene, others.named),
        outcome=outcome,
        others=others.lifted,
        nearest_m=others.nearest_m,
        target_up_m=others.target_up_m,
        seam_mm=tuple(seams.apart_mm),
        seam_m_s=tuple(seams.steps_m_s),
        grades=dict(told.grades),
        faults=dict(told.faults),
        refusals=dict(told.refusals),
        thoughts=told.thoughts,
        chunks=told.chunks,
        model_id=policy.model_id,
        about=dict(policy.about),
        cpu_s=time.process_time() - begun_s,
        think_ms=1e3 * statistics.median(policy.think_s or [0.0]),
        act_ms=1e3 * statistics.median(policy.act_s or [0.0]),
        trace=np.stack(trace.qpos),
        said=tuple(trace.said),
    )


def _side(spec: RobotSpec, scene: Scene, target: str) -> str:
    y = next(thing.xy[1] for thing in scene.things if thing.name == target) - spec.sim.table_center[1]
    if abs(y) < spec.sim.spawn_size[1] / 6:
        return "middle"
    return "left" if y > 0 else "right"


class Timed:
    """A policy, and how long each call of it took [s]."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.think_s: list[float] = []
        self.act_s: list[float] = []

    @property
    def model_id(self) -> str:
        return self._policy.model_id

    @property
    def about(self) -> Mapping[str, str]:
        return self._policy.about

    def accepts(self, instruction: Instruction, scene: Mapping[str, SceneObject] | None = None) -> None:
        self._policy.accepts(instruction, scene)

    def think(self, observation: Observation) -> LatentAction:
        begun_s = time.perf_counter()
        latents = self._policy.think(observation)
        self.think_s.append(time.perf_counter() - begun_s)
        return latents

    def act(
        self, latents: LatentAction, state: RobotState, under_way: Mapping[str, ArmChunk] | None = None
    ) -> ActionChunk:
        begun_s = time.perf_counter()
        chunk = self._policy.act(latents, state, under_way)
        self.act_s.append(time.perf_counter() - begun_s)
        return chunk

    def warm_up(self) -> None:
        self._policy.warm_up()

    def close(self) -> None:
        """The policy outlives its episodes."""
