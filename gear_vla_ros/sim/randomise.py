"""Scenes by seed: which objects, where, how large, in which light, and what is said. One generator makes all of it."""

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts.naming import BAR, COLOURS, CONTAINER, KINDS, PARCEL, TWO_ARMED
from gear_vla_ros.settings import RobotSpec
from gear_vla_ros.settings.errors import did_you_mean
from gear_vla_ros.sim.scene import RGB, Look, Rgb, Scene, Thing
from gear_vla_ros.sim.wordings import say

Array = NDArray[np.float64]

TASKS = ("lift", "place", "handover", "flip_label")
TWO_ARMS = tuple(TWO_ARMED)
SWITCHABLE = ("lift", "place")
"""In which another object can be named on the way."""
DISTRACTORS = 2
FINGERS_M = 0.065
"""Room about the middle of an object that the open fingers of every robot's gripper need."""
WIDEST_SHARE = 0.6
"""Width of an object's grasped sides by the gripper's stroke, at most."""
DENSITY_KG_M3 = (400.0, 900.0)
BOWL_M, BOWL_HEIGHT_M, BOWL_KG = (0.13, 0.15), (0.04, 0.05), 0.4
PLACE_AREA_M = (0.12, 0.42)
"""Least extent of the area of `place`, which has to hold the bowl too."""
BOWL_ASIDE_M = 0.03
"""How far from the middle the bowl of a robot with two arms is: both are to reach it, in front of the other arm."""
BAR_M, BAR_YAW_RAD = (0.22, 0.25), 0.3
BAR_XY_M = (0.03, 0.04)
"""How far a bar's middle is from its usual place, half way from the table's middle to the left arm's shoulder."""
PARCEL_M = ((0.038, 0.045), (0.030, 0.038), (0.075, 0.09))
"""Depth behind the label, width between the fingers, height while the label faces sideways."""
PARCEL_ASIDE_M, PARCEL_FORWARD_M, PARCEL_YAW_RAD = (0.07, 0.14), 0.05, 0.26
"""How far from the middle it stands on the side of the arm that turns it; its label faces the other arm, turned
towards the robot by so much at most."""
START_RAD = 0.08
HEAD_M, HEAD_RAD = 0.01, 0.015
TEXTURE_PIXELS, TEXTURE_CELLS = 128, (4, 24)
SHIFT_HEAD_M = 0.03
"""How far a shifted scene's head camera is from where the URDF says."""
_SHIFT, _OTHER, _ALIKE = 101, 102, 103
TRIES = 10_000


def check_task(spec: RobotSpec, task: str) -> None:
    """Raises ValueError when there is no such task, or the robot has not the arms for it."""
    if task not in TASKS:
        raise ValueError(f"task: found '{task}'{did_you_mean(task, TASKS)}; allowed {', '.join(TASKS)}")
    if task in TWO_ARMS and len(spec.arms) < 2:
        allowed = ", ".join(one for one in TASKS if one not in TWO_ARMS)
        raise ValueError(f"task: '{task}' needs two arms, robot {spec.name} has one; allowed for it {allowed}")


def random_scene(
    spec: RobotSpec, task: str, seed: int, held_out: bool = False, shifted: bool = False, alike: bool = False
) -> Scene:
    """The scene of a seed; equal arguments give equal scenes.

    held_out: say it in a wording that is none of training's. shifted: the same scene with light, table colour and head
    camera outside the ranges that it has else. alike: a distractor has the colour of what is asked for. Raises
    ValueError naming the tasks there are.
    """
    check_task(spec, task)
    random = np.random.default_rng([seed, TASKS.index(task)])
    things = _things(spec, task, random, np.random.default_rng([seed, _ALIKE]) if alike else None)
    goal = next((thing.name for thing in things if thing.kind == CONTAINER), "")
    sentence = say(task, things[0].name, goal, random, held_out)
    start: dict[str, Array] = {arm.name: random.uniform(-START_RAD, START_RAD, len(arm.joints)) for arm in spec.arms}
    look = _look(random)
    if shifted:
        look = _shifted(look, np.random.default_rng([seed, _SHIFT]))
    return Scene(things, look, start, task, sentence, held_out)


def other_instruction(scene: Scene, seed: int) -> str:
    """The scene's task for another of its objects, drawn by the seed. Raises ValueError where there is none."""
    random = np.random.default_rng([seed, _OTHER])
    goal = next((thing.name for thing in scene.things if thing.kind == CONTAINER), "")
    others = [thing.name for thing in scene.things[1:] if thing.kind != CONTAINER]
    if not others:
        allowed = ", ".join(SWITCHABLE)
        raise ValueError(f"task: '{scene.task}' has one object, no other can be named in mid-run; allowed {allowed}")
    return say(scene.task, str(random.choice(others)), goal, random, scene.held_out)


