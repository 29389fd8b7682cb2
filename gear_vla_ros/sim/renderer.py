"""Images of the robot's cameras. A renderer belongs to the thread that made it."""

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts import ViewRole
from gear_vla_ros.settings import RobotSpec
from gear_vla_ros.sim import gl
from gear_vla_ros.sim.builder import mujoco
from gear_vla_ros.sim.world import World

_DRAWN_GROUPS = (0, 2)


class Renderer:
    """Draws a copy of the world's state, so that physics need not wait while it draws."""

    def __init__(self, world: World, width: int, height: int) -> None:
        """Raises RuntimeError when there is no OpenGL, saying what to install."""
        if gl.choose() == gl.NONE:
            raise RuntimeError(gl.HOW_TO_GET)
        self._model = world.model
        self._data, self._placed = mujoco.MjData(world.model), False
        self._renderer = mujoco.Renderer(world.model, height, width)
        self._option = mujoco.MjvOption()
        self._option.geomgroup[:] = [group in _DRAWN_GROUPS for group in range(len(self._option.geomgroup))]
        for flag in (
            mujoco.mjtRndFlag.mjRND_SHADOW,
            mujoco.mjtRndFlag.mjRND_REFLECTION,
            mujoco.mjtRndFlag.mjRND_SKYBOX,
        ):
            self._renderer.scene.flags[flag] = 0

    def take(self, world: World) -> None:
        """Copy the state to draw. Call it while nobody steps the world."""
        self._data.qpos[:] = world.data.qpos
        self._data.time = world.data.time
        self._placed = False

    def render(self, role: ViewRole) -> NDArray[np.uint8]:
        """`[height, width, 3]` uint8 RGB of one camera, of the state taken last."""
        if not self._placed:
            mujoco.mj_kinematics(self._model, self._data)
            mujoco.mj_camlight(self._model, self._data)
            self._placed = True
        self._renderer.update_scene(self._data, camera=role, scene_option=self._option)
        image: NDArray[np.uint8] = self._renderer.render()
        return image

    def close(self) -> None:
        """Release the OpenGL context, in the thread that made it."""
        self._renderer.close()


def sim_size(spec: RobotSpec) -> tuple[int, int]:
    """Width and height of simulated images."""
    return spec.sim.camera_width, spec.sim.camera_height
