import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_robot import DT, HOME, LIMITS, chunk, robot, state

from gear_vla_ros.contracts import ContractError, Grade, Instruction, ManualClock
from gear_vla_ros.geometry import se3
from gear_vla_ros.runtime.follower import Follower
from gear_vla_ros.runtime.refused import Refused
from gear_vla_ros.settings.runtime import RuntimeSpec

PICK, PLACE = Instruction(1, "pick up the cube"), Instruction(2, "put it down")
MS = 1_000_000


class Rig:
    """A follower and a robot that is wherever the last target says."""

    def __init__(self, instruction=PICK, **runtime):
        self.clock = ManualClock(10**12)
        self.follower = Follower(robot(), RuntimeSpec(**runtime), self.clock)
        self.poses, self.alive = {"left": HOME, "right": HOME}, True
        self.targets = []
        if instruction is not None:
            self.follower.on_instruction(instruction)

    @property
    def now_ns(self):
        return self.clock.now_ns()

    def tick(self, n=1, dt=DT):
        for _ in range(n):
            self.clock.advance(dt)
            if self.alive:
                self.follower.on_state(state(self.now_ns - MS, self.poses))
            target = self.follower.tick()
            if target is not None:
                self.poses = {name: arm.base_T_tcp for name, arm in target.arms.items()}
                self.targets.append(target)
        return target

    def give(self, sequence=1, **fields):
        fields.setdefault("stamp_ns", self.now_ns)
        fields.setdefault("anchor", self.poses["left"])
        self.follower.on_chunk(chunk(sequence=sequence, **fields))

    def causes(self):
        return self.follower.status().causes


def speed(target):
    return max(np.linalg.norm(arm.twist[:3]) for arm in target.arms.values())


def check_steps(targets, dt=DT):
    for before, after in itertools.pairwise(targets):
        for name in before.arms:
            moved = se3.difference(before.arms[name].base_T_tcp, after.arms[name].base_T_tcp)
            change = after.arms[name].twist - before.arms[name].twist
            assert np.linalg.norm(moved[:3]) <= LIMITS.max_linear_speed * dt * 1.26
            assert np.linalg.norm(moved[3:]) <= LIMITS.max_angular_speed * dt * 1.26
            assert np.linalg.norm(change[:3]) <= LIMITS.max_linear_acceleration * dt * 1.26
            assert np.linalg.norm(change[3:]) <= LIMITS.max_angular_acceleration * dt * 1.26


def check_jerks(targets, dt=DT):
    """Of targets `dt` apart, the first of them at rest."""
    for name in targets[0].arms:
        twists = np.array([target.arms[name].twist for target in targets])
        jerks = np.diff(np.concatenate([np.zeros((1, 6)), np.diff(twists, axis=0)]), axis=0) / dt**2
        assert np.linalg.norm(jerks[:, :3], axis=1).max(initial=0.0) <= LIMITS.linear_jerk + 1e-6
        assert np.linalg.norm(jerks[:, 3:], axis=1).max(initial=0.0) <= LIMITS.angular_jerk + 1e-6


def test_nothing_leaves_before_the_first_state():
    rig = Rig()
    rig.alive = False
    assert rig.tick(5) is None
    assert rig.follower.status().grade is Grade.HOLD and rig.causes() == ("no_state",)
    rig.follower.stop("operator")
    assert rig.tick() is None
    assert rig.causes() == ("operator", "no_state")


def test_without_an_instruction_it_holds_where_it_is():
    rig = Rig(instruction=None)
    target = rig.tick(3)
    assert target.grade is Grade.HOLD and rig.causes() == ("no_instruction",) and target.source_stamp_ns == 0
    np.testing.assert_allclose(target.arms["left"].base_T_tcp, HOME, atol=1e-9)


