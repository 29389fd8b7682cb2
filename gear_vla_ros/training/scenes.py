"""Rendered scenes: cheap samples that say where things are, and nothing of what to do (paper, stage 1's pointing data).

Episodes are dear, and there are few of them: a network learns their tables by heart. Here every few samples are of
another scene, with the tools somewhere near its objects.
"""

import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from gear_vla_ros.contracts import VIEW_ROLES
from gear_vla_ros.contracts.naming import is_container, kind_of
from gear_vla_ros.engines.arrays import SIDES, seen
from gear_vla_ros.geometry import se3
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.recording.dataset.labels import MOST_OBJECTS, STEPS
from gear_vla_ros.settings import RobotSpec, load_robot
from gear_vla_ros.settings.model import ARMS, NUMBERS_PER_ARM
from gear_vla_ros.settings.training import FOLLOWED_STEPS
from gear_vla_ros.sim.randomise import random_scene
from gear_vla_ros.sim.renderer import Renderer, sim_size
from gear_vla_ros.sim.wordings import say
from gear_vla_ros.sim.world import World
from gear_vla_ros.training.prepared import ARRAYS, Prepared, opened
from gear_vla_ros.training.whereabouts import TURN_NUMBERS, UNSEEN, frames_of, places, points, turns

ABOUT = "scenes.json"
STATES = 6
"""Samples a scene."""
ASIDE_M, ABOVE_M, TILT_RAD, YAW_RAD = 0.06, 0.28, 0.15, 0.8
"""Where tools are with respect to an object, and how they are turned from home."""
LOW = 2.0
"""Power of a uniform share that gives heights: a third of the tools are below ABOVE_M / 9, where grasps are missed."""
NEWTON_STEPS, DAMPING, CLOSE_M = 25, 0.05, 0.02


@dataclass(frozen=True)
class Wanted:
    """Scenes of one process. alike: share of them in which a distractor has the first object's colour."""

    robot: str
    task: str
    seeds: Sequence[int]
    view_size: int
    alike: float = 0.0


def render(wanted: Wanted) -> list[dict[str, Any]]:
    """Samples of all scenes: one dict of arrays each, with `text` and `names`."""
    robot, samples = load_robot(wanted.robot), []
    model = RobotModel(robot)
    for seed in wanted.seeds:
        samples += _of_scene(robot, model, wanted, seed)
    return samples


def write(folder: Path, robot: str, task: str, view_size: int, samples: Iterable[dict[str, Any]]) -> Prepared:
    """A folder that `load` reads, whole or not at all."""
    spec, made = load_robot(robot), list(samples)
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    texts = sorted({sample["text"] for sample in made})
    scenes = {seed: index for index, seed in enumerate(sorted({sample["seed"] for sample in made}))}
    names = {scenes[sample["seed"]]: sample["names"] for sample in made}
    numbers = {
        "episode": [scenes[sample["seed"]] for sample in made],
        "frame": list(range(len(made))),
        "task": [texts.index(sample["text"]) for sample in made],
    }
    for name in ("views", "state", "near", "turn", "point"):
        np.save(partial / f"{name}.npy", np.stack([sample[name] for sample in made]))
    np.save(partial / "actions.npy", np.zeros((len(made), STEPS, ARMS * NUMBERS_PER_ARM), np.float32))
    np.save(partial / "known.npy", np.zeros((len(made), STEPS), bool))
    unknown = np.full((len(made), FOLLOWED_STEPS, ARMS * NUMBERS_PER_ARM), np.nan, np.float32)
    np.save(partial / "followed.npy", unknown)
    for name, values in numbers.items():
        np.save(partial / f"{name}.npy", np.array(values, np.int64))
    about = {"robot": robot, "task": task, "view_size": view_size, "roles": _roles(spec), "texts": texts}
    (partial / ABOUT).write_text(json.dumps({**about, "names": [names[index] for index in range(len(scenes))]}))
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)
    return load(folder, view_size)


def load(folder: Path, view_size: int) -> Prepared:
    """What `write` wrote. Raises ValueError for views of another size, and where an earlier version rendered it."""
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    if lacking := [name for name in ARRAYS if not (folder / f"{name}.npy").is_file()]:
        raise ValueError(f"{folder}: lacks {', '.join(lacking)}, rendered by another version; render them again")
    if about["view_size"] != view_size:
        raise ValueError(f"{folder}: views of {about['view_size']} px, the network has {view_size}; render them again")
    return opened(folder, load_robot(about["robot"]), about["roles"], about["texts"], about["names"], fps=1)