def _things(
    spec: RobotSpec, task: str, random: np.random.Generator, alike: np.random.Generator | None
) -> tuple[Thing, ...]:
    """The one that is asked for, distractors that share its colour or its kind at times, and what the task needs.

    alike: draws the kind of one that does share its colour.
    """
    if task in ("handover", "flip_label"):
        return ((_bar if task == "handover" else _parcel)(spec, random),)
    names = [(colour, kind) for colour in COLOURS for kind in KINDS]
    chosen = [names[i] for i in random.choice(len(names), size=1 + DISTRACTORS, replace=False)]
    if alike is not None:
        (colour, _), _, other = chosen
        free = [(colour, kind) for kind in KINDS if (colour, kind) not in (chosen[0], other)]
        chosen[1] = free[alike.integers(len(free))]
    chosen += [(str(random.choice(COLOURS)), CONTAINER)] if task == "place" else []
    sizes = [_size(kind, spec, random) for _, kind in chosen]
    things = []
    for (colour, kind), size, (x, y) in zip(chosen, sizes, _places(spec, task, sizes, random), strict=True):
        kg = BOWL_KG if kind == CONTAINER else float(math.prod(size) * random.uniform(*DENSITY_KG_M3))
        yaw = float(random.uniform(-math.pi, math.pi))
        things.append(Thing(kind, colour, size, kg, (x, y), yaw, _shade(RGB[colour], random)))
    return tuple(things)


def _bar(spec: RobotSpec, random: np.random.Generator) -> Thing:
    """Across in front of the left arm, alone on the table: both arms need the room."""
    colour, width = str(random.choice(COLOURS)), float(random.uniform(0.026, 0.036))
    size = width, float(random.uniform(*BAR_M)), float(random.uniform(0.026, 0.036))
    (x, y), (dx, dy) = spec.sim.table_center, random.uniform(-1, 1, 2) * BAR_XY_M
    aside = spec.sim.spawn_size[1] / 4
    yaw = float(random.uniform(-BAR_YAW_RAD, BAR_YAW_RAD) + random.choice([0.0, math.pi]))
    kg = float(math.prod(size) * random.uniform(*DENSITY_KG_M3))
    place = float(x + dx), float(y + aside + dy)
    return Thing(BAR, colour, size, kg, place, yaw, _shade(RGB[colour], random))


def _parcel(spec: RobotSpec, random: np.random.Generator) -> Thing:
    """Upright and alone, its label towards the middle: the arm behind it lays it on its back."""
    colour, side = str(random.choice(COLOURS)), float(random.choice([-1.0, 1.0]))
    depth, width, height = (float(random.uniform(*extent)) for extent in PARCEL_M)
    (x, y), dx = spec.sim.table_center, float(random.uniform(-PARCEL_FORWARD_M, PARCEL_FORWARD_M))
    yaw = -side * (math.pi / 2 + float(random.uniform(0.0, PARCEL_YAW_RAD)))
    kg = float(depth * width * height * random.uniform(*DENSITY_KG_M3))
    place = float(x + dx), float(y + side * random.uniform(*PARCEL_ASIDE_M))
    return Thing(PARCEL, colour, (depth, width, height), kg, place, yaw, _shade(RGB[colour], random))


def _size(kind: str, spec: RobotSpec, random: np.random.Generator) -> tuple[float, float, float]:
    """Full extents [m]; at least one pair of sides fits between the fingers of every arm."""
    widest = min(0.045, WIDEST_SHARE * min(arm.gripper.stroke for arm in spec.arms))
    width = float(random.uniform(0.028, widest))
    if kind == CONTAINER:
        across = float(random.uniform(*BOWL_M))
        return across, across, float(random.uniform(*BOWL_HEIGHT_M))
    if kind == "block":
        return width, float(random.uniform(0.05, 0.075)), float(random.uniform(0.03, 0.045))
    if kind == "cylinder":
        return width, width, float(random.uniform(0.035, 0.06))
    return width, width, width


def _places(
    spec: RobotSpec, task: str, sizes: list[tuple[float, float, float]], random: np.random.Generator
) -> list[tuple[float, float]]:
    """Middles in the world, with room for open fingers about each but the bowl. Raises ValueError without room."""
    middle, area = np.array(spec.sim.table_center), np.array(spec.sim.spawn_size)
    radii = np.array([_radius(size) for size in sizes])
    apart = FINGERS_M + np.maximum(radii[:, None], radii[None])
    np.fill_diagonal(apart, 0.0)
    if task == "place":
        area = np.maximum(area, PLACE_AREA_M)
    for _ in range(TRIES):
        places = middle + (random.uniform(size=(len(sizes), 2)) - 0.5) * area
        if task == "place" and len(spec.arms) > 1:
            places[-1] = middle + random.uniform([0.0, -BOWL_ASIDE_M], [area[0] / 2, BOWL_ASIDE_M])
        if (np.linalg.norm(places[:, None] - places[None], axis=-1) >= apart).all():
            return [(float(x), float(y)) for x, y in places]
    raise ValueError(f"robot {spec.name}: sim.spawn_size: {area.tolist()} m has no room for the objects of '{task}'")


