"""The slow and the fast pass in an episode: their rates, their latencies, what runs meanwhile, another instruction."""

import numpy as np
import pytest

from gear_vla_ros.contracts import Grade, Instruction
from gear_vla_ros.policies.expert import ExpertPolicy
from gear_vla_ros.settings import RuntimeSpec, load_robot
from gear_vla_ros.sim.episode import Episode, Later
from gear_vla_ros.sim.measuring import Others, SeamMeter, Together, Trace
from gear_vla_ros.sim.pacing import Timing
from gear_vla_ros.sim.randomise import other_instruction, random_scene
from gear_vla_ros.sim.watching import Watcher
from gear_vla_ros.sim.world import World

SPEC = load_robot("franka")
SEED = 10_000


class Calls(ExpertPolicy):
    """The expert, and what it was called with."""

    def __init__(self, spec):
        super().__init__(spec)
        self.thought, self.acted, self.given = [], [], []

    def think(self, observation):
        self.thought.append(observation)
        return super().think(observation)

    def act(self, latents, state, under_way=None):
        self.acted.append((latents.stamp_ns, state.stamp_ns))
        self.given.append(under_way)
        return super().act(latents, state, under_way)


class Targets(Watcher):
    def __init__(self):
        self.seen = []

    def target(self, target, status):
        self.seen.append(target)


def run(timing, watcher=None, runtime=None, later=None, eyes=None, scene=None, policy=None):
    scene = scene or random_scene(SPEC, "lift", SEED)
    policy = policy or Calls(SPEC)
    world = World(SPEC, scene=scene)
    first = Instruction(1, scene.instruction)
    outcome = Episode(world, policy, first, timing, watcher, eyes, runtime=runtime, later=later).run()
    return outcome, policy


def test_each_pass_has_its_rate_and_its_latency():
    targets = Targets()
    outcome, policy = run(Timing(slow_hz=5, fast_hz=10, slow_s=0.08, fast_s=0.25), targets)
    assert outcome.success
    seconds = (targets.seen[-1].stamp_ns - targets.seen[0].stamp_ns) * 1e-9
    assert len(policy.thought) == pytest.approx(5 * seconds, abs=2)
    assert len(policy.acted) == pytest.approx(seconds / 0.25, abs=2), "one at a time"
    assert min(acted - thought for thought, acted in policy.acted) == 80_000_000
    ages = [t.stamp_ns - t.source_stamp_ns for t in targets.seen if t.source_stamp_ns]
    assert min(ages) >= 250_000_000


def test_the_robot_stands_still_while_it_computes_when_that_is_wanted():
    targets = Targets()
    outcome, policy = run(Timing(slow_s=0.3, fast_s=0.5, execute_s=0.5), targets)
    assert outcome.success
    assert len(policy.thought) == len(policy.acted)
    assert np.diff([seen.stamp_ns for seen in policy.thought]).min() >= 1_299_000_000
    held = [t for t in targets.seen if t.grade >= Grade.HOLD]
    assert len(held) / len(targets.seen) > 0.4


def test_rtc_tells_the_policy_what_runs_until_the_next_chunk_can_be_there():
    timing = Timing(slow_hz=5, fast_hz=5, slow_s=0.08, fast_s=0.23)
    for most, given in ((12, 8), (3, 3)):
        _, policy = run(timing, runtime=RuntimeSpec(seam="rtc", rtc_steps_max=most))
        assert policy.given[0] is None
        steps = {len(one["right"].gripper) for one in policy.given[2:]}
        assert steps == {given}, "0.23 s and a tick, in steps of 1/30 s, and not more than allowed"
    _, policy = run(Timing())
    assert set(policy.given) == {None}


def test_another_instruction_in_mid_run_is_what_counts():
    scene = random_scene(SPEC, "lift", SEED)
    text = other_instruction(scene, SEED)
    others, trace = Others(), Trace()
    together = Together((others, trace))
    outcome, policy = run(Timing(slow_s=0.08, fast_s=0.03), together, later=Later(1.5, Instruction(2, text)))
    assert outcome.success
    assert others.named.replace("_", " ") in text and others.named.replace("_", " ") in outcome.reason
    assert others.lifted == {} and others.target_up_m > 0.08 and others.nearest_m < 0.02
    assert trace.said[0] == scene.instruction and trace.said[-1] == text
    assert policy.thought[-1].instruction.id == 2


def test_one_object_cannot_be_exchanged():
    with pytest.raises(ValueError, match="'handover' has one object"):
        other_instruction(random_scene(load_robot("agilex"), "handover", 0), 0)


def test_pictures_are_taken_at_the_cameras_rate_and_drawn_only_when_they_are_looked_at():
    class Eyes:
        taken = looked = 0

        def take(self, world):
            self.taken += 1

        def images(self):
            self.looked += 1
            return {"head": np.zeros((8, 8, 3), np.uint8)}

    eyes = Eyes()
    outcome, policy = run(Timing(slow_hz=4, slow_s=0.08, fast_s=0.03), eyes=eyes)
    assert outcome.success
    assert eyes.looked == len(policy.thought)
    assert eyes.taken == pytest.approx(SPEC.sim.camera_rate_hz * (outcome.seconds + Timing().tail_s), abs=2)


def test_another_object_in_the_air_is_noticed():
    scene = random_scene(SPEC, "lift", SEED)
    world, others = World(SPEC, scene=scene), Others()
    others.begun(Instruction(1, scene.instruction), 0)
    others.state(world, 10**9)
    for index in (0, 1):
        at = world.model.joint(f"{scene.things[index].name}_joint").qposadr[0]
        world.data.qpos[at + 2] += 0.06
    world.step(0.005)
    others.state(world, 2 * 10**9)
    assert list(others.lifted) == [scene.things[1].name]
    assert others.target_up_m == pytest.approx(0.06, abs=0.01)


def test_seams_are_measured_between_chunks_and_refusals_are_counted():
    class Jumpy(Calls):
        """Sometimes it cannot."""

        def act(self, latents, state, under_way=None):
            if len(self.acted) == 5:
                self.acted.append((0, 0))
                raise ValueError("no")
            return super().act(latents, state, under_way)

    seams = SeamMeter()
    together = Together((seams,))
    outcome, _ = run(Timing(slow_s=0.08, fast_s=0.2), together, policy=Jumpy(SPEC))
    assert outcome.success
    assert len(seams.apart_mm) == len(seams.steps_m_s) > 10
    assert 0 < max(seams.apart_mm) < 100
    longest_tick_s = 0.035
    assert max(seams.steps_m_s) <= SPEC.arms[0].safety.max_linear_acceleration * longest_tick_s + 1e-3
    assert together.refusals == {"policy": 1} and together.chunks > 10 and together.grades["full"] > 100
