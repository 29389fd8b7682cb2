"""The fast path: newest latents and newest state -> policy.act -> a chunk, on new latents and before one runs out."""

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from gear_vla_ros.contracts import ActionChunk, ArmChunk, ContractError, LatentAction, Policy, RobotState
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.msg import EpisodeEvent
from gear_vla_ros.ros import convert
from gear_vla_ros.ros.ahead import Ahead
from gear_vla_ros.ros.interface import Interface
from gear_vla_ros.ros.joint_states import JointStateReader
from gear_vla_ros.ros.node import run
from gear_vla_ros.ros.policy_node import LatencyFigures, PolicyNode, PolicyParams
from gear_vla_ros.ros.polling import Polled
from gear_vla_ros.ros.topics import CHUNK, EVENTS, INSTRUCTION, JOINT_STATES, LATENTS, TARGET
from gear_vla_ros.ros.workers import NewestOnly
from gear_vla_ros.runtime.latent_use import check_usable
from gear_vla_ros.runtime.refused import Refused
from gear_vla_ros.settings.runtime import AskingSpec

INTERFACE = Interface(publishes=(CHUNK,), subscribes=(LATENTS, JOINT_STATES, INSTRUCTION, EVENTS, TARGET))
CHECK_HZ = 20.0


class Params(PolicyParams, AskingSpec):
    """Parameters of the action_node."""

    rtc: bool = Field(default=False, description="give the policy what runs while it acts (seam rtc)")


class ActionNode(PolicyNode[Params]):
    """Executor's thread: which latents are in force. Worker: reads the newest state, `act`, publishes the chunk.

    A chunk from before an operator's release is not under way any more, and the next one is made at once.
    """

    def __init__(self) -> None:
        super().__init__("action_node", Params, INTERFACE, "fast")
        self._reader = JointStateReader(self.robot, RobotModel(self.robot))
        self._joints = Polled(self, INTERFACE, JOINT_STATES, self.robot.joint_states_topic)
        self._latents: LatentAction | None = None
        self._state: RobotState | None = None
        self._instruction_id = 0
        self._last_chunk: ActionChunk | None = None
        steps_max = self.params.rtc_steps_max
        self._ahead = Ahead(self, INTERFACE, self.robot, self.health, steps_max) if self.params.rtc else None
        self._pass = LatencyFigures(self.health, "fast pass")
        self._state_to_chunk = LatencyFigures(self.health, "state to chunk")
        self._chunks = self.advertise(CHUNK)
        self.listen(LATENTS, self._on_latents)
        self.listen(INSTRUCTION, self._on_instruction)
        self.listen(EVENTS, self._on_event)
        self.create_timer(1.0 / CHECK_HZ, self._on_check)
        self.autostart()

    def make_worker(self, policy: Policy) -> NewestOnly[LatentAction, ActionChunk]:
        """Acts on the newest latents."""
        return NewestOnly("act", self._act, self._on_chunk, self.refused)

    def _on_instruction(self, message: Any) -> None:
        self._instruction_id = convert.instruction_from_msg(message).id
        if self._latents is not None and self._latents.instruction_id != self._instruction_id:
            self._latents = None

    def _on_event(self, message: Any) -> None:
        if message.kind == EpisodeEvent.RELEASE:
            self._last_chunk = None

    def _on_latents(self, message: Any) -> None:
        if self.worker is None or self.policy is None:
            return
        latents = convert.latents_from_msg(message, self.robot)
        try:
            check_usable(latents, self.policy.model_id, self._instruction_id, self.clock.now_ns(), self.robot)
        except Refused as refused:
            self.health.refuse(refused.cause, str(refused))
            return
        self._latents = latents
        self.worker.offer(latents)

    def _on_check(self) -> None:
        """Ask for another chunk of the same latents while the last one runs out."""
        if self.worker is None or self._latents is None or not self.worker.idle:
            return
        now_ns, last = self.clock.now_ns(), self._last_chunk
        fresh = now_ns - self._latents.stamp_ns < self.robot.staleness.latents_s * 1e9
        if fresh and (last is None or last.end_ns - now_ns < self.params.replan_before_end_s * 1e9):
            self.worker.offer(self._latents)

    def _act(self, latents: LatentAction) -> ActionChunk:
        """One fast pass on the newest state; in the worker's thread. Raises ValueError when there is none to use."""
        assert self.policy is not None
        state = self._newest_state()
        begun_ns = self.clock.now_ns()
        age_s = (begun_ns - state.stamp_ns) * 1e-9
        limits = self.robot.staleness.joint_states_s, self.robot.sync.max_future_s
        if not -limits[1] <= age_s <= limits[0]:
            raise ContractError(f"state: {age_s:.3f} s old, allowed -{limits[1]:g} (clocks) to {limits[0]:g}")
        chunk = self.policy.act(latents, state, self._under_way(latents, state))
        self._pass.add(self.clock.now_ns() - begun_ns)
        return chunk

    def _under_way(self, latents: LatentAction, state: RobotState) -> Mapping[str, ArmChunk] | None:
        """With rtc: what the last chunk has for the time until the next one can be there."""
        last = self._last_chunk
        if self._ahead is None or last is None or last.instruction_id != latents.instruction_id:
            return None
        return self._ahead.steps(last, state, self._state_to_chunk.p(90) * 1e-3)

    def _newest_state(self) -> RobotState:
        self._state = self._joints.read(self._reader.read, self.health) or self._state
        if self._state is None:
            raise ContractError(f"state: no usable message on {self.robot.joint_states_topic} yet")
        return self._state

    def _on_chunk(self, chunk: ActionChunk) -> None:
        """Publish; in the worker's thread."""
        if chunk.instruction_id != self._instruction_id:
            self.health.refuse("superseded", f"chunk of instruction {chunk.instruction_id} came after the next one")
            return
        now_ns = self.clock.now_ns()
        self._chunks.publish(convert.chunk_to_msg(dataclasses.replace(chunk, produced_ns=now_ns), self.robot))
        self._last_chunk = chunk
        self.health.count(CHUNK.name)
        self._state_to_chunk.add(now_ns - chunk.stamp_ns)
        self.health.set("skipped latents", self.worker.skipped if self.worker else 0)


def main() -> int:
    """Entry point."""
    return run(ActionNode)


if __name__ == "__main__":
    sys.exit(main())
