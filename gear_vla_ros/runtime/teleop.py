"""From clutches and device samples to short chunks: everything the teleop_node does, without ROS."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts import ActionChunk, ArmChunk, CartesianTarget, Clock, ContractError, Grade
from gear_vla_ros.contracts.action import OPERATOR_PREFIX
from gear_vla_ros.geometry import se3
from gear_vla_ros.runtime.hold_to_run import HoldToRun
from gear_vla_ros.runtime.pilot import Pilot, Sample
from gear_vla_ros.runtime.refused import Refused
from gear_vla_ros.runtime.steering import Array
from gear_vla_ros.settings.robot import RobotSpec
from gear_vla_ros.settings.teleop import Device

CHUNK_HZ = 30.0
RELEASED, STALE = "hold_to_run_released", "hold_to_run_stale"


@dataclass(frozen=True)
class Step:
    """One tick's result. event: who drives has changed. faults: cause and line of what began to be missing."""

    chunk: ActionChunk | None = None
    event: Literal["takeover", "release", ""] = ""
    about: str = ""
    faults: tuple[tuple[str, str], ...] = ()


class Teleop:
    """A person takes over all arms with the first clutch pressed, and gives them back with the last one released.

    Arms whose clutch is open stand still meanwhile. When the device or the clutch of a driven arm falls silent, no
    chunk leaves, so the target_node brakes and holds; that is no release. Coming back, it is anchored anew. One thread;
    `tick` is called at `rates.target_hz`.
    """

    def __init__(
        self, robot: RobotSpec, device: Device, clock: Clock, base_R_device: Mapping[str, Array] | None = None
    ) -> None:
        """base_R_device: `[3, 3]` by arm, the axes of the device's fixed frame; identity where none is given."""
        spec = robot.teleop
        turned = base_R_device or {}
        self.model_id = f"{OPERATOR_PREFIX}{device}"
        self._clock = clock
        self._timeout_ns, self._target_ns = round(spec.timeout_s * 1e9), round(robot.staleness.target_s * 1e9)
        self._max_future_ns = round(robot.sync.max_future_s * 1e9)
        self._pilots: dict[str, Pilot] = {arm.name: Pilot(spec, arm.safety, turned.get(arm.name)) for arm in robot.arms}
        self._clutches: dict[str, HoldToRun] = {arm.name: HoldToRun(clock, spec.timeout_s) for arm in robot.arms}
        self._target: CartesianTarget | None = None
        self._instruction_id = 0
        self._driving: dict[str, bool] = {}
        """While a person drives: by arm, whether its clutch is closed."""
        self._silent = False
        self._told: set[str] = set()
        self._sequence = 0
        self._seen_ns = 0

    @property
    def driving(self) -> tuple[str, ...]:
        """Arms whose clutch is closed, while a person drives."""
        return tuple(name for name, closed in self._driving.items() if closed)

    @property
    def wants_target(self) -> bool:
        """Whether `tick` needs the newest target: a person drives, or is about to."""
        return bool(self._driving or self._pressed())

    def on_target(self, target: CartesianTarget) -> None:
        """Where the arms are sent now: what a takeover begins at. Raises ContractError for other arms."""
        if set(target.arms) != set(self._pilots):
            raise ContractError(f"target.arms: {', '.join(sorted(target.arms))}, allowed {', '.join(self._pilots)}")
        self._target = target

    def on_instruction(self, number: int) -> None:
        """Id of the instruction in force, which the chunks carry."""
        self._instruction_id = number

    def on_clutch(self, arm: str, pressed: bool) -> None:
        """A message of the arm's clutch, which must keep coming."""
        self._clutches[arm].say(pressed)

    def on_opening(self, arm: str, opening: float) -> None:
        """The gripper's opening as the device has it. Raises ContractError beyond 0 to 1."""
        if not 0.0 <= opening <= 1.0:
            raise ContractError(f"{arm} gripper: {opening}, allowed 0 (closed) to 1 (open)")
        if self._driving.get(arm):
            self._pilots[arm].open_to(opening)

    def on_gripper_button(self, arm: str) -> None:
        """The button was pressed that closes an open gripper and opens a closed one."""
        if self._driving.get(arm):
            self._pilots[arm].toggle()

    def on_sample(self, arm: str, sample: Sample) -> None:
        """What the arm's device says. Raises Refused with cause `stale`, `future` or `jump`, or ContractError."""
        age_s = (self._now() - sample.stamp_ns) * 1e-9
        if sample.stamp_ns <= 0:
            raise ContractError("stamp 0: allowed are the times of the measurement; the driver must stamp its messages")
        if age_s > self._timeout_ns * 1e-9:
            raise Refused("stale", f"{arm}: measured {age_s:.3f} s ago, allowed {self._timeout_ns * 1e-9:g} s")
        if age_s < -self._max_future_ns * 1e-9:
            raise Refused("future", f"{arm}: {-age_s:.3f} s ahead of the clock, allowed {self._max_future_ns * 1e-9:g}")
        pilot = self._pilots[arm]
        (pilot.take if self._driving.get(arm) else pilot.hear)(sample)

    def tick(self) -> Step:
        """The chunk for now, if a person drives."""
        now_ns = self._now()
        faults = self._faults(now_ns)
        new = tuple((cause, line) for cause, line in faults.items() if cause not in self._told)
        self._told = set(faults)
        if not self._driving:
            if faults or not (pressed := self._pressed()):
                return Step(faults=new)
            self._take_over(pressed)
            return Step(self._chunk(now_ns), "takeover", f"{' and '.join(pressed)} arm", new)
        if all(self._clutches[name].missing == RELEASED for name in self.driving) and not self._pressed():
            self._driving = {}
            return Step(event="release", about="clutch released", faults=new)
        if faults:
            self._silent = True
            return Step(faults=new)
        self._follow_clutches(now_ns)
        return Step(self._chunk(now_ns), faults=new)

    def _now(self) -> int:
        """The present; when the clock was set back, everything begins anew with the next press."""
        now_ns = self._clock.now_ns()
        if now_ns < self._seen_ns:
            self._target, self._driving = None, {}
            for name, pilot in self._pilots.items():
                pilot.stamp_ns = 0
                self._clutches[name].restart()
        self._seen_ns = now_ns
        return now_ns

    def _pressed(self) -> list[str]:
        return [name for name, clutch in self._clutches.items() if clutch.missing is None]

    def _faults(self, now_ns: int) -> dict[str, str]:
        """What is missing of the arms that are driven or are to be, as cause and line."""
        limit_s = self._timeout_ns * 1e-9
        found = {}
        for name in sorted({*self._pressed(), *self.driving}):
            stamp_ns = self._pilots[name].stamp_ns
            if stamp_ns == 0:
                found["device_absent"] = f"{name}: the clutch is pressed, but nothing was heard of the device yet"
            elif now_ns - stamp_ns > self._timeout_ns:
                age_s = (now_ns - stamp_ns) * 1e-9
                found["device_silent"] = f"{name}: last measured {age_s:.2f} s ago, allowed {limit_s:g} s; holding"
            if self._clutches[name].missing == STALE:
                found["clutch_silent"] = f"{name}: no message of the clutch for {limit_s:g} s; holding"
        if self._pressed() and (self._target is None or now_ns - self._target.stamp_ns > self._target_ns):
            found["no_target"] = "no target is published, as by a target_node that runs and has joint states"
        return found

    def _take_over(self, pressed: list[str]) -> None:
        assert self._target is not None
        for name, pilot in self._pilots.items():
            pilot.engage(self._target.arms[name])
        self._driving, self._silent = {name: name in pressed for name in self._pilots}, False

    def _follow_clutches(self, now_ns: int) -> None:
        """Clutches that were closed or opened since, what was silent and is back, and the leash."""
        assert self._target is not None
        held = self._target.grade >= Grade.HOLD
        for name, pilot in self._pilots.items():
            closed = self._clutches[name].missing is None
            target = self._target.arms[name]
            if self._silent or (closed and not self._driving[name]):
                pilot.engage(target)
            elif not closed and self._driving[name]:
                pilot.rest()
            self._driving[name] = closed
            pilot.keep_near(target.base_T_tcp, now_ns, held)
        self._silent = False

    def _chunk(self, now_ns: int) -> ActionChunk:
        """From now for as long as the devices' last words count, motion carried on for `lead_s` at most."""
        driven = [self._pilots[name].stamp_ns for name in self.driving] or [now_ns]
        left_s = (min(driven) + self._timeout_ns - now_ns) * 1e-9
        steps = np.arange(max(1, math.ceil(left_s * CHUNK_HZ)) + 1)
        times_ns = now_ns + np.round(steps * (1e9 / CHUNK_HZ)).astype(np.int64)
        self._sequence += 1
        arms = {name: _arm_chunk(pilot, times_ns) for name, pilot in self._pilots.items()}
        return ActionChunk(now_ns, self._sequence, self.model_id, self._instruction_id, 0, arms, CHUNK_HZ, now_ns)


def _arm_chunk(pilot: Pilot, times_ns: NDArray[np.int64]) -> ArmChunk:
    """Anchored at the goal of the first time."""
    goals, openings = pilot.ahead(times_ns)
    return ArmChunk(goals[0], se3.inverse(goals[0]) @ goals[1:], openings[1:])
