"""Disturbances change what is followed, never what the policy says, and the expert recovers from them."""

import itertools

import numpy as np
import pytest

from gear_vla_ros.contracts import ActionChunk, ArmChunk, Instruction
from gear_vla_ros.geometry import se3
from gear_vla_ros.policies.expert import ExpertPolicy
from gear_vla_ros.settings import load_robot
from gear_vla_ros.sim.disturbance import APART_S, MOST, Disturber, Span, random_spans
from gear_vla_ros.sim.episode import Episode, Watcher
from gear_vla_ros.sim.randomise import random_scene
from gear_vla_ros.sim.world import World

SECOND = 1_000_000_000
ASIDE = np.array([0.0, 0.2, 0.1, 0.0, 0.0, 0.3])


def chunk(stamp_ns, moving="left"):
    anchor = se3.from_xyz_rpy(np.array([0.3, 0.0, 0.2]), np.array([np.pi, 0.0, 0.4]))
    steps = np.linspace(0, 0.1, 30)[1:]
    way = np.tile(np.eye(4), (29, 1, 1))
    still = ArmChunk(anchor, way, np.full(29, 0.5))
    moved = way.copy()
    moved[:, 0, 3] = steps
    arms = {name: ArmChunk(anchor, moved, np.full(29, 0.5)) if name == moving else still for name in ("left", "right")}
    return ActionChunk(stamp_ns, 1, "expert", 1, 1, arms)


def test_outside_of_its_time_nothing_is_changed():
    disturb = Disturber((Span("kick", 2 * SECOND, 3 * SECOND, ASIDE),))
    for now_ns in (SECOND, 3 * SECOND):
        made = chunk(now_ns)
        assert disturb(made, now_ns) is made


def test_a_kick_goes_along_its_twist_until_it_ends_and_only_the_moving_arm_is_kicked():
    disturb, now_ns = Disturber((Span("kick", 2 * SECOND, 2 * SECOND + SECOND // 2, ASIDE),)), 2 * SECOND
    made = chunk(now_ns)
    found = disturb(made, now_ns)
    assert found.arms["right"] is made.arms["right"]
    moved = found.arms["left"].base_T_tcp()[:, :3, 3] - made.arms["left"].base_T_anchor[:3, 3]
    np.testing.assert_allclose(moved[14], ASIDE[:3] * 0.5, atol=1e-9)
    np.testing.assert_allclose(moved[-1], moved[14], atol=1e-9)
    assert disturb(chunk(now_ns + 1, moving="right"), now_ns + 1).arms["left"].anchor_T_tcp[5, 1, 3] != 0, "same arm"


@pytest.mark.parametrize(("kind", "gripper"), [("close", 0.0), ("open", 1.0)])
def test_a_false_gripper_move_leaves_the_way(kind, gripper):
    made = chunk(SECOND)
    found = Disturber((Span(kind, 0, 2 * SECOND, ASIDE),))(made, SECOND)
    assert set(found.arms["left"].gripper) == {gripper}
    np.testing.assert_array_equal(found.arms["left"].anchor_T_tcp, made.arms["left"].anchor_T_tcp)


def test_random_ones_are_in_order_apart_and_by_their_generator():
    counts = set()
    for seed in range(40):
        spans = random_spans(np.random.default_rng(seed))
        counts.add(len(spans))
        assert [s.begin_ns for s in spans] == [s.begin_ns for s in random_spans(np.random.default_rng(seed))]
        assert all(b.begin_ns > a.end_ns + APART_S * 1e9 for a, b in itertools.pairwise(spans))
        assert all(span.twist[2] > -0.1 for span in spans)
    assert counts <= set(range(MOST + 1)) and 0 in counts and len(counts) > 2


class Chunks(Watcher):
    def __init__(self):
        self.kept = []

    def chunk(self, chunk):
        self.kept.append(chunk)


def test_the_expert_comes_back_after_kicks_and_a_false_grasp_and_its_chunks_stay_its_own():
    spec = load_robot("franka")
    scene = random_scene(spec, "lift", 3)
    spans = (
        Span("kick", SECOND + SECOND // 2, 2 * SECOND, ASIDE),
        Span("close", 3 * SECOND, 3 * SECOND + SECOND // 2, ASIDE),
        Span("kick", 5 * SECOND, 5 * SECOND + SECOND // 2, -ASIDE * [1, 1, -1, 1, 1, 1]),
    )
    watcher = Chunks()
    world, disturb = World(spec, scene=scene), Disturber(spans)
    episode = Episode(world, ExpertPolicy(spec), Instruction(1, scene.instruction), watcher=watcher, disturb=disturb)
    outcome = episode.run()
    assert outcome.success, outcome.reason
    during = [c for c in watcher.kept if spans[0].begin_ns <= c.stamp_ns < spans[0].end_ns]
    assert during
    for one in during:
        wanted, followed = one.arms["right"], disturb(one, one.stamp_ns).arms["right"]
        assert not np.allclose(wanted.anchor_T_tcp, followed.anchor_T_tcp)
    assert all(c.arms["right"].gripper.min() == 1.0 for c in during), "labels are the expert's"
