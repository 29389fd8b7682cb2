"""Cartesian targets -> joint commands of the robot's own controllers, for arms that do not take poses."""

import sys
import time
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gear_vla_ros.contracts import CartesianTarget, RobotState
from gear_vla_ros.geometry import se3
from gear_vla_ros.kinematics.differential_ik import DifferentialIk
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.ros import convert
from gear_vla_ros.ros.clocks import RosClock
from gear_vla_ros.ros.command_outputs import ACTIONS, OUTPUTS, CommandOutputs
from gear_vla_ros.ros.enabling import ENABLES, Enabling
from gear_vla_ros.ros.interface import Interface
from gear_vla_ros.ros.joint_states import JointStateReader
from gear_vla_ros.ros.node import GearNode, run
from gear_vla_ros.ros.parameters import RobotParams
from gear_vla_ros.ros.polling import Polled
from gear_vla_ros.ros.running import StartError
from gear_vla_ros.ros.ticks import Ticks
from gear_vla_ros.ros.topics import JOINT_STATES, TARGET

Array = NDArray[np.float64]

INTERFACE = Interface(publishes=OUTPUTS, subscribes=(JOINT_STATES, TARGET), calls=(*ENABLES.values(), *ACTIONS))
EXTRAPOLATED_PERIODS = 1.5
"""How many target periods a target is carried on by its twist at most."""
MEASURE_HZ = 20.0
FAR_RAD = 0.2
"""Distance of a commanded from its measured joint beyond which commanding begins again at the measured one."""


class Params(RobotParams):
    """Parameters of the ik_node."""

    enable: bool = Field(default=False, description="command nothing before the YAML's command.enable has said yes")


class IkNode(GearNode[Params]):
    """Everything runs in the executor's thread, at the tick: targets and joint states are read when they are needed.

    The commanded joints are integrated from the measured ones at the start, so that the controllers' lag does not
    come back as a target; they begin again there after a pause, or when the arm is elsewhere.
    """

    def __init__(self) -> None:
        super().__init__("ik_node", Params, INTERFACE)
        self._arms = [arm for arm in self.robot.arms if arm.command.interface != "pose"]
        if not self._arms:
            raise StartError(f"robot {self.robot.name} takes poses; there is nothing to do for this node")
        model = RobotModel(self.robot)
        self._clock_ns, self._reader = RosClock(self), JointStateReader(self.robot, model)
        self._ik, self._outputs = DifferentialIk(model), CommandOutputs(self)
        self._joints = Polled(self, INTERFACE, JOINT_STATES, self.robot.joint_states_topic)
        self._targets = Polled(self, INTERFACE, TARGET)
        self._enabling = Enabling(self) if self.params.enable else None
        self._target: CartesianTarget | None = None
        self._target_is_new = False
        self._measured: RobotState | None = None
        self._q: Mapping[str, Array] | None = None
        self._paused = ""
        hz = self.robot.rates.ik_hz
        self._period_s, self._ticked_s, self._ticks = 1.0 / hz, 0.0, 0
        self._ticks_a_measure = max(1, round(hz / MEASURE_HZ))
        self._timer = Ticks(self, hz, self._on_tick)

    def _on_tick(self) -> None:
        now_s = time.monotonic()
        dt, self._ticked_s = min(now_s - self._ticked_s, 2 * self._period_s), now_s
        self._ticks += 1
        self._read_target()
        if self._enabling is not None and not self._enabling.done():
            self._pause("not_enabled", f"{self._enabling.missing}: waiting for its driver; not commanding")
            return
        if self._target is None:
            return
        now_ns = self._clock_ns.now_ns()
        age_s = (now_ns - self._target.stamp_ns) * 1e-9
        if age_s > self.robot.staleness.target_s:
            limit_s = self.robot.staleness.target_s
            self._pause("stale_target", f"{age_s:.2f} s old, allowed {limit_s:g} s; not commanding")
            self._target = None
            return
        if self._q is None or self._ticks % self._ticks_a_measure == 0:
            self._measure(now_ns)
        if self._q is not None:
            self._command(self._q, self._target, age_s, dt)

    def _read_target(self) -> None:
        found = self._targets.read(lambda message: convert.target_from_msg(message, self.robot), self.health)
        if found is not None:
            self.health.count(TARGET.name)
            self._target, self._target_is_new = found, True

    def _measure(self, now_ns: int) -> None:
        """Read the joints; begin there when not commanding or when the command is far off; pause when they are old."""
        self._measured = self._joints.read(self._reader.read, self.health) or self._measured
        limit_s = 2 * self.robot.staleness.joint_states_s
        if self._measured is None or now_ns - self._measured.stamp_ns > limit_s * 1e9:
            self._pause("stale_joint_states", f"older than {limit_s:g} s, or none yet; not commanding")
            return
        measured: dict[str, Array] = {arm.name: self._measured.arms[arm.name].q for arm in self._arms}
        far = self._q is not None and max(abs(self._q[name] - q).max() for name, q in measured.items())
        if far > FAR_RAD:
            self.health.refuse("far_from_command", f"a joint is {far:.2f} rad off, allowed {FAR_RAD}; beginning at it")
        if self._q is None or far > FAR_RAD:
            self._q = measured

    def _command(self, q: Mapping[str, Array], target: CartesianTarget, age_s: float, dt: float) -> None:
        """One step of all arms towards the target, carried on to now."""
        ahead_s = min(max(age_s, 0.0), EXTRAPOLATED_PERIODS / self.robot.rates.target_hz)
        arms = {arm.name: target.arms[arm.name] for arm in self._arms}
        poses: dict[str, Array] = {name: se3.advance(arm.base_T_tcp, arm.twist * ahead_s) for name, arm in arms.items()}
        self._q = self._ik.step(q, poses, dt).q
        self._outputs.send(self._q, {name: arm.gripper for name, arm in arms.items()}, self._target_is_new)
        self._target_is_new = False
        self.health.count("commands")
        self._paused = ""

    def _pause(self, cause: str, line: str) -> None:
        """Stop commanding; each cause is counted when it begins."""
        self._q = None
        if cause != self._paused:
            self._paused = cause
            self.health.refuse(cause, line)


def main() -> int:
    """Entry point."""
    return run(IkNode)


if __name__ == "__main__":
    sys.exit(main())
