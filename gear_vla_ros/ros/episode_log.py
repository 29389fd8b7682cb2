"""An in-process episode as the messages that the nodes would have published, into an MCAP episode.

No graph is needed: messages are made and serialised here, by the same converters as in the nodes. Log times are the
simulated times at which things happened.
"""

import time
from collections.abc import Mapping
from typing import Any

from sensor_msgs.msg import Image
from std_msgs.msg import String

from gear_vla_ros.contracts import ActionChunk, CartesianTarget, Instruction, LatentAction
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.msg import EpisodeEvent
from gear_vla_ros.recording.topics import INSTRUCTION, LATENTS, topics_of
from gear_vla_ros.recording.writer import EpisodeWriter
from gear_vla_ros.ros import convert, images, sim_messages
from gear_vla_ros.ros.cdr import Serialiser
from gear_vla_ros.ros.commands import CommandEncoder
from gear_vla_ros.ros.sim_cameras import camera_info
from gear_vla_ros.ros.sim_topics import DESCRIPTION, TF
from gear_vla_ros.ros.stamps import to_msg
from gear_vla_ros.ros.topics import CHUNK, EVENTS, SCENE, STATUS, TARGET
from gear_vla_ros.runtime.status import FollowerStatus
from gear_vla_ros.settings import RobotSpec
from gear_vla_ros.sim.pacing import Repeated
from gear_vla_ros.sim.renderer import Renderer
from gear_vla_ros.sim.watching import Array, Watcher
from gear_vla_ros.sim.world import World

TF_HZ, SCENE_HZ, STATUS_HZ = 15.0, 15.0, 10.0
WAITING_BYTES, PAUSE_S = 64 * 2**20, 0.005
BATCH = 200
"""Messages handed to the writer's thread at a time: waking it for each costs more than the message."""


class EpisodeLog(Watcher):
    """Writes everything that an episode tells. For one thread; `flush` it, then the writer is the caller's to close."""

    def __init__(self, robot: RobotSpec, writer: EpisodeWriter, renderer: Renderer, serialised: Serialiser) -> None:
        """serialised: may be shared by the episodes of one robot, one after another."""
        self._robot, self._writer, self._renderer = robot, writer, renderer
        self._model, self._encoder = RobotModel(robot), CommandEncoder(robot)
        sim = robot.sim
        size = sim.camera_width, sim.camera_height
        self._infos = {camera.role: camera_info(camera, *size) for camera in robot.cameras}
        self._types = {topic.name: topic.type for topic in topics_of(robot, drivers=False)}
        self._serialised = serialised
        self._batch: list[tuple[str, int, bytes]] = []
        self._world: World | None = None
        self._now_ns = 0
        self._jobs = [
            Repeated(sim.camera_rate_hz, self._pictures),
            Repeated(TF_HZ, self._transforms),
            Repeated(SCENE_HZ, self._scene),
        ]
        self._status = Repeated(STATUS_HZ, self._tell_status)
        self._newest_status: FollowerStatus | None = None

    def begun(self, instruction: Instruction, stamp_ns: int) -> None:
        """What is latched, and the instruction."""
        self._put(DESCRIPTION.name, String(data=self._robot.urdf_path().read_text(encoding="utf-8")), stamp_ns)
        self._put(INSTRUCTION, convert.instruction_to_msg(instruction, stamp_ns), stamp_ns)
        self.event(EpisodeEvent.START, instruction.text, instruction.id, stamp_ns)

    def instructed(self, instruction: Instruction, stamp_ns: int) -> None:
        self._put(INSTRUCTION, convert.instruction_to_msg(instruction, stamp_ns), stamp_ns)

    def state(self, world: World, stamp_ns: int) -> None:
        """Joint states always; pictures, transforms and ground truth at their rates."""
        self._world, self._now_ns = world, stamp_ns
        self._put(self._robot.joint_states_topic, sim_messages.joint_state(*world.joints(), stamp_ns), stamp_ns)
        for job in self._jobs:
            job.run_if_due(stamp_ns)

    def thought(self, latents: LatentAction) -> None:
        self._put(LATENTS, convert.latents_to_msg(latents, self._robot), latents.stamp_ns)

    def chunk(self, chunk: ActionChunk) -> None:
        self._put(CHUNK.name, convert.chunk_to_msg(chunk, self._robot), chunk.stamp_ns)

    def target(self, target: CartesianTarget, status: FollowerStatus) -> None:
        message, self._newest_status = convert.target_to_msg(target, self._robot), status
        self._put(TARGET.name, message, target.stamp_ns)
        for arm in message.arms:
            self._put(f"/{arm.arm}/target_pose", arm.pose, target.stamp_ns)
        self._status.run_if_due(target.stamp_ns)

    def command(self, q: Mapping[str, Array], opening: Mapping[str, float], stamp_ns: int) -> None:
        for topic, message in self._encoder.encode(q, opening):
            self._put(topic, message, stamp_ns)

    def succeeded(self, line: str, instruction_id: int, stamp_ns: int) -> None:
        self._put(EVENTS.name, sim_messages.success(line, instruction_id, stamp_ns), stamp_ns)

    def event(self, kind: int, line: str, instruction_id: int, stamp_ns: int = 0) -> None:
        """An event as the task_node tells it. stamp_ns: 0 for the newest state's."""
        stamp_ns = stamp_ns or self._now_ns
        event = EpisodeEvent(kind=kind, source="task", instruction_id=instruction_id, message=line)
        event.header.stamp = to_msg(stamp_ns)
        self._put(EVENTS.name, event, stamp_ns)

    def _pictures(self) -> None:
        assert self._world is not None
        self._renderer.take(self._world)
        for camera in self._robot.cameras:
            pixels, info = self._renderer.render(camera.role), self._infos[camera.role]
            image = images.fill(Image(), pixels if camera.encoding == "rgb8" else pixels[:, :, ::-1], camera.encoding)
            info.header.stamp = to_msg(self._now_ns)
            image.header = info.header
            self._put(camera.topic, image, self._now_ns)
            self._put(camera.info_topic, info, self._now_ns)

    def _transforms(self) -> None:
        assert self._world is not None
        links = self._model.transforms(*self._world.arms())
        self._put(TF.name, sim_messages.transforms(links, self._now_ns), self._now_ns)

    def _scene(self) -> None:
        assert self._world is not None
        message = convert.scene_to_msg(self._world.objects(), self._robot, self._now_ns)
        self._put(SCENE.name, message, self._now_ns)

    def _tell_status(self) -> None:
        assert self._newest_status is not None
        self._put(STATUS.name, convert.status_to_msg(self._newest_status, self._now_ns, 0.0), self._now_ns)

    def _put(self, topic: str, message: Any, stamp_ns: int) -> None:
        self._batch.append((topic, stamp_ns, self._serialised(topic, self._types[topic], message)))
        if len(self._batch) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Hand over what waits here; pauses while the disk is behind, so that nothing is dropped."""
        while self._writer.waiting_bytes > WAITING_BYTES and not self._writer.error:
            time.sleep(PAUSE_S)
        for topic, stamp_ns, data in self._batch:
            self._writer.write(topic, stamp_ns, stamp_ns, data)
        self._batch.clear()
