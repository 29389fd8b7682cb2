"""The simulated cameras of an episode. They need OpenGL; a policy that does not look needs none of this."""

from gear_vla_ros.sim.policy_loop import Images
from gear_vla_ros.sim.renderer import Renderer, sim_size
from gear_vla_ros.sim.world import World


class Cameras:
    """All views at the simulated size, as `sim collect` records them; drawn only when somebody looks. One thread."""

    def __init__(self, world: World) -> None:
        """Raises RuntimeError when there is no OpenGL, saying what to install."""
        self._roles = [camera.role for camera in world.spec.cameras]
        self._renderer = Renderer(world, *sim_size(world.spec))

    def take(self, world: World) -> None:
        """Remember the state of the world."""
        self._renderer.take(world)

    def images(self) -> Images:
        """uint8 RGB `[height, width, 3]` by view role, of the state taken last."""
        return {role: self._renderer.render(role) for role in self._roles}

    def close(self) -> None:
        """Release the OpenGL context, in the thread that made it."""
        self._renderer.close()
