"""The operator's button, alone and in front of a moving robot."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_robot import DT, LIMITS, chunk, robot, state

from gear_vla_ros.contracts import Grade, Instruction, ManualClock
from gear_vla_ros.runtime.follower import Follower
from gear_vla_ros.runtime.hold_to_run import HoldToRun
from gear_vla_ros.settings import RuntimeSpec

S = 1_000_000_000
TIMEOUT_S = robot("left", "right").operator.timeout_s


def test_it_counts_from_the_last_message_and_the_first_must_come():
    clock = ManualClock(S)
    hold = HoldToRun(clock, 0.3)
    assert hold.missing == "hold_to_run_absent"
    hold.say(True)
    assert hold.missing is None
    clock.advance(0.3)
    assert hold.missing is None
    clock.advance(0.001)
    assert hold.missing == "hold_to_run_stale"
    hold.say(False)
    assert hold.missing == "hold_to_run_released"
    hold.say(True)
    hold.restart()
    assert hold.missing == "hold_to_run_absent"


class Run:
    """A follower with a chunk to follow, tick by tick; the robot is where it was told to be."""

    def __init__(self, hold_to_run=True):
        self.clock = ManualClock(10 * S)
        spec = robot("left", "right")
        self.follower = Follower(spec, RuntimeSpec(), self.clock, hold_to_run=hold_to_run)
        self.follower.on_state(state(self.clock.now_ns()))
        self.follower.on_instruction(Instruction(1, "go"))
        self.sequence = 0
        self.last = self.follower.tick()

    def follow(self, twist=(0.2, 0, 0, 0, 0, 0)):
        self.sequence += 1
        anchor = self.last.arms["right"].base_T_tcp
        self.follower.on_chunk(chunk(self.clock.now_ns(), self.sequence, twist, anchor))

    def tick(self, pressed=None):
        self.clock.advance(DT)
        if pressed is not None:
            self.follower.on_hold(pressed)
        poses = {name: arm.base_T_tcp for name, arm in self.last.arms.items()}
        self.follower.on_state(state(self.clock.now_ns(), poses))
        self.last = self.follower.tick()
        return self.last

    def causes(self):
        return self.follower.status().causes


def test_without_the_button_nothing_moves_and_with_it_the_chunk_is_followed():
    run = Run()
    run.follow()
    assert [run.tick().grade for _ in range(3)] == [Grade.HOLD] * 3
    assert "hold_to_run_absent" in run.causes()
    assert [run.tick(pressed=True).grade for _ in range(3)] == [Grade.FULL] * 3
    assert np.linalg.norm(run.last.arms["right"].twist) > 0.01


@pytest.mark.parametrize(("pressed", "cause"), [(False, "hold_to_run_released"), (None, "hold_to_run_stale")])
def test_letting_go_or_silence_brakes_to_a_hold_within_the_limits(pressed, cause):
    run = Run()
    run.follow()
    for _ in range(10):
        run.tick(pressed=True)
    speed = np.linalg.norm(run.last.arms["right"].twist[:3])
    begin = run.last.arms["right"].base_T_tcp[:3, 3]
    ticks = 0
    while np.linalg.norm(run.tick(pressed).arms["right"].twist) > 0:
        ticks += 1
        assert ticks < 30, "it never stood still"
    assert cause in run.causes() and run.last.grade is Grade.HOLD
    moved = np.linalg.norm(run.last.arms["right"].base_T_tcp[:3, 3] - begin)
    silence = 0.0 if pressed is False else TIMEOUT_S + DT
    assert moved <= speed * (silence + 2 * DT) + LIMITS.stopping_m + 1e-9


events = st.lists(
    st.tuples(st.sampled_from(["press", "release", "silence", "stop", "reset", "chunk"]), st.integers(1, 8)),
    min_size=1,
    max_size=12,
)
twists = st.lists(st.floats(-1.5, 1.5), min_size=6, max_size=6)


@settings(max_examples=60, deadline=None)
@given(events, twists)
def test_whatever_the_operator_does_no_target_exceeds_a_limit(sequence, twist):
    run = Run()
    before = run.last
    for event, ticks in sequence:
        if event == "stop":
            run.follower.stop("operator")
        elif event == "reset":
            run.follower.reset()
        elif event == "chunk" and run.follower.status().causes[:1] != ("operator",):
            run.follow(twist)
        for _ in range(ticks):
            after = run.tick({"press": True, "release": False}.get(event))
            for name, arm in after.arms.items():
                change = arm.twist - before.arms[name].twist
                assert np.linalg.norm(arm.twist[:3]) <= LIMITS.max_linear_speed + 1e-9
                assert np.linalg.norm(change[:3]) <= LIMITS.max_linear_acceleration * DT + 1e-9
                assert np.linalg.norm(change[3:]) <= LIMITS.max_angular_acceleration * DT + 1e-9
                xyz = arm.base_T_tcp[:3, 3]
                assert np.all(xyz >= np.array(LIMITS.workspace_min) - 1e-9)
                assert np.all(xyz <= np.array(LIMITS.workspace_max) + 1e-9)
            before = after
