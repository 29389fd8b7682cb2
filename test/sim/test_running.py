"""Physics and pictures in their threads, and the capture times they carry."""

import threading

import numpy as np
import pytest

from gear_vla_ros.settings import load_robot
from gear_vla_ros.sim.filming import Filming
from gear_vla_ros.sim.running import Simulation, WallStamp, simulated_stamp
from gear_vla_ros.sim.world import World

SPEC = load_robot("franka")
PERIOD_S = 0.005
LIMIT_S = 20.0


class Ticks:
    """Counts ticks, and wakes the test after `enough`."""

    def __init__(self, enough):
        self.enough, self.stamps, self.failures, self.done = enough, [], [], threading.Event()

    def run(self, stamp):
        simulation = Simulation(World(SPEC), PERIOD_S, stamp, lambda: self.take(simulation), self.fail)
        simulation.start()
        self.done.wait(LIMIT_S)
        assert simulation.close()
        return simulation

    def take(self, simulation):
        with simulation.held() as (_, stamp_ns):
            self.stamps.append(stamp_ns)
        if len(self.stamps) == self.enough:
            self.done.set()

    def fail(self, error):
        self.failures.append(error)
        self.done.set()


def test_simulated_time_grows_by_one_period_a_tick():
    ticks = Ticks(50)
    simulation = ticks.run(simulated_stamp)
    assert ticks.stamps[0] == 1_005_000_000
    assert set(np.diff(ticks.stamps)) == {5_000_000}
    assert simulation.elapsed_s == pytest.approx(len(ticks.stamps) * PERIOD_S, abs=PERIOD_S)
    assert simulation.world.time_s == pytest.approx(simulation.elapsed_s, abs=0.003)


def test_a_failing_tick_ends_the_thread_and_is_told_once():
    ticks = Ticks(3)
    ticks.take = lambda simulation: 1 / 0
    ticks.run(simulated_stamp)
    assert [type(error) for error in ticks.failures] == [ZeroDivisionError]


def test_wall_stamps_are_due_times_on_the_wall_clock():
    monotonic = iter([1_000, 1_100, 2_000, 900_002_000, 3_000, 3_100])
    wall = iter([51_050, 999_999_999, 53_055])
    stamp = WallStamp(lambda: next(wall), lambda: next(monotonic))
    assert stamp(0, 500) == 50_500
    assert stamp(0, 600) == 50_600, "an interrupted reading must not move the clock"
    assert stamp(0, 700) == 50_705, "a clock that is slewed is followed"


def test_every_camera_is_drawn_from_one_state():
    simulation = Simulation(World(SPEC), PERIOD_S, simulated_stamp, lambda: None, lambda _: None)
    pictures, failures, done = [], [], threading.Event()

    def take(camera, stamp_ns, pixels):
        pictures.append((camera.role, stamp_ns, pixels))
        if len(pictures) == 6:
            done.set()

    filming = Filming(SPEC, simulation, take, failures.append)
    simulation.start()
    filming.start()
    assert done.wait(LIMIT_S), failures
    assert filming.close() and simulation.close()
    assert [role for role, _, _ in pictures[:4]] == ["head", "right_wrist"] * 2
    assert pictures[0][1] == pictures[1][1] < pictures[2][1] == pictures[3][1]
    assert all(pixels.shape == (240, 320, 3) and pixels.dtype == np.uint8 for _, _, pixels in pictures)
    assert not np.shares_memory(pictures[0][2], pictures[2][2])
