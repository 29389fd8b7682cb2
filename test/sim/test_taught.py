"""A learner drives while the expert labels; afterwards the expert does what was asked."""

import dataclasses

import numpy as np
import pytest

from gear_vla_ros.contracts import Instruction
from gear_vla_ros.policies.expert import ExpertPolicy
from gear_vla_ros.settings import load_robot
from gear_vla_ros.sim.episode import Episode, Watcher
from gear_vla_ros.sim.pacing import Timing
from gear_vla_ros.sim.randomise import random_scene
from gear_vla_ros.sim.running import SECOND_NS
from gear_vla_ros.sim.taught import Taught
from gear_vla_ros.sim.world import World

SPEC = load_robot("franka")
UP_M_S, UNTIL_S = 0.05, 2.0


class Climber(ExpertPolicy):
    """Goes up, whatever is asked."""

    model_id = "climber"

    def __init__(self, spec):
        super().__init__(spec)
        self.thoughts, self.given = 0, []

    def think(self, observation):
        self.thoughts += 1
        return super().think(observation)

    def act(self, latents, state, under_way=None):
        chunk = super().act(latents, state)
        self.given.append((state, under_way))
        way = np.tile(np.eye(4), (chunk.steps, 1, 1))
        way[:, 2, 3] = -UP_M_S * np.arange(1, chunk.steps + 1) / chunk.rate_hz
        arms = {name: dataclasses.replace(arm, anchor_T_tcp=way) for name, arm in chunk.arms.items()}
        return dataclasses.replace(chunk, arms=arms)


class Notes(Watcher):
    """Where the tool was, and which chunks were told."""

    def __init__(self):
        self.chunks, self.heights = [], []

    def chunk(self, chunk):
        self.chunks.append(chunk)
        self.heights.append(float(next(iter(chunk.arms.values())).base_T_anchor[2, 3]))


def play(given_s):
    scene = random_scene(SPEC, "lift", 3)
    world, learner, notes = World(SPEC, scene=scene), Climber(SPEC), Notes()
    taught = Taught(ExpertPolicy(SPEC), learner, SECOND_NS + round(UNTIL_S * 1e9), given_s)
    taught.warm_up()
    instruction = Instruction(1, scene.instruction)
    outcome = Episode(world, taught, instruction, Timing(), notes, disturb=taught.disturb).run()
    taught.close()
    return outcome, notes, learner, taught


@pytest.fixture(scope="module")
def played():
    return play(0.0)


def test_the_learner_is_followed_until_its_time_is_over_then_the_expert_does_it(played):
    outcome, notes, _, _ = played
    assert outcome.success, outcome.reason
    times = np.array([(one.stamp_ns - SECOND_NS) * 1e-9 for one in notes.chunks])
    heights = np.array(notes.heights)
    at_end = heights[times <= UNTIL_S][-1]
    assert at_end - heights[0] > 0.6 * UP_M_S * UNTIL_S, "it did not climb"
    assert heights[times > UNTIL_S].min() < at_end - 0.1, "the expert did not come down"


def test_every_chunk_told_is_the_expert_s_own_from_where_the_learner_has_come_to(played):
    _, notes, _, _ = played
    assert {one.model_id for one in notes.chunks} == {ExpertPolicy(SPEC).model_id}
    first = next(iter(notes.chunks[5].arms.values()))
    assert first.anchor_T_tcp[-1, 2, 3] > 0.0, "the tool's z points down, and the expert goes down"


def test_the_learner_thinks_at_every_second_thought_and_no_longer_than_it_drives(played):
    _, _, learner, taught = played
    assert learner.thoughts == pytest.approx(UNTIL_S * Timing().slow_hz / 2, abs=2)
    assert taught.about["learner"] == "climber"


def test_a_learner_that_drives_as_with_rtc_is_given_its_own_running_chunk():
    learner = play(0.08)[2]
    (before, _), (now, given) = learner.given[4:6]
    (arm,) = given.values()
    assert len(arm.gripper) == 3
    base_T_then = next(iter(before.arms.values())).base_T_tcp
    went = (now.stamp_ns - before.stamp_ns) * 1e-9
    wanted = (base_T_then[:3, 2] * -UP_M_S * (went + np.arange(1, 4) / 30)[:, None]) + base_T_then[:3, 3]
    np.testing.assert_allclose((arm.base_T_anchor @ arm.anchor_T_tcp)[:, :3, 3], wanted, atol=1e-6)


def test_a_learner_of_another_seam_is_given_nothing(played):
    assert not any(given for _, given in played[2].given)


def test_an_instruction_that_one_of_them_refuses_is_refused():
    taught = Taught(ExpertPolicy(SPEC), Climber(SPEC), SECOND_NS)
    with pytest.raises(ValueError):
        taught.accepts(Instruction(1, "sing a song"))
