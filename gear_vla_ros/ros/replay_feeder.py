"""Gives an episode to running policy nodes, pass by pass: simulated time stands still until their chunk is there."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.publisher import Publisher
from rosgraph_msgs.msg import Clock

from gear_vla_ros.contracts import ActionChunk, Observation
from gear_vla_ros.msg import ActionChunk as ActionChunkMsg
from gear_vla_ros.msg import LatentAction
from gear_vla_ros.ros import convert, images
from gear_vla_ros.ros.client import Client, GraphError
from gear_vla_ros.ros.sim_topics import CLOCK
from gear_vla_ros.ros.stamps import to_msg, to_ns
from gear_vla_ros.ros.topics import CAMERA, CHUNK, JOINT_STATES, LATENTS, SCENE
from gear_vla_ros.settings import RobotSpec

HISTORY_NS = 60_000_000
"""Joint states before the pictures that are given."""
CREEP_NS, CREEP_LIMIT_NS = 100_000, 40_000_000
"""What the clock goes on a turn, for the nodes' timers, and in all: nothing may become stale while one waits."""
REHEARSALS, REHEARSAL_NS, REHEARSAL_LIMIT_S = 20, 1_000_000, 2.0
SET_BACK_NS, SET_BACK_S = 200_000_000, 0.05
TURN_S = 0.002
PASSES, PASS_LIMIT_S, MEET_LIMIT_S = 3, 20.0, 60.0

KEPT = 20

JointStates = Sequence[tuple[int, bytes]]
"""Stamp [ns] and serialised message, oldest first."""


