"""MuJoCo in place of the robot: the same topics as its drivers, and the ground truth beside them."""

import functools
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import Field
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String

from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.ros import convert, sim_messages
from gear_vla_ros.ros.clocks import RosClock
from gear_vla_ros.ros.commands import Command, CommandDecoder
from gear_vla_ros.ros.interface import Interface
from gear_vla_ros.ros.node import GearNode, run
from gear_vla_ros.ros.parameters import RobotParams
from gear_vla_ros.ros.running import StartError
from gear_vla_ros.ros.sim_cameras import SimCameras
from gear_vla_ros.ros.sim_topics import CAMERA_INFO, CLOCK, DESCRIPTION, SIM_RESET, TF, command_topics
from gear_vla_ros.ros.stamps import to_msg
from gear_vla_ros.ros.topics import CAMERA, COMMANDS, EVENTS, GRIPPERS, INSTRUCTION, JOINT_STATES, SCENE
from gear_vla_ros.sim.filming import Filming
from gear_vla_ros.sim.randomise import random_scene
from gear_vla_ros.sim.running import Simulation, WallStamp, simulated_stamp
from gear_vla_ros.sim.scene import Scene
from gear_vla_ros.sim.task import Judge
from gear_vla_ros.sim.world import World

INTERFACE = Interface(
    publishes=(CAMERA, CAMERA_INFO, JOINT_STATES, TF, DESCRIPTION, SCENE, EVENTS, CLOCK),
    subscribes=(*COMMANDS.values(), *GRIPPERS.values(), INSTRUCTION),
    serves=(SIM_RESET,),
)


class Params(RobotParams):
    """Parameters of the sim_node."""

    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="seed that places the objects")
    task: str = Field(default="", description="scene of this task, by the seed; none: three cubes")
    tf_hz: float = Field(default=30.0, ge=1, le=200, description="rate of /tf [Hz]")
    scene_hz: float = Field(default=15.0, ge=1, le=100, description="rate of /sim/objects [Hz]")
    publish_clock: bool = Field(default=False, description="stamp with simulated time and publish it on /clock")


class SimNode(GearNode[Params]):
    """Physics and drawing have a thread each; commands, transforms and the task run in the executor's."""

    def __init__(self) -> None:
        super().__init__("sim_node", Params, INTERFACE)
        self._model = RobotModel(self.robot)
        self._judge, self._seconds = Judge(), (time.monotonic(), 0.0)
        try:
            world = World(self.robot, self.params.seed, self._scene_of_task())
        except ValueError as error:
            raise StartError(f"{self.robot.urdf}: MuJoCo cannot use it: {' '.join(str(error).split())}") from None
        period_s = 1.0 / self.robot.rates.joint_states_hz
        self._advertise()
        stamp = simulated_stamp if self.params.publish_clock else WallStamp(RosClock(self).now_ns)
        self._simulation = Simulation(world, period_s, stamp, self._on_step, self._on_failure)
        self._filming = Filming(self.robot, self._simulation, SimCameras(self).publish, self._on_failure)
        self._listen()
        self.serve(SIM_RESET, self._on_reset)
        self.create_timer(1.0 / self.params.tf_hz, self._on_transforms)
        self.create_timer(1.0 / self.params.scene_hz, self._on_scene)
        self.create_timer(1.0, self._on_second)
        self._simulation.start()
        self._filming.start()

    def _scene_of_task(self) -> Scene | None:
        """None for the three cubes."""
        if not self.params.task:
            return None
        try:
            scene = random_scene(self.robot, self.params.task, self.params.seed)
        except ValueError as error:
            raise StartError(f"parameter {error}") from None
        self.get_logger().info(f"the scene is for: {scene.instruction}")
        return scene

    def _advertise(self) -> None:
        self._joints = self.advertise(JOINT_STATES, self.robot.joint_states_topic)
        self._transforms, self._scene, self._events = self.advertise(TF), self.advertise(SCENE), self.advertise(EVENTS)
        self._clock_publisher = self.advertise(CLOCK) if self.params.publish_clock else None
        self._description = self.advertise(DESCRIPTION)
        self._description.publish(String(data=self.robot.urdf_path().read_text(encoding="utf-8")))
        self.health.expect(self.robot.joint_states_topic, self.robot.rates.joint_states_hz)

    def _listen(self) -> None:
        topics = command_topics(self.robot)
        for name, _, decode in CommandDecoder(self.robot).subscriptions():
            self.listen(topics[name], functools.partial(self._on_command, decode), name)
        self.listen(INSTRUCTION, self._on_instruction)

    def _on_step(self) -> None:
        with self._simulation.held() as (world, stamp_ns):
            names, position, velocity = world.joints()
        if self._clock_publisher is not None:
            self._clock_publisher.publish(Clock(clock=to_msg(stamp_ns)))
        self._joints.publish(sim_messages.joint_state(names, position, velocity, stamp_ns))
        self.health.count(self.robot.joint_states_topic)

    def _on_command(self, decode: Callable[[Any], Mapping[str, Command]], message: Any) -> None:
        commands = decode(message)
        with self._simulation.held() as (world, _):
            for arm, command in commands.items():
                world.command(arm, command.q, command.opening)

    def _on_instruction(self, message: Any) -> None:
        instruction = convert.instruction_from_msg(message)
        with self._simulation.held() as (world, _):
            self._judge.instruct(instruction, world)

    def _on_reset(self, request: Any, response: Any) -> Any:
        with self._simulation.held() as (world, _):
            if self.params.task and request.seed not in (0, world.seed):
                response.message = (
                    f"a scene of '{self.params.task}' has one seed, {world.seed}; start again for another"
                )
                return response
            world.reset(request.seed or world.seed)
            self._judge.restart()
            response.accepted, response.message = True, f"arms at home, objects placed by seed {world.seed}"
        return response

    def _on_transforms(self) -> None:
        with self._simulation.held() as (world, stamp_ns):
            q, opening = world.arms()
            told = self._judge.news(world)
        self._transforms.publish(sim_messages.transforms(self._model.transforms(q, opening), stamp_ns))
        if told is not None:
            self._events.publish(sim_messages.success(told, self._judge.instruction_id, stamp_ns))
            self.get_logger().info(told)

    def _on_scene(self) -> None:
        with self._simulation.held() as (world, stamp_ns):
            objects = world.objects()
        self._scene.publish(convert.scene_to_msg(objects, self.robot, stamp_ns))

    def _on_second(self) -> None:
        (then_s, before_s), now_s, elapsed_s = self._seconds, time.monotonic(), self._simulation.elapsed_s
        self._seconds = now_s, elapsed_s
        self.health.set("real-time factor", (elapsed_s - before_s) / max(now_s - then_s, 1e-3))
        self.health.set("behind the wall clock [s]", self._simulation.lost_s)

    def _on_failure(self, error: Exception) -> None:
        self.fail(f"simulation: {type(error).__name__}: {' '.join(str(error).split())}")

    def close(self) -> None:
        """End both threads."""
        if not all([self._filming.close(), self._simulation.close()]):
            self.get_logger().error("a thread of the simulation does not end")


def main() -> int:
    """Entry point."""
    return run(SimNode)


if __name__ == "__main__":
    sys.exit(main())
