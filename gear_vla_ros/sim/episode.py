"""One episode in one process, without ROS and as fast as it can be computed: world, policy, and the stack's own parts.

The policy's chunks go through the timeline, the safety filter and the guard of `runtime.Follower`, its targets through
the inverse kinematics to the arms' position servos, each at its rate in the robot's YAML, in simulated time. So an
episode is the same motion whenever it is run again.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gear_vla_ros.contracts import (
    ActionChunk,
    ArmState,
    CartesianTarget,
    Instruction,
    ManualClock,
    Policy,
    RobotState,
)
from gear_vla_ros.geometry import se3
from gear_vla_ros.kinematics.differential_ik import DifferentialIk
from gear_vla_ros.kinematics.guard import Guard
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.runtime.follower import Follower
from gear_vla_ros.settings import RobotSpec, RuntimeSpec
from gear_vla_ros.sim.pacing import Repeated, Timing
from gear_vla_ros.sim.policy_loop import Eyes, PolicyLoop
from gear_vla_ros.sim.running import SECOND_NS
from gear_vla_ros.sim.task import task_of
from gear_vla_ros.sim.watching import Array, Watcher
from gear_vla_ros.sim.world import World

Disturb = Callable[[ActionChunk, int], ActionChunk]

JUDGE_HZ = 30.0


@dataclass(frozen=True)
class Outcome:
    """What physics says. seconds: simulated, until the success or the limit."""

    success: bool
    reason: str
    seconds: float


@dataclass(frozen=True)
class Later:
    """Another instruction, `after_s` after the beginning; only it is judged."""

    after_s: float
    instruction: Instruction


class Episode:
    """For one thread, and for one run.

    eyes: what the policy sees of the world; None for a policy that does not look, as the expert. disturb: from a chunk
    and the time to what is followed in its place. runtime: how chunks meet. later: an instruction that takes the place
    of the first.
    """

    def __init__(
        self,
        world: World,
        policy: Policy,
        instruction: Instruction,
        timing: Timing | None = None,
        watcher: Watcher | None = None,
        eyes: Eyes | None = None,
        disturb: Disturb | None = None,
        runtime: RuntimeSpec | None = None,
        later: Later | None = None,
    ) -> None:
        """Raises ValueError when an instruction cannot be followed in this world."""
        spec, runtime = world.spec, runtime or RuntimeSpec()
        self._world, self._policy, self._instruction = world, policy, instruction
        self._timing, self._watcher = timing or Timing(), watcher or Watcher()
        self._disturb = disturb
        for one in (instruction, *([later.instruction] if later else [])):
            policy.accepts(one, world.objects())
            self._task = task_of(one, world)
        self._later: deque[Later] = deque([later] if later else [])
        self._model = RobotModel(spec)
        self._clock = ManualClock(SECOND_NS)
        self._follower = Follower(spec, runtime, self._clock, Guard(self._model, spec.guard))
        self._joints = JointFollower(spec, self._model)
        steps = runtime.rtc_steps_max if runtime.seam == "rtc" else 0
        self._loop = PolicyLoop(
            spec, policy, self._timing, steps, self._clock, eyes, self._state, self._on_chunk, self._watcher
        )
        self._told: str | None = None

    def run(self) -> Outcome:
        """Until the task is done, or the time is over."""
        spec, timing, step_ns = self._world.spec, self._timing, round(1e9 / self._world.spec.rates.joint_states_hz)
        jobs = [
            Repeated(spec.rates.target_hz, self._tick),
            Repeated(spec.rates.ik_hz, self._command),
            Repeated(JUDGE_HZ, self._judge),
        ]
        self._put_in_force(self._instruction)
        self._watcher.begun(self._instruction, self._clock.now_ns())
        self._watcher.state(self._world, self._clock.now_ns())
        end_ns = SECOND_NS + round(timing.limit_s * 1e9)
        done_ns = 0
        while self._clock.now_ns() < end_ns:
            now_ns = self._clock.now_ns()
            if self._later and now_ns >= SECOND_NS + round(self._later[0].after_s * 1e9):
                self._put_in_force(self._later.popleft().instruction)
                self._watcher.instructed(self._instruction, now_ns)
            self._loop.run(self._world)
            for job in jobs:
                job.run_if_due(now_ns)
            if self._told is not None and not done_ns:
                done_ns, end_ns = now_ns, now_ns + round(timing.tail_s * 1e9)
            self._world.step(step_ns * 1e-9)
            self._clock.advance(step_ns * 1e-9)
            self._watcher.state(self._world, self._clock.now_ns())
        seconds = ((done_ns or end_ns) - SECOND_NS) * 1e-9
        return Outcome(self._told is not None, self._told or f"not done in {timing.limit_s:g} s", seconds)

    def _put_in_force(self, instruction: Instruction) -> None:
        self._instruction = instruction
        self._follower.on_instruction(instruction)
        self._loop.instruct(instruction)

    def _state(self) -> RobotState:
        return state_of(self._world, self._model, self._clock.now_ns())

    def _on_chunk(self, chunk: ActionChunk) -> None:
        self._follower.on_chunk(chunk if self._disturb is None else self._disturb(chunk, chunk.stamp_ns))

    def _tick(self) -> None:
        self._follower.on_state(self._state())
        if (target := self._follower.tick()) is not None:
            self._joints.aim(target)
            self._loop.followed(target)
            self._watcher.target(target, self._follower.status())

    def _command(self) -> None:
        commanded = self._joints.step(self._world, self._clock.now_ns())
        if commanded is not None:
            self._watcher.command(*commanded, self._clock.now_ns())

    def _judge(self) -> None:
        if self._told is None and not self._later and (line := self._task.done(self._world)) is not None:
            self._told = line
            self._watcher.succeeded(line, self._instruction.id, self._clock.now_ns())


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
