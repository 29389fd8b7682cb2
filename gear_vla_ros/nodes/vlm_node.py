"""The slow path: synchronised views and state -> policy.think -> latents, on the newest observation only."""

import functools
import sys
from typing import Any

from pydantic import Field

from gear_vla_ros.contracts import ContractError, Instruction, LatentAction, Observation, Policy
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.ros import convert, images
from gear_vla_ros.ros.interface import Interface
from gear_vla_ros.ros.joint_states import JointStateReader
from gear_vla_ros.ros.node import run
from gear_vla_ros.ros.policy_node import LatencyFigures, PolicyNode, PolicyParams
from gear_vla_ros.ros.polling import Polled
from gear_vla_ros.ros.stamps import to_ns
from gear_vla_ros.ros.topics import CAMERA, INSTRUCTION, JOINT_STATES, LATENTS, SCENE, SET_INSTRUCTION
from gear_vla_ros.ros.workers import NewestOnly
from gear_vla_ros.runtime.synchroniser import Synchroniser
from gear_vla_ros.settings import CameraSpec

INTERFACE = Interface(
    publishes=(LATENTS, INSTRUCTION),
    subscribes=(CAMERA, JOINT_STATES, SCENE),
    serves=(SET_INSTRUCTION,),
)

RETRY_HZ = 50.0


class Params(PolicyParams):
    """Parameters of the vlm_node."""

    use_scene: bool = Field(default=False, description="give the policy the simulator's ground truth (expert)")
    instruction: str = Field(default="", description="instruction at start; empty: wait for one")
    max_rate_hz: float = Field(default=10.0, ge=0.1, le=100.0, description="slow passes a second at most")


class VlmNode(PolicyNode[Params]):
    """Executor's thread: inputs, joining, instructions. Worker: `think`, latents. Serves once the policy is loaded."""

    def __init__(self) -> None:
        super().__init__("vlm_node", Params, INTERFACE, "slow")
        self._reader = JointStateReader(self.robot, RobotModel(self.robot))
        self._synchroniser = Synchroniser([camera.role for camera in self.robot.cameras], self.robot.sync, self.clock)
        self._instruction: Instruction | None = None
        self._scene: Any = None
        self._incomplete = False
        self._capture_to_latents = LatencyFigures(self.health, "capture to latents")
        self._latents = self.advertise(LATENTS)
        self._instructions = self.advertise(INSTRUCTION)
        self._joints = Polled(self, INTERFACE, JOINT_STATES, self.robot.joint_states_topic, depth=400)
        self._scenes = Polled(self, INTERFACE, SCENE) if self.params.use_scene else None
        for camera in self.robot.cameras:
            self.listen(CAMERA, functools.partial(self._on_image, camera), camera.topic)
            self.health.expect(camera.topic, min(camera.rate_hz, self.robot.sim.camera_rate_hz))
        self.create_timer(1.0 / RETRY_HZ, self._offer)
        self.create_timer(1.0, self._on_second)
        self.autostart()
        self.serve(SET_INSTRUCTION, self._on_set_instruction)

    def make_worker(self, policy: Policy) -> NewestOnly[Observation, LatentAction]:
        """Thinks at most `max_rate_hz` times a second. Raises ValueError if the instruction at start is refused."""
        if self._instruction is None and self.params.instruction:
            self._put_in_force(policy, Instruction(1, self.params.instruction))
        return NewestOnly("think", policy.think, self._on_latents, self.refused, 1.0 / self.params.max_rate_hz)

    def _on_image(self, camera: CameraSpec, message: Any) -> None:
        if self.worker is None:
            return
        sizes = {(camera.width, camera.height), (self.robot.sim.camera_width, self.robot.sim.camera_height)}
        if (message.width, message.height) not in sizes:
            allowed = " or ".join(f"{width}x{height}" for width, height in sorted(sizes))
            raise ContractError(f"image: {message.width}x{message.height}, allowed {allowed}, as in the robot's YAML")
        self._synchroniser.add_image(camera.role, to_ns(message.header.stamp), images.view(message))
        self._incomplete = True
        self._offer()

    def _add_states(self) -> None:
        for message in self._joints.all():
            self.health.count(self.robot.joint_states_topic)
            try:
                self._synchroniser.add_state(self._reader.read(message))
            except ContractError as error:
                self.health.refuse(f"bad_message {self.robot.joint_states_topic}", str(error))

    def _offer(self) -> None:
        """Hand the newest complete observation to the worker; also tried while the state after an image is awaited."""
        if self.worker is None or self._instruction is None or not self._incomplete:
            return
        self._add_states()
        observation = self._synchroniser.newest(self._instruction, self._newest_scene())
        if observation is not None:
            self._incomplete = False
            self.worker.offer(observation)

    def _newest_scene(self) -> Any:
        if self._scenes is not None:
            found = self._scenes.read(lambda message: convert.scene_from_msg(message, self.robot), self.health)
            self._scene = self._scene if found is None else found
        return self._scene

    def _on_latents(self, latents: LatentAction) -> None:
        """Publish; in the worker's thread."""
        in_force = self._instruction
        if in_force is None or latents.instruction_id != in_force.id:
            self.health.refuse("superseded", f"latents of instruction {latents.instruction_id} came after the next one")
            return
        self._latents.publish(convert.latents_to_msg(latents, self.robot))
        self.health.count(LATENTS.name)
        self._capture_to_latents.add(self.clock.now_ns() - latents.stamp_ns)

    def _on_set_instruction(self, request: Any, response: Any) -> Any:
        response.id = 0 if self._instruction is None else self._instruction.id
        try:
            if self.policy is None:
                raise ContractError("vlm_node is not configured; no policy is there that could follow an instruction")
            self._put_in_force(self.policy, Instruction(response.id + 1, request.text, request.kind or "language"))
        except ValueError as error:
            response.message = " ".join(str(error).split())
            self.health.refuse("instruction_refused", response.message)
            return response
        response.accepted, response.id = True, response.id + 1
        return response

    def _put_in_force(self, policy: Policy, instruction: Instruction) -> None:
        policy.accepts(instruction, self._newest_scene())
        self._instruction = instruction
        self._instructions.publish(convert.instruction_to_msg(instruction, self.clock.now_ns()))
        self.get_logger().info(f"instruction {instruction.id}: {instruction.text}")

    def _on_second(self) -> None:
        self.health.set("instruction", self._instruction.text if self._instruction else "none, waiting for one")
        self.health.set("missing", "; ".join(self._synchroniser.missing()) or "nothing")
        self.health.set("skew [ms]", self._synchroniser.skew_ns * 1e-6)
        self.health.set("skipped observations", self.worker.skipped if self.worker else 0)


def main() -> int:
    """Entry point."""
    return run(VlmNode)


if __name__ == "__main__":
    sys.exit(main())
