"""Free bodies on the table: solids, and a bowl of flat walls. Only the builder imports this: see `gl`."""

import math

import mujoco

from gear_vla_ros.contracts.naming import PARCEL
from gear_vla_ros.sim.scene import BOWL_WALL_M, Thing

FRICTION = [1.2, 0.02, 0.0005]
ROLLING = [1.2, 0.02, 0.003]
"""A ball comes to rest, as one on cloth."""
BOWL_SIDES = 16
LABEL_SHARE, LABEL_M, LABEL_RGBA = 0.75, 0.0005, [0.95, 0.95, 0.92, 1.0]
"""Of the face's sides; its thickness. It is drawn, not felt."""


def add_thing(world: mujoco.MjSpec, thing: Thing, timestep_s: float, own: int, touched: int) -> None:
    """A free body under the thing's name, with the joint `<name>_joint`. own, touched: contact bits."""
    body = world.worldbody.add_body(name=thing.name)
    body.add_freejoint(name=f"{thing.name}_joint")
    common = dict(
        rgba=[*thing.rgb, 1.0], contype=own, conaffinity=touched, condim=4, friction=FRICTION, priority=1,
        solref=[2.5 * timestep_s, 1.0], solimp=[0.98, 0.995, 0.001, 0.5, 2.0],
    )  # fmt: skip
    half = [extent / 2 for extent in thing.size]
    if thing.kind == "bowl":
        _bowl(body, thing, common)
    elif thing.kind == "cylinder":
        kind = mujoco.mjtGeom.mjGEOM_CYLINDER
        body.add_geom(name=thing.name, type=kind, size=[half[0], half[2], 0], mass=thing.kg, **common)
    elif thing.kind == "ball":
        common |= {"condim": 6, "friction": ROLLING}
        kind = mujoco.mjtGeom.mjGEOM_SPHERE
        body.add_geom(name=thing.name, type=kind, size=[half[0], 0, 0], mass=thing.kg, **common)
    else:
        body.add_geom(name=thing.name, type=mujoco.mjtGeom.mjGEOM_BOX, size=half, mass=thing.kg, **common)
    if thing.kind == PARCEL:
        body.add_geom(
            name=f"{thing.name}_label", type=mujoco.mjtGeom.mjGEOM_BOX, pos=[half[0], 0, 0], rgba=LABEL_RGBA,
            size=[LABEL_M, LABEL_SHARE * half[1], LABEL_SHARE * half[2]], mass=0, contype=0, conaffinity=0,
        )  # fmt: skip


def _bowl(body: "mujoco.MjsBody", thing: Thing, common: dict[str, object]) -> None:
    """A round floor and upright walls about it, the middle of its extents in the body's origin."""
    radius, height = thing.size[0] / 2, thing.size[2]
    floor = BOWL_WALL_M / 2
    body.add_geom(
        name=thing.name, type=mujoco.mjtGeom.mjGEOM_CYLINDER, pos=[0, 0, floor - height / 2],
        size=[radius - BOWL_WALL_M, floor, 0], mass=thing.kg / 2, **common,
    )  # fmt: skip
    middle = radius - BOWL_WALL_M / 2
    for side in range(BOWL_SIDES):
        angle = 2 * math.pi * side / BOWL_SIDES
        body.add_geom(
            name=f"{thing.name}_wall_{side}", type=mujoco.mjtGeom.mjGEOM_BOX,
            pos=[middle * math.cos(angle), middle * math.sin(angle), 0],
            quat=[math.cos(angle / 2), 0, 0, math.sin(angle / 2)],
            size=[BOWL_WALL_M / 2, middle * math.tan(math.pi / BOWL_SIDES) * 1.1, height / 2],
            mass=thing.kg / 2 / BOWL_SIDES, **common,
        )  # fmt: skip