def _of_scene(robot: RobotSpec, model: RobotModel, wanted: Wanted, seed: int) -> list[dict[str, Any]]:
    random, task, size = np.random.default_rng([seed, 7]), wanted.task, wanted.view_size
    alike = wanted.alike > np.random.default_rng([seed, 8]).random()
    scene = random_scene(robot, task, seed, alike=alike)
    world = World(robot, seed, scene)
    renderer = Renderer(world, *sim_size(robot))
    names = [thing.name for thing in scene.things]
    goal = next((name for name in names if is_container(name)), "")
    movable = [name for name in names if not is_container(name)]
    samples = []
    for _ in range(STATES):
        q, openings = _put(robot, model, world, names, random)
        renderer.take(world)
        views = [seen(renderer.render(role), robot, role, size) for role in VIEW_ROLES if role in _roles(robot)]
        objects = world.objects()
        poses = [objects[name].world_T_object for name in names]
        text = say(task, str(random.choice(movable)), goal, random)
        samples.append({"seed": seed, "text": text, "names": names, "views": np.stack(views),
                        **labels(robot, model, names, poses, q, openings)})  # fmt: skip
    renderer.close()
    return samples


def _put(
    robot: RobotSpec, model: RobotModel, world: World, names: Sequence[str], random: np.random.Generator
) -> tuple[dict[str, NDArray[np.float64]], dict[str, float]]:
    """Each arm somewhere near an object or above a bowl, or where it begins; joints and gripper openings by arm."""
    q: dict[str, NDArray[np.float64]] = {}
    openings: dict[str, float] = {}
    for arm in robot.arms:
        home = np.array(arm.home) + world.scene.start.get(arm.name, 0.0)
        near = _lowest(world, str(random.choice(names)))
        beside = random.normal(0, ASIDE_M, 2)
        world_T_goal = model.world_T_base(arm.name) @ model.fk(arm.name, home)
        turned = Rotation.from_euler("zyx", [random.uniform(-YAW_RAD, YAW_RAD), *random.normal(0, TILT_RAD, 2)])
        world_T_goal[:3, :3] = turned.as_matrix() @ world_T_goal[:3, :3]
        world_T_goal[:3, 3] = [*near[:2] + beside, near[2] + ABOVE_M * random.random() ** LOW]
        found = _solve(model, arm.name, home, se3.inverse(model.world_T_base(arm.name)) @ world_T_goal)
        q[arm.name] = home if found is None else found
        openings[arm.name] = float(random.random() ** 0.3)
        world.command(arm.name, q[arm.name], openings[arm.name])
    world.jump()
    return q, openings


def _lowest(world: World, name: str) -> NDArray[np.float64]:
    """Where the lowest tools near an object are: at its middle, or at the rim of what is a container."""
    thing = world.objects()[name]
    up = float(thing.size[2]) / 2 if is_container(name) else 0.0
    return np.asarray(thing.world_T_object[:3, 3] + [0.0, 0.0, up])


def _solve(
    model: RobotModel, arm: str, q: NDArray[np.float64], base_T_goal: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Joints that bring the tool there, or None: damped Newton steps, within the limits."""
    limits = model.limits(arm)
    for _ in range(NEWTON_STEPS):
        base_T_tcp = model.fk(arm, q)
        turn = Rotation.from_matrix(base_T_goal[:3, :3] @ base_T_tcp[:3, :3].T).as_rotvec()
        error = np.concatenate([base_T_goal[:3, 3] - base_T_tcp[:3, 3], turn])
        jacobian = model.jacobian(arm, q)
        q = q + jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + DAMPING**2 * np.eye(6), error)
        q = np.clip(q, limits.lower, limits.upper)
    return q if np.linalg.norm(error[:3]) < CLOSE_M else None


def labels(
    robot: RobotSpec,
    model: RobotModel,
    names: Sequence[str],
    poses: Sequence[NDArray[np.float64]],
    q: dict[str, NDArray[np.float64]],
    openings: dict[str, float],
) -> dict[str, NDArray[np.float32]]:
    """`state`, `near`, `turn` and `point` of a sample (see Prepared); names and `world_T_object` of its objects, joints
    [rad] and gripper openings by arm."""
    middles = np.stack(poses)[:, :3, 3]
    state = np.zeros((ARMS, 9 + len(robot.arms[0].joints) + 1), np.float32)
    near = np.zeros((MOST_OBJECTS, ARMS, 6), np.float32)
    turn = np.full((MOST_OBJECTS, ARMS, TURN_NUMBERS), np.nan, np.float32)
    point = np.full((MOST_OBJECTS, len(_roles(robot)), 2), UNSEEN, np.float32)
    for arm in robot.arms:
        side, base_T_tcp = SIDES.index(arm.name), model.fk(arm.name, q[arm.name])
        state[side] = [*se3.to_xyz_rot6d(base_T_tcp), *q[arm.name], openings[arm.name]]
        frames = frames_of(base_T_tcp, se3.inverse(model.world_T_base(arm.name)))
        near[: len(middles), side] = places(middles, frames)
        for index, (name, pose) in enumerate(zip(names, poses, strict=True)):
            turn[index, side] = turns(kind_of(name), pose, frames)
    for index, role in enumerate(_roles(robot)):
        point[: len(middles), index] = points(middles, robot, role, model, q)
    return {"state": state, "near": near, "turn": turn, "point": point}


def _roles(robot: RobotSpec) -> list[Any]:
    return [role for role in VIEW_ROLES if role in {camera.role for camera in robot.cameras}]