def test_a_chunk_is_followed_and_at_its_end_the_arms_brake_to_a_hold():
    rig = Rig()
    rig.tick()
    assert rig.causes() == ("no_chunk",)
    rig.give(twist=(0.2, 0, 0, 0, 0, 0.3))
    end = HOME @ se3.exp(np.array([0.2, 0, 0, 0, 0, 0.3]))
    target = rig.tick(28)
    assert target.grade is Grade.FULL and rig.causes() == ()
    assert speed(target) == pytest.approx(0.2, abs=0.02)
    target = rig.tick(30)
    assert target.grade is Grade.HOLD and rig.causes() == ("timeline_end",) and speed(target) == 0
    assert np.linalg.norm(target.arms["left"].base_T_tcp[:3, 3] - end[:3, 3]) < 0.02
    check_steps(rig.targets)


def test_the_held_target_does_not_drift_with_the_measured_pose():
    rig = Rig()
    first = rig.tick()
    rig.poses = {name: se3.advance(HOME, np.array([0, 0, -0.03, 0, 0, 0])) for name in rig.poses}
    for _ in range(20):
        rig.clock.advance(DT)
        rig.follower.on_state(state(rig.now_ns, rig.poses))
        held = rig.follower.tick()
    np.testing.assert_array_equal(held.arms["left"].base_T_tcp, first.arms["left"].base_T_tcp)


@pytest.mark.parametrize("jump", [(0.11, 0, 0, 0, 0, 0), (0, 0, 0, 0, 0.51, 0)])
def test_a_robot_far_from_its_target_is_started_anew_where_it_is(jump):
    rig = Rig()
    rig.tick()
    rig.give()
    rig.tick(5)
    rig.poses = {name: se3.advance(pose, np.array(jump, dtype=float)) for name, pose in rig.poses.items()}
    there = dict(rig.poses)
    target = rig.tick()
    assert target.grade is Grade.HOLD and rig.causes()[0] == "tracking_error" and speed(target) == 0
    np.testing.assert_allclose(target.arms["right"].base_T_tcp, there["right"], atol=1e-9)
    rig.tick()
    assert rig.causes() == ("no_chunk",)


@pytest.mark.parametrize("seam", ["switch", "blend", "ensemble"])
@settings(max_examples=40, deadline=None)
@given(
    events=st.lists(
        st.tuples(
            st.integers(1, 25),
            st.floats(0, 0.5),
            st.tuples(*[st.floats(-1.0, 1.0)] * 6),
            st.sampled_from(["chunk", "stop", "reset", "place", "deaf", "hear"]),
        ),
        min_size=1,
        max_size=10,
    )
)
def test_for_any_chunks_delays_and_faults_no_target_exceeds_a_limit(seam, events):
    rig = Rig(seam=seam)
    rig.tick()
    for sequence, (ticks, late_s, twist, what) in enumerate(events, start=1):
        if what == "stop":
            rig.follower.stop("operator")
        elif what == "reset":
            rig.follower.reset()
        elif what == "place":
            rig.follower.on_instruction(PLACE)
        elif what in ("deaf", "hear"):
            rig.alive = what == "hear"
        else:
            try:
                rig.give(sequence, stamp_ns=rig.now_ns - round(late_s * 1e9), twist=twist)
            except Refused as refused:
                assert refused.cause in ("stopped", "instruction")
        rig.tick(ticks)
    check_steps(rig.targets)
    check_jerks(rig.targets)
    for target in rig.targets:
        for arm in target.arms.values():
            assert np.all(arm.base_T_tcp[:3, 3] >= np.array(LIMITS.workspace_min) - 1e-9)
            assert np.all(arm.base_T_tcp[:3, 3] <= np.array(LIMITS.workspace_max) + 1e-9)


