"""From states, chunks and the time to one target a tick: everything the target_node does, without ROS."""

from gear_vla_ros.contracts import (
    ActionChunk,
    CartesianTarget,
    Clock,
    ContractError,
    Grade,
    Instruction,
    RobotState,
)  # fmt: skip
from gear_vla_ros.runtime.helm import Helm
from gear_vla_ros.runtime.hold_to_run import HoldToRun
from gear_vla_ros.runtime.refused import Refused
from gear_vla_ros.runtime.safety import Guard, SafetyFilter
from gear_vla_ros.runtime.status import FollowerStatus, Ledger
from gear_vla_ros.runtime.timeline import Sample, Timeline
from gear_vla_ros.runtime.tracking import Tracking
from gear_vla_ros.runtime.watchdog import Watchdogs
from gear_vla_ros.settings.robot import RobotSpec
from gear_vla_ros.settings.runtime import FollowingSpec

LONGEST_TICK = 1.25
"""Periods that one tick moves at most; after a pause the robot goes on where it was, it does not catch up."""

Finding = tuple[Grade, str]


class Follower:
    """Timeline, safety filter and watchdogs behind one `tick`. One thread; `tick` is called at `rates.target_hz`.

    While held, the last target is held, not the measured pose, so the arm does not drift. A measured pose too far from
    the target (a simulator's reset, a collision, an arm moved by hand) is where following starts anew.
    """

    def __init__(
        self,
        spec: RobotSpec,
        runtime: FollowingSpec,
        clock: Clock,
        guard: Guard | None = None,
        hold_to_run: bool = False,
    ) -> None:
        self._clock = clock
        self._arms = {arm.name for arm in spec.arms}
        self._max_future_ns = round(spec.sync.max_future_s * 1e9)
        self._period_s = 1.0 / spec.rates.target_hz
        self._chunk_limit_s = spec.staleness.chunk_s
        self._timeline = Timeline(runtime.seam, self._arms, spec.sync.max_future_s, runtime.seam_window_s)
        self._filter = SafetyFilter(spec, runtime.slow_factor, guard)
        self._tracking = Tracking(runtime.tracking_error_max_m, runtime.tracking_error_max_rad)
        self._watchdogs = Watchdogs(clock)
        self._watchdogs.expect("joint_states", spec.staleness.joint_states_s)
        self._helm = Helm()
        self._hold = HoldToRun(clock, spec.operator.timeout_s) if hold_to_run else None
        self._ledger = Ledger()
        self._state: RobotState | None = None
        self._state_ns = 0
        self._instruction_id: int | None = None
        self._stopped: str | None = None
        self._seen_ns = self._ticked_ns = 0
        self._clock_back = False
        self._sequence = 0
        self._commanded = 0
        self._capture_to_command_ms = 0.0

    def on_state(self, state: RobotState) -> None:
        """The newest state. Raises ContractError for other arms, and for stamps ahead of now or not after the last."""
        now_ns = self._now()
        if set(state.arms) != self._arms:
            found, allowed = ", ".join(sorted(state.arms)), ", ".join(sorted(self._arms))
            raise ContractError(f"state.arms: {found}, allowed {allowed}")
        if state.stamp_ns > now_ns + self._max_future_ns:
            ahead, limit = (state.stamp_ns - now_ns) * 1e-9, self._max_future_ns * 1e-9
            raise ContractError(f"state.stamp_ns: {ahead:.3f} s ahead of the clock, allowed {limit:g} s")
        if state.stamp_ns <= self._state_ns:
            raise ContractError(f"state.stamp_ns: {state.stamp_ns}, allowed are stamps after {self._state_ns}")
        if self._state is None:
            self._filter.start(state)
        self._filter.measured(state)
        self._state, self._state_ns = state, state.stamp_ns
        self._watchdogs.fed("joint_states", state.stamp_ns)

    def on_instruction(self, instruction: Instruction) -> None:
        """The instruction in force; another one than before drops the policy's chunk, so the arms brake to a hold."""
        if instruction.id != self._instruction_id:
            self._instruction_id = instruction.id
            if self._helm.operator is None:
                self._timeline.clear()

    def on_chunk(self, chunk: ActionChunk) -> None:
        """Follow a chunk. Raises Refused with cause `stopped`, `instruction`, or one of `Helm.check` and
        `Timeline.accept`; counted. A person's chunk takes over, by the seam as any other."""
        try:
            now_ns = self._now()
            self._check_wanted(chunk)
            self._timeline.accept(chunk, now_ns)
            self._helm.follows(chunk)
        except Refused as refused:
            self._ledger.count(f"chunk_{refused.cause}")
            raise

    def _check_wanted(self, chunk: ActionChunk) -> None:
        if self._stopped is not None:
            raise Refused("stopped", f"chunk {chunk.sequence}: stopped by {self._stopped}, allowed after a reset")
        self._helm.check(chunk)
        if not chunk.by_operator and chunk.instruction_id != self._instruction_id:
            in_force = "none is in force" if self._instruction_id is None else f"in force is {self._instruction_id}"
            raise Refused("instruction", f"chunk {chunk.sequence}: of instruction {chunk.instruction_id}, {in_force}")

    def on_release(self, operator: str, stamp_ns: int) -> None:
        """The operator of that name gave the robot back at `stamp_ns`: it brakes, and goes on with the next chunk of
        the policy whose anchor was captured after that. Of another name: without effect."""
        if self._helm.release(operator, min(stamp_ns, self._now())):
            self._timeline.clear()

    def on_hold(self, pressed: bool) -> None:
        """A message of the hold-to-run button; without effect where none is asked for."""
        if self._hold is not None:
            self._hold.say(pressed)

    def stop(self, cause: str) -> None:
        """Brake to standstill at once and stay there until `reset`."""
        self._stopped = cause
        self._timeline.clear()

    def reset(self) -> None:
        """Release a stop, and an operator who fell silent; following goes on with the next chunk."""
        self._stopped, now_ns = None, self._now()
        if self._helm.operator is not None and self._timeline.sample(now_ns) is None:
            self.on_release(self._helm.operator, now_ns)

    def tick(self) -> CartesianTarget | None:
        """The target for now; None until the first state."""
        now_ns = self._now()
        if self._state is None:
            self._ledger.enter([*self._stop_finding(), (Grade.HOLD, "no_state")], ())
            return None
        elapsed_s = (now_ns - self._ticked_ns) * 1e-9 if self._ticked_ns else self._period_s
        self._ticked_ns = now_ns
        findings = self._faults(self._state)
        sample = self._timeline.sample(now_ns)
        findings += self._shortcomings(sample, now_ns)
        grade = max((found for found, _ in findings), default=Grade.FULL)
        desired = sample.arms if sample is not None else {}
        targets, limited = self._filter.step(desired, grade, min(elapsed_s, LONGEST_TICK * self._period_s))
        self._ledger.enter(findings, limited)
        self._sequence += 1
        if sample is None or grade >= Grade.HOLD:
            return CartesianTarget(now_ns, self._sequence, targets, grade)
        chunk = sample.chunk
        self._note_command(chunk, now_ns)
        source = chunk.stamp_ns, chunk.sequence, chunk.model_id
        return CartesianTarget(now_ns, self._sequence, targets, grade, *source)

    def _now(self) -> int:
        """The present; when the clock was set back, nothing that was captured before has a place in it."""
        now_ns = self._clock.now_ns()
        if now_ns < self._seen_ns:
            self._timeline.clear()
            self._helm.restart()
            self._watchdogs.restart()
            if self._hold is not None:
                self._hold.restart()
            self._state_ns, self._ticked_ns, self._clock_back = 0, 0, True
        self._seen_ns = now_ns
        return now_ns

    def _stop_finding(self) -> list[Finding]:
        return [] if self._stopped is None else [(Grade.STOP, self._stopped)]

    def _faults(self, state: RobotState) -> list[Finding]:
        """What is wrong apart from the chunk; starts anew from the measured pose if the target is too far from it."""
        findings = self._stop_finding()
        if self._hold is not None and (missing := self._hold.missing) is not None:
            findings.append((Grade.HOLD, missing))
        if self._clock_back:
            findings.append((Grade.HOLD, "clock_back"))
            self._clock_back = False
        stale, names = self._watchdogs.grade()
        findings += [(stale, name) for name in names]
        if stale is Grade.FULL and self._tracking.lost(state, self._filter.targets):
            findings.append((Grade.HOLD, "tracking_error"))
            self._filter.start(state)
            self._timeline.clear()
        return findings

    def _shortcomings(self, sample: Sample | None, now_ns: int) -> list[Finding]:
        """What is wrong with the chunk, or that there is none."""
        if self._helm.operator is not None:
            return [] if sample is not None else [(Grade.HOLD, "teleop_silent")]
        if self._instruction_id is None:
            return [(Grade.HOLD, "no_instruction")]
        if sample is None:
            return [(Grade.HOLD, "no_chunk" if self._timeline.chunk is None else "timeline_end")]
        late = (now_ns - sample.chunk.stamp_ns) * 1e-9 / self._chunk_limit_s
        if late <= 1.0:
            return []
        return [(Grade.HOLD if late > 2.0 else Grade.SLOW, "chunk_stale")]

    def _note_command(self, chunk: ActionChunk, now_ns: int) -> None:
        if chunk.stamp_ns != self._commanded:
            self._commanded = chunk.stamp_ns
            self._capture_to_command_ms = (now_ns - chunk.stamp_ns) * 1e-6

    def status(self) -> FollowerStatus:
        """How it stands after the last tick."""
        now_ns, chunk, ledger = self._now(), self._timeline.chunk, self._ledger
        return FollowerStatus(
            grade=ledger.grade,
            causes=ledger.causes,
            driver=self._helm.operator or ("" if chunk is None else chunk.model_id),
            faults=dict(ledger.faults),
            grades=dict(ledger.grades),
            instruction_id=0 if chunk is None else chunk.instruction_id,
            chunk_sequence=0 if chunk is None else chunk.sequence,
            chunk_age_s=-1.0 if chunk is None else (now_ns - chunk.stamp_ns) * 1e-9,
            remaining_s=self._timeline.remaining_s(now_ns),
            capture_to_command_ms=self._capture_to_command_ms,
        )
