"""A small slow motion of each arm through the running target_node, as if a person drove: what `gear-vla doctor --move`
looks at."""

import time
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import JointState

from gear_vla_ros.contracts import ActionChunk, ArmChunk, CartesianTarget, ContractError, RobotState
from gear_vla_ros.geometry import se3
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.msg import CartesianTarget as CartesianTargetMsg
from gear_vla_ros.msg import EpisodeEvent, PolicyStatus
from gear_vla_ros.ros import convert
from gear_vla_ros.ros.client import Client
from gear_vla_ros.ros.joint_states import JointStateReader
from gear_vla_ros.ros.stamps import to_msg
from gear_vla_ros.ros.topics import CHUNK, EVENTS, JOINT_STATES, STATUS, TARGET
from gear_vla_ros.settings import RobotSpec

MODEL_ID = "teleop/doctor"
BRING_UP = "gear-vla bringup --robot ROBOT --sim none --policy none --teleop joy"
WAY_M, OPENING, SECONDS, REST_S = 0.03, 0.3, 4.0, 0.7
CHUNKS_HZ, STEPS, MEET_LIMIT_S = 10.0, 30, 10.0

Array = NDArray[np.float64]


@dataclass
class Trial:
    """What came of moving one arm up by `WAY_M` and its gripper by `told_opening`, and back again.

    way: by arm, how far its tool was away at most `[3]` (world axes); opening: by arm, the greatest change of the
    gripper. causes: what held the targets meanwhile.
    """

    arm: str
    told_opening: float
    way: dict[str, Array] = field(default_factory=dict)
    opening: dict[str, float] = field(default_factory=dict)
    causes: set[str] = field(default_factory=set)


class TrialMotion(Client):
    """The robot is given back on every way out."""

    def __init__(self, spec: RobotSpec, sim_time: bool = False) -> None:
        super().__init__("gear_vla_doctor", sim_time=sim_time)
        self._spec, self._model = spec, RobotModel(spec)
        self._reader = JointStateReader(spec, self._model)
        self._state: RobotState | None = None
        self._target: CartesianTarget | None = None
        self._causes: tuple[str, ...] = ()
        self._sequence = 0

    def open(self) -> None:
        """Joint states, targets and status in; chunks and events out."""
        listen = self.node.create_subscription
        listen(JOINT_STATES.type, self._spec.joint_states_topic, self._on_joints, JOINT_STATES.qos)
        listen(CartesianTargetMsg, TARGET.name, self._on_target, TARGET.qos)
        listen(PolicyStatus, STATUS.name, self._on_status, STATUS.qos)
        self._chunks = self.node.create_publisher(CHUNK.type, CHUNK.name, CHUNK.qos)
        self._events = self.node.create_publisher(EpisodeEvent, EVENTS.name, EVENTS.qos)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._release()
        super().__exit__(kind, error, at)

    def run(self) -> list[Trial]:
        """One arm after the other. Raises GraphError when no target_node or no joint states are there."""
        self.until(lambda: self._state is not None, MEET_LIMIT_S, f"joint states on {self._spec.joint_states_topic}")
        self.until(
            lambda: self._target is not None,
            MEET_LIMIT_S,
            f"a target on {TARGET.name}: start the bring-up, as {BRING_UP}",
        )
        self.until(
            lambda: self._chunks.get_subscription_count() > 0, MEET_LIMIT_S, f"a target_node that hears {CHUNK.name}"
        )
        return [self._try(arm.name) for arm in self._spec.arms]

    def _try(self, arm: str) -> Trial:
        assert self._target is not None and self._state is not None
        start, begun = self._target, self._state
        told = OPENING if start.arms[arm].gripper < 0.5 else -OPENING
        trial, begin_ns, sent_s = Trial(arm, told), self._now_ns(), 0.0
        limit_s = time.monotonic() + 5 * SECONDS
        while (self._now_ns() - begin_ns) * 1e-9 < SECONDS and time.monotonic() < limit_s:
            if time.monotonic() - sent_s > 1 / CHUNKS_HZ:
                sent_s = time.monotonic()
                self._chunks.publish(convert.chunk_to_msg(self._chunk(start, trial, begin_ns), self._spec))
            self.wait(0.02)
            self._note(trial, begun)
        self._release()
        self.within(REST_S, lambda: False)
        return trial

    def _chunk(self, start: CartesianTarget, trial: Trial, begin_ns: int) -> ActionChunk:
        """The next second of the motion: up and back, as sin^2."""
        now_ns = self._now_ns()
        times = (now_ns - begin_ns) * 1e-9 + np.arange(1, STEPS + 1) / 30.0
        share = np.sin(np.pi * np.clip(times / SECONDS, 0.0, 1.0)) ** 2
        arms = {}
        for name, at in start.arms.items():
            moves = share if name == trial.arm else np.zeros(STEPS)
            up = self._model.world_T_base(name)[:3, :3].T @ np.array([0.0, 0.0, WAY_M])
            ways = np.concatenate([moves[:, None] * up, np.zeros((STEPS, 3))], axis=1)
            steps = se3.inverse(at.base_T_tcp) @ se3.advance(np.tile(at.base_T_tcp, (STEPS, 1, 1)), ways)
            grippers = np.clip(at.gripper + moves * trial.told_opening, 0.0, 1.0)
            arms[name] = ArmChunk(at.base_T_tcp, steps, grippers)
        self._sequence += 1
        return ActionChunk(now_ns, self._sequence, MODEL_ID, 0, 0, arms, 30.0, now_ns)

    def _note(self, trial: Trial, begun: RobotState) -> None:
        assert self._state is not None
        trial.causes.update(self._causes)
        for name, arm in self._state.arms.items():
            world_R_base = self._model.world_T_base(name)[:3, :3]
            way = world_R_base @ (arm.base_T_tcp[:3, 3] - begun.arms[name].base_T_tcp[:3, 3])
            if np.linalg.norm(way) >= np.linalg.norm(trial.way.get(name, np.zeros(3))):
                trial.way[name] = way
            change = arm.gripper - begun.arms[name].gripper
            if abs(change) >= abs(trial.opening.get(name, 0.0)):
                trial.opening[name] = change

    def _release(self) -> None:
        event = EpisodeEvent(kind=EpisodeEvent.RELEASE, source=MODEL_ID, message="the trial motion is over")
        event.header.stamp = to_msg(self._now_ns())
        self._events.publish(event)

    def _now_ns(self) -> int:
        return int(self.node.get_clock().now().nanoseconds)

    def _on_joints(self, message: JointState) -> None:
        try:
            self._state = self._reader.read(message)
        except ContractError:
            return

    def _on_target(self, message: CartesianTargetMsg) -> None:
        try:
            self._target = convert.target_from_msg(message, self._spec)
        except ContractError:
            return

    def _on_status(self, message: PolicyStatus) -> None:
        self._causes = tuple(message.causes)