@pytest.mark.parametrize("late_ms", [50, 100, 200, 300, 500])
def test_seams_of_late_chunks_of_one_motion_cannot_be_seen(late_ms):
    """The policy follows one straight motion; each chunk arrives late and is anchored where the motion was then."""
    rig, begin = Rig(), 10**12
    velocity = np.array([0.1, 0.05, 0, 0, 0, 0])
    rig.tick()
    for i in range(1, 60):
        if i % 6 == 1:
            stamp_ns = rig.now_ns - late_ms * MS if i > 30 else rig.now_ns
            anchor = se3.advance(HOME, velocity * (stamp_ns - begin) * 1e-9)
            base_twist = np.concatenate([HOME[:3, :3].T @ velocity[:3], velocity[3:]])
            rig.give(i, stamp_ns=stamp_ns, anchor=anchor, twist=base_twist)
        rig.tick()
    twists = np.array([target.arms["left"].twist for target in rig.targets[28:]])
    assert np.abs(twists - velocity).max() < 2e-5
    assert all(target.grade is Grade.FULL for target in rig.targets[20:])


def test_a_new_instruction_drops_the_chunk_and_refuses_those_of_the_old_one():
    rig = Rig()
    rig.tick()
    rig.give()
    rig.tick(5)
    rig.follower.on_instruction(PLACE)
    assert rig.tick().grade is Grade.HOLD and rig.causes() == ("no_chunk",)
    with pytest.raises(Refused, match="in force is 2"):
        rig.give(2)
    rig.give(3, instruction_id=2)
    assert rig.tick().grade is Grade.FULL
    assert rig.follower.status().instruction_id == 2
    assert rig.follower.status().faults["chunk_instruction"] == 1


def test_the_same_instruction_again_changes_nothing():
    rig = Rig()
    rig.tick()
    rig.give()
    rig.follower.on_instruction(PICK)
    assert rig.tick().grade is Grade.FULL


def test_stop_is_latched_until_reset_and_the_old_chunk_does_not_resume():
    rig = Rig()
    rig.tick()
    rig.give(twist=(0.3, 0, 0, 0, 0, 0))
    rig.tick(15)
    rig.follower.stop("operator")
    target = rig.tick(12)
    assert target.grade is Grade.STOP and rig.causes()[0] == "operator" and speed(target) == 0
    with pytest.raises(Refused) as refused:
        rig.give(2)
    assert refused.value.cause == "stopped"
    rig.follower.reset()
    assert rig.tick().grade is Grade.HOLD and rig.causes() == ("no_chunk",)
    rig.give(3)
    assert rig.tick().grade is Grade.FULL
    check_steps(rig.targets)


def test_without_joint_states_it_slows_then_holds_and_goes_on_when_they_return():
    rig = Rig()
    rig.tick()
    rig.give(steps=60)
    rig.tick(5)
    rig.alive = False
    assert rig.tick(4).grade is Grade.SLOW and rig.causes() == ("joint_states_stale",)
    assert rig.tick(3).grade is Grade.HOLD
    rig.alive = True
    assert rig.tick().grade is Grade.FULL
    assert rig.follower.status().faults["joint_states_stale"] == 1
    check_steps(rig.targets)


def test_an_old_chunk_slows_then_holds():
    rig = Rig()
    rig.tick()
    rig.give(steps=90)
    assert rig.tick(29).grade is Grade.FULL
    assert rig.tick(3).grade is Grade.SLOW and rig.causes() == ("chunk_stale",)
    assert rig.tick(30).grade is Grade.HOLD and rig.targets[-1].source_stamp_ns == 0


def test_the_clock_set_back_holds_and_new_inputs_are_taken():
    rig = Rig()
    rig.tick()
    rig.give()
    rig.tick(10)
    rig.clock.advance(-100.0)
    rig.tick()
    assert rig.causes()[0] == "clock_back"
    rig.give(2)
    assert rig.tick().grade is Grade.FULL
    check_steps(rig.targets)


def test_the_clock_set_ahead_brakes_without_a_jump():
    rig = Rig()
    rig.tick()
    rig.give(twist=(0.3, 0, 0, 0, 0, 0))
    rig.tick(15)
    rig.tick(dt=100.0)
    assert rig.tick(12).grade is Grade.HOLD and speed(rig.targets[-1]) == 0
    check_steps(rig.targets)


