"""What lies on the table, and how it looks: a value from which one world is built."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.settings import RobotSpec

Array = NDArray[np.float64]
Rgb = tuple[float, float, float]

DEMO_COLOURS = ("red", "green", "blue")
RGB: Mapping[str, Rgb] = {
    "red": (0.85, 0.1, 0.1),
    "green": (0.1, 0.65, 0.15),
    "blue": (0.1, 0.25, 0.85),
    "yellow": (0.9, 0.8, 0.1),
    "orange": (0.95, 0.45, 0.05),
    "purple": (0.5, 0.15, 0.65),
}
CUBE_M, CUBE_KG = 0.04, 0.05
BOWL_WALL_M = 0.006
APART_M = 0.09
"""Least distance between the middles of two cubes of the demo."""


@dataclass(frozen=True)
class Thing:
    """One free object at rest on the table. size: full extents along its axes [m]. xy [m], yaw [rad]: in the world."""

    kind: str
    colour: str
    size: tuple[float, float, float]
    kg: float
    xy: tuple[float, float]
    yaw: float
    rgb: Rgb

    @property
    def name(self) -> str:
        """As `red_cube`; once a scene."""
        return f"{self.colour}_{self.kind}"


@dataclass(frozen=True)
class Look:
    """Light, table and head camera.

    table_texture: `[n, n, 3]` uint8 drawn on the table's top, None for its plain colour. lamp: position [m] and
    direction of the lamp. head_offset: twist `[6]` (m, rad; optical frame) by which the head camera is not where the
    URDF says.
    """

    table_rgb: Rgb = (0.62, 0.5, 0.38)
    table_texture: NDArray[np.uint8] | None = None
    floor_rgb: Rgb = (0.35, 0.37, 0.4)
    ambient: float = 0.45
    headlight: float = 0.4
    lamp: tuple[tuple[float, float, float], tuple[float, float, float]] = ((0.3, 0.6, 2.0), (0.1, -0.3, -1.0))
    lamp_rgb: Rgb = (0.7, 0.7, 0.7)
    head_offset: tuple[float, ...] = (0.0,) * 6


@dataclass(frozen=True)
class Scene:
    """start: how far each arm's joints [rad] begin from home, by arm; arms that are not named begin there.

    instruction: what is to be done here, empty where that is left open. held_out: its wording is none of training's.
    """

    things: tuple[Thing, ...]
    look: Look = Look()
    start: Mapping[str, Array] = field(default_factory=dict)
    task: str = ""
    instruction: str = ""
    held_out: bool = False


def demo_scene(spec: RobotSpec, seed: int) -> Scene:
    """Three cubes, placed by the seed; everything else is always the same."""
    random = np.random.default_rng(seed)
    places = _places(spec, random)
    return Scene(
        tuple(
            Thing(
                "cube", colour, (CUBE_M,) * 3, CUBE_KG, (float(x), float(y)),
                float(random.uniform(-math.pi / 4, math.pi / 4)), RGB[colour],
            )
            for colour, (x, y) in zip(DEMO_COLOURS, places, strict=True)
        )
    )  # fmt: skip


def _places(spec: RobotSpec, random: np.random.Generator) -> Array:
    """`[3, 2]` in the world, apart from each other."""
    middle, size = np.array(spec.sim.table_center), np.array(spec.sim.spawn_size)
    count = len(DEMO_COLOURS)
    while True:
        places: Array = middle + (random.uniform(size=(count, 2)) - 0.5) * size
        apart = np.linalg.norm(places[:, None] - places[None], axis=-1) + np.eye(count)
        if apart.min() > APART_M:
            return places
