"""Physics needs no OpenGL; drawing without it says what to install."""

import os
import subprocess
import sys

CODE = """
import sys
from gear_vla_ros.sim import gl
if sys.argv[1] == "none":
    gl._egl_devices = lambda: 0
    gl.ctypes.util.find_library = lambda name: None
from gear_vla_ros.settings import load_robot
from gear_vla_ros.sim.renderer import Renderer
from gear_vla_ros.sim.world import World
world = World(load_robot("franka"))
world.step(0.1)
print(gl.choose())
try:
    Renderer(world, 64, 48).close()
except RuntimeError as error:
    print(error)
"""


def told(case):
    environment = {name: value for name, value in os.environ.items() if name != "MUJOCO_GL"}
    done = subprocess.run(
        [sys.executable, "-c", CODE, case], capture_output=True, text=True, timeout=60, check=True, env=environment
    )
    return done.stdout.split("\n", 1)


def test_some_opengl_is_found_and_draws():
    chosen, error = told("any")
    assert chosen in ("egl", "osmesa") and error == ""


def test_without_any_physics_runs_and_drawing_says_what_to_install():
    chosen, error = told("none")
    assert chosen == "disable"
    assert "install EGL" in error and error.count("\n") == 1