def test_while_the_clock_stands_still_nothing_moves():
    rig = Rig()
    rig.tick()
    rig.give(twist=(0.3, 0, 0, 0, 0, 0))
    before = rig.tick(15)
    again = rig.follower.tick()
    np.testing.assert_array_equal(before.arms["left"].base_T_tcp, again.arms["left"].base_T_tcp)


def test_wrong_states_are_refused():
    rig = Rig()
    rig.tick()
    for wrong, match in [
        (state(rig.now_ns - MS), "after"),
        (state(rig.now_ns + 10**9), "ahead of the clock"),
        (state(rig.now_ns, {"left": HOME}), "state.arms"),
    ]:
        with pytest.raises(ContractError, match=match):
            rig.follower.on_state(wrong)


def test_status_says_what_is_followed():
    rig = Rig()
    rig.tick()
    assert rig.follower.status().chunk_age_s == -1.0
    rig.give(7, stamp_ns=rig.now_ns - 100 * MS)
    rig.tick()
    status = rig.follower.status()
    assert (status.instruction_id, status.chunk_sequence) == (1, 7)
    assert status.chunk_age_s == pytest.approx(0.1 + DT, abs=1e-6)
    assert status.remaining_s == pytest.approx(0.9 - DT, abs=1e-6)
    assert status.capture_to_command_ms == pytest.approx(100 + DT * 1e3, abs=1e-3)
    assert status.grades == {Grade.HOLD: 1, Grade.FULL: 1} and status.faults["no_chunk"] == 1


@pytest.mark.parametrize(("seam", "limit_s"), [("switch", 1e-3), ("blend", 2e-3), ("ensemble", 2e-3)])
def test_a_tick_of_two_arms_is_quick(seam, limit_s):
    rig = Rig(seam=seam, seam_window_s=1.0)
    rig.tick()
    for sequence in (1, 2, 3):
        rig.give(sequence, twist=(0.1, 0, 0, 0.2, 0, 0.3))
        rig.tick()
    spent = []
    for _ in range(25):
        rig.clock.advance(DT)
        rig.follower.on_state(state(rig.now_ns))
        begun = time.perf_counter()
        rig.follower.tick()
        spent.append(time.perf_counter() - begun)
    assert min(spent) < limit_s


FAULTS = {
    "stop": (lambda rig: rig.follower.stop("operator"), 0.0),
    "instruction": (lambda rig: rig.follower.on_instruction(PLACE), 0.0),
    "clock_back": (lambda rig: rig.clock.advance(-50.0), 0.0),
    "clock_ahead": (lambda rig: rig.clock.advance(50.0), 0.0),
    "joint_states": (lambda rig: setattr(rig, "alive", False), 0.2),
    "policy": (lambda rig: None, 0.5),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_ends_in_standstill_within_a_bounded_time_and_way(fault):
    """In mid-motion at 0.3 m/s with half a second of chunk left; reaction time, then braking at the limit."""
    act, reaction_s = FAULTS[fault]
    rig, speed_m_s = Rig(), 0.3
    rig.tick()
    rig.give(twist=(0, speed_m_s, 0, 0, 0, 0.2))
    before = rig.tick(15)
    act(rig)
    ticks = 0
    while rig.targets[-1].grade < Grade.HOLD or speed(rig.targets[-1]) > 0:
        rig.tick()
        ticks += 1
        assert ticks < 60
    xyz = [target.arms["left"].base_T_tcp[:3, 3] for target in (before, rig.targets[-1])]
    slower = LIMITS.model_copy(update={"max_linear_speed": speed_m_s})
    assert ticks * DT <= reaction_s + slower.stopping_s + 3 * DT
    assert np.linalg.norm(xyz[1] - xyz[0]) <= speed_m_s * (reaction_s + DT) + slower.stopping_m + 1e-6
    check_steps(rig.targets)
