"""The simulated robot, its table and its objects, as physics."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts import SceneObject
from gear_vla_ros.geometry import se3
from gear_vla_ros.settings import ArmSpec, RobotSpec
from gear_vla_ros.sim.builder import TIMESTEP_S, build, mujoco
from gear_vla_ros.sim.scene import Scene, Thing, demo_scene

Array = NDArray[np.float64]

SETTLE_S = 0.3
_ROUNDING_S = 1e-9


class World:
    """State and commands of one simulated scene. For one thread; a renderer copies the state out."""

    def __init__(self, spec: RobotSpec, seed: int = 0, scene: Scene | None = None) -> None:
        """scene: None for the three cubes of the demo, which every reset places anew by its seed.

        Raises FileNotFoundError, or ValueError when MuJoCo refuses the URDF.
        """
        self.spec = spec
        self._is_demo = scene is None
        self.scene = demo_scene(spec, seed) if scene is None else scene
        self.model: mujoco.MjModel = build(spec, self.scene)
        self.data = mujoco.MjData(self.model)
        self._joints = [name for arm in spec.arms for name in (*arm.joints, arm.gripper.joint, *arm.gripper.mimic)]
        self._qpos = np.array([self.model.joint(name).qposadr[0] for name in self._joints])
        self._at = dict(zip(self._joints, self._qpos, strict=True))
        self._dof = np.array([self.model.joint(name).dofadr[0] for name in self._joints])
        self._ctrl = {name: self.model.actuator(name).id for name in self._joints}
        free = {self.model.body(thing.name).id for thing in self.scene.things}
        self._robot_bodies = [b for b in range(1, self.model.nbody) if self.model.body_weldid[b] and b not in free]
        self._bodies_of: dict[str, list[int]] = {
            arm.name: [body for body in self._robot_bodies if self._moves(arm, body)] for arm in spec.arms
        }
        self.seed = seed
        self.reset(seed)

    @property
    def time_s(self) -> float:
        """Simulated seconds since the reset."""
        return float(self.data.time)

    def reset(self, seed: int) -> None:
        """Arms where the scene begins with open grippers, everything at rest; the demo's cubes placed by `seed`."""
        self.seed, self._owed_s = seed, 0.0
        if self._is_demo:
            self.scene = demo_scene(self.spec, seed)
        mujoco.mj_resetData(self.model, self.data)
        for arm in self.spec.arms:
            self.command(arm.name, np.array(arm.home) + self.scene.start.get(arm.name, 0.0), 1.0)
        for thing in self.scene.things:
            self._place(thing)
        self.jump()
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

    def jump(self) -> None:
        """Arms and grippers are at once where they were commanded to."""
        for name, address in zip(self._joints, self._qpos, strict=True):
            self.data.qpos[address] = self.data.ctrl[self._ctrl[name]]
        mujoco.mj_forward(self.model, self.data)

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
        return {thing.name: self._object(thing) for thing in self.scene.things}

    def position(self, name: str) -> Array:
        """Where the object's middle is `[3]` in the world [m]."""
        xyz: Array = self.data.body(name).xpos.copy()
        return xyz

    def speed(self, name: str) -> float:
        """How fast the object moves [m/s]."""
        at = self.model.joint(f"{name}_joint").dofadr[0]
        return float(np.linalg.norm(self.data.qvel[at : at + 3]))

    def touched_by_gripper(self, name: str, arm: str | None = None) -> bool:
        """Whether a moving part of the robot, or of one of its arms, touches the object."""
        body = self.model.body(name).id
        pairs = self.model.geom_bodyid[self.data.contact.geom]
        others = np.concatenate([pairs[pairs[:, 0] == body, 1], pairs[pairs[:, 1] == body, 0]])
        return bool(np.isin(others, self._robot_bodies if arm is None else self._bodies_of[arm]).any())

    def _moves(self, arm: ArmSpec, body: int) -> bool:
        """Whether the arm's joints move the body."""
        carried = {int(self.model.jnt_bodyid[self.model.joint(name).id]) for name in arm.joints}
        while body and body not in carried:
            body = int(self.model.body_parentid[body])
        return body in carried

    def _positions(self, joints: Sequence[str]) -> Array:
        values: Array = self.data.qpos[[self._at[name] for name in joints]]
        return values

    def _object(self, thing: Thing) -> SceneObject:
        body = self.data.body(thing.name)
        world_T_object = se3.from_rotation_translation(body.xmat.reshape(3, 3).copy(), body.xpos.copy())
        return SceneObject(thing.name, world_T_object, np.array(thing.size), thing.colour)

    def _place(self, thing: Thing) -> None:
        address = self.model.joint(f"{thing.name}_joint").qposadr[0]
        position = [*thing.xy, self.spec.sim.table_height + thing.size[2] / 2]
        self.data.qpos[address : address + 7] = [*position, math.cos(thing.yaw / 2), 0, 0, math.sin(thing.yaw / 2)]
