"""The stack's parts in one process: the expert does every task in a few random scenes, the same way every time."""

import pytest

from gear_vla_ros.contracts import Instruction
from gear_vla_ros.policies.expert import ExpertPolicy
from gear_vla_ros.settings import load_robot, robot_names
from gear_vla_ros.sim.episode import Episode, Timing, Watcher
from gear_vla_ros.sim.randomise import TASKS, TWO_ARMS, random_scene
from gear_vla_ros.sim.world import World

SEED = 1000


class Noting(Watcher):
    """What was told, and how often."""

    def __init__(self):
        self.stamps, self.chunks, self.targets, self.commands, self.said = [], [], [], 0, []

    def state(self, world, stamp_ns):
        self.stamps.append(stamp_ns)

    def chunk(self, chunk):
        self.chunks.append(chunk)

    def target(self, target, status):
        self.targets.append(target)

    def command(self, q, opening, stamp_ns):
        self.commands += 1

    def succeeded(self, line, instruction_id, stamp_ns):
        self.said.append((line, instruction_id))


def run(spec, task, seed, watcher=None, **timing):
    scene = random_scene(spec, task, seed)
    world = World(spec, scene=scene)
    episode = Episode(world, ExpertPolicy(spec), Instruction(7, scene.instruction), Timing(**timing), watcher)
    return episode.run(), world


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("robot", robot_names())
def test_the_expert_does_it(robot, task):
    spec = load_robot(robot)
    if task in TWO_ARMS and len(spec.arms) < 2:
        pytest.skip("one arm")
    for seed in range(SEED, SEED + 2):
        outcome, _ = run(spec, task, seed)
        assert outcome.success, f"seed {seed}: {outcome.reason}"
        assert 1.0 < outcome.seconds < 15.0


def test_everything_is_told_at_its_rate_and_the_same_every_time():
    spec, first, again = load_robot("franka"), Noting(), Noting()
    outcome, world = run(spec, "lift", SEED, first)
    assert (outcome, world.data.qpos.tolist()) == ((o := run(spec, "lift", SEED, again))[0], o[1].data.qpos.tolist())
    seconds = (first.stamps[-1] - first.stamps[0]) * 1e-9
    assert seconds == pytest.approx(outcome.seconds + Timing().tail_s, abs=0.02)
    for found, hz in ((len(first.stamps), 200), (len(first.targets), 30), (first.commands, 100)):
        assert found == pytest.approx(hz * seconds, rel=0.02, abs=4)
    assert first.said == [(outcome.reason, 7)]
    assert first.chunks[0].instruction_id == 7


def test_a_limit_that_is_too_short_is_no_success():
    outcome, _ = run(load_robot("franka"), "lift", SEED, limit_s=1.0)
    assert not outcome.success and outcome.reason == "not done in 1 s" and outcome.seconds == pytest.approx(1.0)


def test_what_is_not_there_is_refused_before_anything_moves():
    spec = load_robot("franka")
    world = World(spec, seed=1)
    with pytest.raises(ValueError, match="'pick up the red cube'"):
        Episode(world, ExpertPolicy(spec), Instruction(1, "put the red cube into the blue bowl"))