def _radius(size: tuple[float, float, float]) -> float:
    """Of the circle about its foot; a bowl is as wide as it is long, and round."""
    return size[0] / 2 if size[0] >= BOWL_M[0] else math.hypot(size[0], size[1]) / 2


def _shade(rgb: Rgb, random: np.random.Generator) -> Rgb:
    """The colour, a little lighter or darker."""
    r, g, b = np.clip(np.array(rgb) * random.uniform(0.85, 1.15) + random.uniform(-0.03, 0.03, 3), 0.0, 1.0).tolist()
    return r, g, b


def _look(random: np.random.Generator) -> Look:
    lamp_xyz = random.uniform([-0.8, -1.0, 1.5], [1.2, 1.0, 2.5])
    aim = np.array([0.45, 0.0, 0.0]) + random.uniform(-0.2, 0.2, 3) - lamp_xyz
    table_rgb = _rgb(random.uniform(0.25, 0.85) + random.uniform(-0.12, 0.12, 3))
    return Look(
        table_rgb=table_rgb,
        table_texture=_texture(np.array(table_rgb), random),
        floor_rgb=_rgb(random.uniform(0.15, 0.7, 3)),
        ambient=float(random.uniform(0.3, 0.5)),
        headlight=float(random.uniform(0.2, 0.45)),
        lamp=(_triple(lamp_xyz), _triple(aim / np.linalg.norm(aim))),
        lamp_rgb=_rgb(random.uniform(0.45, 0.85) * (1 + random.uniform(-0.08, 0.08, 3))),
        head_offset=tuple((random.uniform(-1, 1, 6) * ([HEAD_M] * 3 + [HEAD_RAD] * 3)).tolist()),
    )


def _shifted(look: Look, random: np.random.Generator) -> Look:
    """Light from lower and of a clear tint, brighter or darker all about; a plain table of a colour, not a shade of
    grey; the head camera moved."""
    away = random.normal(size=3)
    moved = away / np.linalg.norm(away) * SHIFT_HEAD_M
    lamp_xyz = np.array([random.uniform(-0.6, 1.2), random.choice([-1.0, 1.0]) * random.uniform(1.2, 1.6), 1.2])
    aim = np.array([0.45, 0.0, 0.0]) - lamp_xyz
    tint = random.permutation([1.0, random.uniform(0.8, 0.9), random.uniform(0.65, 0.75)])
    table = random.permutation([random.uniform(0.65, 0.8), random.uniform(0.45, 0.6), random.uniform(0.25, 0.4)])
    return dataclasses.replace(
        look,
        table_rgb=_rgb(table),
        table_texture=None,
        ambient=float(random.choice([random.uniform(0.2, 0.28), random.uniform(0.52, 0.6)])),
        lamp=(_triple(lamp_xyz), _triple(aim / np.linalg.norm(aim))),
        lamp_rgb=_rgb(tint * random.uniform(0.5, 0.8)),
        head_offset=(*moved.tolist(), *look.head_offset[3:]),
    )


def _texture(rgb: Array, random: np.random.Generator) -> NDArray[np.uint8] | None:
    """Plain, spots of noise, stripes or a chequerboard, about the table's colour: `[n, n, 3]`."""
    kind = random.choice(["plain", "noise", "stripes", "chequers"])
    cells, contrast = int(random.integers(*TEXTURE_CELLS)), random.uniform(0.03, 0.15)
    if kind == "plain":
        return None
    at = np.arange(TEXTURE_PIXELS) * cells // TEXTURE_PIXELS
    pattern: Array
    if kind == "noise":
        pattern = random.uniform(-1, 1, (cells, cells))[at[:, None], at[None]]
    elif kind == "stripes":
        pattern = np.repeat(random.uniform(-1, 1, cells)[None, at], TEXTURE_PIXELS, axis=0)
    else:
        pattern = np.where((at[:, None] + at[None]) % 2 == 0, 1.0, -1.0)
    shades: NDArray[np.uint8] = (255 * np.clip(rgb + contrast * pattern[..., None], 0, 1)).astype(np.uint8)
    return shades


def _rgb(values: Array) -> Rgb:
    return _triple(np.clip(values, 0.0, 1.0))


def _triple(values: Array) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
