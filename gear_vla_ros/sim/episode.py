"""One episode in one process, without ROS and as fast as it can be computed: world, policy, and the stack's own parts.

The policy's chunks go through the timeline, the safety filter and the guard of `runtime.Follower`, its targets through
the inverse kinematics to the arms' position servos, each at its rate in the robot's YAML, in simulated time. So an
episode is the same motion whenever it is run again.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts import (
    ActionChunk,
    ArmState,
    CartesianTarget,
    Instruction,
    LatentAction,
    ManualClock,
    Observation,
    Policy,
    RobotState,
    ViewRole,
)
from gear_vla_ros.geometry import se3
from gear_vla_ros.kinematics.differential_ik import DifferentialIk
from gear_vla_ros.kinematics.guard import Guard
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.runtime.follower import Follower
from gear_vla_ros.runtime.status import FollowerStatus
from gear_vla_ros.settings import RobotSpec, RuntimeSpec
from gear_vla_ros.sim.running import SECOND_NS
from gear_vla_ros.sim.task import task_of
from gear_vla_ros.sim.world import World

Array = NDArray[np.float64]
Images = Mapping[ViewRole, NDArray[np.uint8]]
Disturb = Callable[[ActionChunk, int], ActionChunk]

JUDGE_HZ = 30.0
_UNSEEN: Images = {"head": np.zeros((8, 8, 3), np.uint8)}


@dataclass(frozen=True)
class Timing:
    """policy_hz: thoughts a second, each followed by a chunk. latency_s: from a chunk's state until it is followed.

    tail_s: how long the episode goes on after the success.
    """

    policy_hz: float = 10.0
    latency_s: float = 0.05
    limit_s: float = 20.0
    tail_s: float = 0.3


@dataclass(frozen=True)
class Outcome:
    """What physics says. seconds: simulated, until the success or the limit."""

    success: bool
    reason: str
    seconds: float


class Watcher:
    """Told of everything that happens, in the order of time; this one does nothing."""

    def begun(self, instruction: Instruction, stamp_ns: int) -> None:
        """The instruction is in force."""

    def state(self, world: World, stamp_ns: int) -> None:
        """Physics went on by one period of the joint states."""

    def thought(self, latents: LatentAction) -> None:
        """A slow pass."""

    def chunk(self, chunk: ActionChunk) -> None:
        """What the policy wants, also while a disturbance keeps it from being followed."""

    def target(self, target: CartesianTarget, status: FollowerStatus) -> None:
        """A tick of the follower."""

    def command(self, q: Mapping[str, Array], opening: Mapping[str, float], stamp_ns: int) -> None:
        """Set points of all arms [rad] and grippers (0 to 1)."""

    def succeeded(self, line: str, instruction_id: int, stamp_ns: int) -> None:
        """The success predicate holds."""


class Episode:
    """For one thread, and for one run.

    look: what the policy sees of the world; None for a policy that does not look, as the expert. disturb: from a chunk
    and the time to what is followed in its place.
    """

    def __init__(
        self,
        world: World,
        policy: Policy,
        instruction: Instruction,
        timing: Timing | None = None,
        watcher: Watcher | None = None,
        look: Callable[[World], Images] | None = None,
        disturb: Disturb | None = None,
    ) -> None:
        """Raises ValueError when the instruction cannot be followed in this world."""
        spec = world.spec
        self._world, self._policy, self._instruction = world, policy, instruction
        self._timing, self._watcher = timing or Timing(), watcher or Watcher()
        self._look, self._disturb = look, disturb
        policy.accepts(instruction)
        self._task = task_of(instruction, world)
        self._model = RobotModel(spec)
        self._clock = ManualClock(SECOND_NS)
        self._follower = Follower(spec, RuntimeSpec(), self._clock, Guard(self._model, spec.guard))
        self._joints = JointFollower(spec, self._model)
        self._coming: deque[ActionChunk] = deque()
        self._told: str | None = None

    def run(self) -> Outcome:
        """Until the task is done, or the time is over."""
        spec, timing, step_ns = self._world.spec, self._timing, round(1e9 / self._world.spec.rates.joint_states_hz)
        jobs = [
            Repeated(timing.policy_hz, self._think),
            Repeated(spec.rates.target_hz, self._tick),
            Repeated(spec.rates.ik_hz, self._command),
            Repeated(JUDGE_HZ, self._judge),
        ]
        self._follower.on_instruction(self._instruction)
        self._watcher.begun(self._instruction, self._clock.now_ns())
        self._watcher.state(self._world, self._clock.now_ns())
        end_ns = SECOND_NS + round(timing.limit_s * 1e9)
        done_ns = 0
        while self._clock.now_ns() < end_ns:
            now_ns = self._clock.now_ns()
            for job in jobs:
                job.run_if_due(now_ns)
            if self._told is not None and not done_ns:
                done_ns, end_ns = now_ns, now_ns + round(timing.tail_s * 1e9)
            self._world.step(step_ns * 1e-9)
            self._clock.advance(step_ns * 1e-9)
            self._watcher.state(self._world, self._clock.now_ns())
        seconds = ((done_ns or end_ns) - SECOND_NS) * 1e-9
        return Outcome(self._told is not None, self._told or f"not done in {timing.limit_s:g} s", seconds)

    def _state(self) -> RobotState:
        return state_of(self._world, self._model, self._clock.now_ns())

    def _think(self) -> None:
        state, images = self._state(), _UNSEEN if self._look is None else self._look(self._world)
        seen = Observation(state.stamp_ns, images, state, self._instruction, scene=self._world.objects())
        latents = self._policy.think(seen)
        chunk = self._policy.act(latents, state)
        self._watcher.thought(latents)
        self._watcher.chunk(chunk)
        self._coming.append(chunk if self._disturb is None else self._disturb(chunk, state.stamp_ns))

    def _tick(self) -> None:
        now_ns = self._clock.now_ns()
        while self._coming and now_ns - self._coming[0].stamp_ns >= self._timing.latency_s * 1e9:
            self._follower.on_chunk(self._coming.popleft())
        self._follower.on_state(self._state())
        if (target := self._follower.tick()) is not None:
            self._joints.aim(target)
            self._watcher.target(target, self._follower.status())

    def _command(self) -> None:
        commanded = self._joints.step(self._world, self._clock.now_ns())
        if commanded is not None:
            self._watcher.command(*commanded, self._clock.now_ns())

    def _judge(self) -> None:
        if self._told is None and (line := self._task.done(self._world)) is not None:
            self._told = line
            self._watcher.succeeded(line, self._instruction.id, self._clock.now_ns())


class Repeated:
    """Something that is done at a rate, at the first call when it is due."""

    def __init__(self, hz: float, do: Callable[[], None], begin_ns: int = SECOND_NS) -> None:
        self._period_ns, self._due_ns, self._do = round(1e9 / hz), begin_ns, do

    def run_if_due(self, now_ns: int) -> None:
        """Do it, unless it was done less than a period ago."""
        if now_ns >= self._due_ns:
            self._due_ns += self._period_ns
            self._do()


class JointFollower:
    """From targets to set points, as ik_node: integrated from the measured joints at the start."""

    def __init__(self, spec: RobotSpec, model: RobotModel) -> None:
        self._ik, self._period_s = DifferentialIk(model), 1.0 / spec.rates.ik_hz
        self._target: CartesianTarget | None = None
        self._q: Mapping[str, Array] | None = None

    def aim(self, target: CartesianTarget) -> None:
        """Go there from now on."""
        self._target = target

    def step(self, world: World, now_ns: int) -> tuple[Mapping[str, Array], dict[str, float]] | None:
        """Command the world's arms and grippers; set points by arm, None before the first target."""
        if self._target is None:
            return None
        q = world.arms()[0] if self._q is None else self._q
        ahead_s = (now_ns - self._target.stamp_ns) * 1e-9
        arms = self._target.arms
        poses: dict[str, Array] = {name: se3.advance(arm.base_T_tcp, arm.twist * ahead_s) for name, arm in arms.items()}
        self._q = self._ik.step(q, poses, self._period_s).q
        opening = {name: arm.gripper for name, arm in arms.items()}
        for name, joints in self._q.items():
            world.command(name, joints, opening[name])
        return self._q, opening


def state_of(world: World, model: RobotModel, stamp_ns: int) -> RobotState:
    """What the joint states of the world say."""
    names, positions, velocities = world.joints()
    at = {name: i for i, name in enumerate(names)}
    arms: dict[str, ArmState] = {}
    for arm in world.spec.arms:
        index = [at[name] for name in arm.joints]
        opening = arm.gripper.opening_at(positions[at[arm.gripper.joint]])
        q = positions[index]
        arms[arm.name] = ArmState(model.fk(arm.name, q), q, velocities[index], opening)
    return RobotState(stamp_ns, arms)
