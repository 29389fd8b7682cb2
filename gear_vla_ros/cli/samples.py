"""Observations to prove or calibrate an export on: out of a recorded episode, or of the simulated robot."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts import ArmState, Instruction, Observation, RobotState, ViewRole
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.recording.errors import RecordingError
from gear_vla_ros.recording.moments import read_moments
from gear_vla_ros.recording.survey import survey
from gear_vla_ros.settings import RobotSpec

Array = NDArray[np.float64]
COUNT = 3
SENTENCES = ("pick up the red cube", "pick up the green cube", "pick up the blue cube")


def from_episode(path: Path, robot: RobotSpec, count: int = COUNT) -> list[Observation]:
    """What the robot saw and felt at `count` moments. Raises RecordingError where a camera or joints are missing."""
    seen, found = read_moments(path, robot, count), survey(path, robot)
    wanted = [name for arm in robot.arms for name in (*arm.joints, arm.gripper.joint)]
    if missing := [name for name in wanted if name not in found.joint_names]:
        raise RecordingError(f"{path}: {robot.joint_states_topic} lacks {', '.join(missing)}; is it of {robot.name}?")
    at, observations = {name: found.joint_names.index(name) for name in wanted}, []
    for moment in seen.moments:
        if absent := [camera.topic for camera in robot.cameras if camera.role not in moment.images]:
            raise RecordingError(f"{path}: no picture of {', '.join(absent)} at one of the moments")
        row = found.positions[max(0, int(np.searchsorted(found.joint_ns, moment.log_ns)) - 1)]
        q = {arm.name: row[[at[name] for name in arm.joints]] for arm in robot.arms}
        opening = {arm.name: arm.gripper.opening_at(row[at[arm.gripper.joint]]) for arm in robot.arms}
        if unknown := [seen.problem for seen in moment.images.values() if seen.pixels is None]:
            raise RecordingError(unknown[0])
        images = {camera.role: moment.images[camera.role].pixels for camera in robot.cameras}
        sentence = moment.instruction or SENTENCES[0]
        observations.append(_observation(robot, moment.log_ns, images, q, opening, sentence))
    return observations


def from_simulation(robot: RobotSpec, first: int = 0, count: int = COUNT) -> list[Observation]:
    """The robot at home before its table, scenes of `count` seeds from `first`. Raises RuntimeError without OpenGL."""
    from gear_vla_ros.sim.renderer import Renderer, sim_size
    from gear_vla_ros.sim.world import World

    world = World(robot)
    renderer = Renderer(world, *sim_size(robot))
    observations = []
    for seed in range(first, first + count):
        world.reset(seed)
        renderer.take(world)
        images = {camera.role: renderer.render(camera.role) for camera in robot.cameras}
        q, opening = world.arms()
        observations.append(_observation(robot, 1 + seed, images, q, opening, SENTENCES[seed % len(SENTENCES)]))
    renderer.close()
    return observations


def _observation(
    robot: RobotSpec,
    stamp_ns: int,
    images: dict[ViewRole, Any],
    q: Mapping[Any, Array],
    opening: Mapping[Any, float],
    sentence: str,
) -> Observation:
    model = RobotModel(robot)
    arms = {
        name: ArmState(model.fk(name, joints), joints, np.zeros_like(joints), float(np.clip(opening[name], 0, 1)))
        for name, joints in q.items()
    }
    return Observation(stamp_ns, images, RobotState(stamp_ns, arms), Instruction(1, sentence))
