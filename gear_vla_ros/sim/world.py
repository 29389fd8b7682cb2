"""The simulated robot, its table and its objects, as physics."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts import SceneObject
from gear_vla_ros.contracts.naming import COLOURS
from gear_vla_ros.geometry import se3
from gear_vla_ros.settings import RobotSpec
from gear_vla_ros.sim.builder import CUBE_M, TIMESTEP_S, build, mujoco

Array = NDArray[np.float64]

APART_M = 0.09
"""Least distance between the middles of two objects when they are placed."""
SETTLE_S = 0.3
_ROUNDING_S = 1e-9


class World:
    """State and commands of one simulated scene. For one thread; a renderer copies the state out."""

    def __init__(self, spec: RobotSpec, seed: int = 0) -> None:
        """Raises FileNotFoundError, or ValueError when MuJoCo refuses the URDF."""
        self.spec = spec
        self.model: mujoco.MjModel = build(spec)
        self.data = mujoco.MjData(self.model)
        self._joints = [name for arm in spec.arms for name in (*arm.joints, arm.gripper.joint, *arm.gripper.mimic)]
        self._qpos = np.array([self.model.joint(name).qposadr[0] for name in self._joints])
        self._at = dict(zip(self._joints, self._qpos, strict=True))
        self._dof = np.array([self.model.joint(name).dofadr[0] for name in self._joints])
        self._ctrl = {name: self.model.actuator(name).id for name in self._joints}
        free = {self.model.body(f"{colour}_cube").id for colour in COLOURS}
        self._robot_bodies = [b for b in range(1, self.model.nbody) if self.model.body_weldid[b] and b not in free]
        self.seed = seed
        self.reset(seed)

    @property
    def time_s(self) -> float:
        """Simulated seconds since the reset."""
        return float(self.data.time)

    def reset(self, seed: int) -> None:
        """Arms at home with open grippers, objects placed anew by `seed`, everything at rest."""
        self.seed, self._owed_s = seed, 0.0
        mujoco.mj_resetData(self.model, self.data)
        for arm in self.spec.arms:
            self.command(arm.name, np.array(arm.home), 1.0)
        for name, address in zip(self._joints, self._qpos, strict=True):
            self.data.qpos[address] = self.data.ctrl[self._ctrl[name]]
        self._place_objects(np.random.default_rng(seed))
        mujoco.mj_forward(self.model, self.data)
        self.step(SETTLE_S)
        self.data.time = 0.0

    def command(self, arm: str, q: Array | None, opening: float | None) -> None:
        """Set points of the arm's joints [rad] and of its gripper (0 closed to 1 open); None leaves one as it is."""
        spec = self.spec.arm(arm)
        if q is not None:
            for name, value in zip(spec.joints, q, strict=True):
                self.data.ctrl[self._ctrl[name]] = value
        if opening is not None:
            gripper = spec.gripper
            position = gripper.position_of(opening)
            for name, multiplier in {gripper.joint: 1.0, **gripper.mimic}.items():
                self.data.ctrl[self._ctrl[name]] = multiplier * position

    def step(self, seconds: float) -> None:
        """Advance by `seconds`; what is left of a whole time step is carried on to the next call."""
        steps, self._owed_s = divmod(self._owed_s + seconds + _ROUNDING_S, TIMESTEP_S)
        self._owed_s -= _ROUNDING_S
        if steps:
            mujoco.mj_step(self.model, self.data, nstep=int(steps))

    def joints(self) -> tuple[list[str], Array, Array]:
        """Names, positions [rad or m] and velocities of all joints of arms and grippers."""
        return self._joints, self.data.qpos[self._qpos].copy(), self.data.qvel[self._dof].copy()

    def arms(self) -> tuple[dict[str, Array], dict[str, float]]:
        """Joints [rad] and gripper openings (0 to 1) by arm."""
        return (
            {arm.name: self._positions(arm.joints) for arm in self.spec.arms},
            {arm.name: arm.gripper.opening_at(self.data.qpos[self._at[arm.gripper.joint]]) for arm in self.spec.arms},
        )

    def objects(self) -> dict[str, SceneObject]:
        """Ground truth by object name."""
        return {f"{colour}_cube": self._object(colour) for colour in COLOURS}

    def touched_by_gripper(self, name: str) -> bool:
        """Whether a moving part of the robot touches the object."""
        body = self.model.body(name).id
        pairs = self.model.geom_bodyid[self.data.contact.geom]
        others = np.concatenate([pairs[pairs[:, 0] == body, 1], pairs[pairs[:, 1] == body, 0]])
        return bool(np.isin(others, self._robot_bodies).any())

    def _positions(self, joints: Sequence[str]) -> Array:
        values: Array = self.data.qpos[[self._at[name] for name in joints]]
        return values

    def _object(self, colour: str) -> SceneObject:
        name = f"{colour}_cube"
        body = self.data.body(name)
        world_T_object = se3.from_rotation_translation(body.xmat.reshape(3, 3).copy(), body.xpos.copy())
        return SceneObject(name, world_T_object, np.full(3, CUBE_M), colour)

    def _place_objects(self, random: np.random.Generator) -> None:
        for colour, xy in zip(COLOURS, self._places(random, len(COLOURS)), strict=True):
            yaw = random.uniform(-math.pi / 4, math.pi / 4)
            address = self.model.joint(f"{colour}_cube_joint").qposadr[0]
            position = [*xy, self.spec.sim.table_height + CUBE_M / 2]
            self.data.qpos[address : address + 7] = [*position, math.cos(yaw / 2), 0, 0, math.sin(yaw / 2)]

    def _places(self, random: np.random.Generator, count: int) -> Array:
        """`[count, 2]` in the world, apart from each other."""
        middle, size = np.array(self.spec.sim.table_center), np.array(self.spec.sim.spawn_size)
        while True:
            places: Array = middle + (random.uniform(size=(count, 2)) - 0.5) * size
            apart = np.linalg.norm(places[:, None] - places[None], axis=-1) + np.eye(count)
            if apart.min() > APART_M:
                return places
