"""Pictures of a running simulation, drawn in a thread of its own."""

import os
import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.settings import CameraSpec, RobotSpec
from gear_vla_ros.sim.renderer import Renderer, sim_size
from gear_vla_ros.sim.running import CLOSE_LIMIT_S, Simulation

NICE = 5
"""Drawing gives way to control when cores are short."""
OnPicture = Callable[[CameraSpec, int, NDArray[np.uint8]], None]


class Filming:
    """All cameras at the simulated rate, each round from one state.

    on_picture: camera, capture time [ns], `[height, width, 3]` uint8 RGB that is the callee's to keep; called in this
    thread. failed: called once with what ended the thread, as a missing OpenGL.
    """

    def __init__(
        self, spec: RobotSpec, simulation: Simulation, on_picture: OnPicture, failed: Callable[[Exception], None]
    ) -> None:
        self._spec, self._simulation = spec, simulation
        self._on_picture, self._failed = on_picture, failed
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="filming", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> bool:
        """End the thread; False if it did not end within the limit."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_LIMIT_S)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
            renderer = Renderer(self._simulation.world, *sim_size(self._spec))
            try:
                self._film(renderer)
            finally:
                renderer.close()
        except Exception as error:
            self._failed(error)

    def _film(self, renderer: Renderer) -> None:
        period_s, due_s = 1.0 / self._spec.sim.camera_rate_hz, time.monotonic()
        while not self._ending.wait(max(0.0, due_s - time.monotonic())):
            with self._simulation.held() as (world, stamp_ns):
                renderer.take(world)
            for camera in self._spec.cameras:
                self._on_picture(camera, stamp_ns, renderer.render(camera.role))
            due_s = max(due_s + period_s, time.monotonic())