class ReplayFeeder(Client):
    """Publishes a robot's topics and waits for latents and chunks. For the calling thread."""

    def __init__(self, robot: RobotSpec, joint_states: JointStates, check: Callable[[], None]) -> None:
        """check: as of `Client`, called in every wait."""
        super().__init__("gear_vla_replay", check)
        self._robot, self._joint_states = robot, joint_states
        self._now_ns = self._until_ns = self._told_ns = 0
        self._latents: deque[LatentAction] = deque(maxlen=KEPT)
        self._chunks: deque[ActionChunkMsg] = deque(maxlen=KEPT)

    def open(self) -> None:
        """Clock, pictures, joint states and objects out; latents and chunks in."""
        robot = self._robot
        self._clock = self.node.create_publisher(CLOCK.type, CLOCK.name, CLOCK.qos)
        self._cameras = {c.role: self.node.create_publisher(CAMERA.type, c.topic, CAMERA.qos) for c in robot.cameras}
        self._joints = self.node.create_publisher(JOINT_STATES.type, robot.joint_states_topic, JOINT_STATES.qos)
        self._scene = self.node.create_publisher(SCENE.type, SCENE.name, SCENE.qos)
        self.node.create_subscription(LATENTS.type, LATENTS.name, lambda one: self._latents.append(one), LATENTS.qos)
        self.node.create_subscription(CHUNK.type, CHUNK.name, lambda one: self._chunks.append(one), CHUNK.qos)

    def meet(self) -> None:
        """Until both nodes listen. Raises GraphError."""
        wanted: list[tuple[Publisher, int]] = [(self._joints, 2), *((one, 1) for one in self._cameras.values())]
        if not self._within(lambda: all(one.get_subscription_count() >= count for one, count in wanted), MEET_LIMIT_S):
            raise GraphError(f"waited {MEET_LIMIT_S:.0f} s for vlm_node and action_node to listen")

    def rehearse(self, observation: Observation) -> None:
        """Passes on pictures of just before an observation, until a chunk of any of them comes: instruction and topics
        have met then. Where passes are slow, that is while later pictures are shown already. A node that began to hear
        in the middle has the last joint states without those before, and would refuse these as older: it is made to
        forget.

        Raises GraphError.
        """
        first_ns = observation.stamp_ns - HISTORY_NS // 2
        shown = [first_ns + attempt * REHEARSAL_NS for attempt in range(REHEARSALS)]
        for stamp_ns in shown:
            if stamp_ns != first_ns:
                self._set_back(observation)
            self._move(observation.stamp_ns - HISTORY_NS, observation.stamp_ns)
            self._show(observation, stamp_ns)
            if self._within(lambda: self._made_from(shown), REHEARSAL_LIMIT_S):
                return
        raise GraphError("no chunk came; the nodes' last lines say why")

    def chunk_of(self, observation: Observation, act_ns: int) -> ActionChunk:
        """The chunk that the nodes make of an observation from the state at `act_ns`. Raises GraphError.

        Pictures and joint states that got lost, as any best-effort message may, are told again, the pictures under a
        stamp a microsecond later.
        """
        for attempt in range(PASSES):
            self._move(observation.stamp_ns - HISTORY_NS, act_ns)
            stamp_ns = observation.stamp_ns + attempt * 1000
            self._show(observation, stamp_ns)
            chunk = self._within(lambda at=stamp_ns: self._made_from([at]), PASS_LIMIT_S)  # type: ignore[misc]
            if chunk is not None and to_ns(chunk.header.stamp) == self._told_ns:
                return convert.chunk_from_msg(chunk, self._robot)
        raise GraphError(f"no chunk of the pictures at {observation.stamp_ns * 1e-9:.3f} s; the nodes' lines say why")

    def _set_back(self, observation: Observation) -> None:
        """Time from before all that was told, and pictures at it: nodes forget what they heard on the old time line."""
        self._now_ns = max(1, observation.stamp_ns - HISTORY_NS - SET_BACK_NS)
        self._tell_time()
        self._within(lambda: None, SET_BACK_S)
        self._show(observation, self._now_ns)
        self._within(lambda: None, SET_BACK_S)

    def _move(self, first_ns: int, last_ns: int) -> None:
        """Joint states and time go on."""
        self._now_ns = max(self._now_ns, first_ns)
        self._tell_time()
        for stamp_ns, message in self._between(first_ns, last_ns):
            self._now_ns = max(self._now_ns, stamp_ns)
            self._tell_time()
            self._joints.publish(message)
            self._told_ns = stamp_ns
            self._until_ns = stamp_ns + CREEP_LIMIT_NS
            self.wait(TURN_S)

    def _between(self, first_ns: int, last_ns: int) -> JointStates:
        """Joint states of a time span, and the one after it."""
        inside = [index for index, (stamp_ns, _) in enumerate(self._joint_states) if first_ns <= stamp_ns <= last_ns]
        return self._joint_states[inside[0] : inside[-1] + 2] if inside else ()

    def _show(self, observation: Observation, stamp_ns: int) -> None:
        if observation.scene is not None:
            self._scene.publish(convert.scene_to_msg(observation.scene, self._robot, stamp_ns))
            self.wait(TURN_S)
        for camera in self._robot.cameras:
            message = CAMERA.type()
            message.header.frame_id, message.header.stamp = camera.frame, to_msg(stamp_ns)
            pixels = observation.images[camera.role]
            self._cameras[camera.role].publish(images.fill(message, pixels, "rgb8"))

    def _made_from(self, stamps_ns: Sequence[int]) -> ActionChunkMsg | None:
        """A chunk made from latents of one of these capture times."""
        made = {one.sequence for one in self._latents if to_ns(one.header.stamp) in stamps_ns}
        return next((chunk for chunk in self._chunks if chunk.latent_sequence in made), None)

    def _tell_time(self) -> None:
        self._clock.publish(Clock(clock=to_msg(self._now_ns)))

    def _within(self, found: Callable[[], Any], limit_s: float) -> Any:
        """What is found, or None after `limit_s`; the clock creeps on."""
        deadline = time.monotonic() + limit_s
        while not (value := found()) and time.monotonic() < deadline:
            self._check()
            if self._now_ns < self._until_ns:
                self._now_ns += CREEP_NS
                self._tell_time()
            self.wait(TURN_S)
        return value or None
