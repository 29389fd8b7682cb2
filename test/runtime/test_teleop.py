"""A person and a policy in front of a real follower, tick by tick."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_robot import DT, HOME, LIMITS, chunk, robot, state

from gear_vla_ros.contracts import ContractError, Grade, Instruction, ManualClock
from gear_vla_ros.geometry import se3
from gear_vla_ros.runtime.follower import Follower
from gear_vla_ros.runtime.pilot import DevicePose, DeviceTwist
from gear_vla_ros.runtime.refused import Refused
from gear_vla_ros.runtime.teleop import Teleop
from gear_vla_ros.settings.runtime import RuntimeSpec

MS = 1_000_000
ARMS = ("left", "right")


class Rig:
    """A robot that is wherever its last target says, a policy that drives it along x, and a person."""

    def __init__(self, arms=ARMS, **runtime):
        self.clock, self.spec = ManualClock(10**12), robot(*arms)
        self.follower = Follower(self.spec, RuntimeSpec(**runtime), self.clock)
        self.teleop = Teleop(self.spec, "twist", self.clock)
        self.arms = arms
        self.pressed = dict.fromkeys(arms, False)
        self.twists = {name: np.zeros(6) for name in arms}
        self.alive = self.node_alive = self.clutch_alive = True
        self.policy_speed, self.sequence, self.refused = None, 0, []
        self.targets, self.events, self.faults = [], [], []
        self.tick()

    @property
    def now_ns(self):
        return self.clock.now_ns()

    @property
    def last(self):
        return self.targets[-1]

    def xyz(self, arm="right"):
        return self.last.arms[arm].base_T_tcp[:3, 3]

    def causes(self):
        return self.follower.status().causes

    def tick(self, n=1):
        for _ in range(n):
            self.clock.advance(DT)
            poses = {name: HOME for name in self.arms}
            if self.targets:
                poses = {name: arm.base_T_tcp for name, arm in self.last.arms.items()}
                self.teleop.on_target(self.last)
            self.follower.on_state(state(self.now_ns - MS, poses))
            self._policy()
            self._person()
            self.targets.append(self.follower.tick())
        return self.last

    def _policy(self):
        if self.policy_speed is None or len(self.targets) % 6:
            return
        self.sequence += 1
        anchor = self.last.arms[self.arms[0]].base_T_tcp
        twist = np.concatenate([anchor[:3, :3].T @ [self.policy_speed, 0, 0], np.zeros(3)])
        self._give(chunk(self.now_ns - 2 * MS, self.sequence, twist, anchor, arms=self.arms))

    def _person(self):
        for name in self.arms:
            if self.clutch_alive:
                self.teleop.on_clutch(name, self.pressed[name])
            if self.alive:
                self.teleop.on_sample(name, DeviceTwist(self.now_ns, self.twists[name]))
        if not self.node_alive:
            return
        step = self.teleop.tick()
        self.faults += [cause for cause, _ in step.faults]
        if step.event:
            self.events.append(step.event)
        if step.event == "release":
            self.follower.on_release(self.teleop.model_id, self.now_ns)
        if step.chunk is not None:
            self._give(step.chunk)

    def _give(self, made):
        try:
            self.follower.on_chunk(made)
        except Refused as refused:
            self.refused.append(refused.cause)

    def policy_runs(self, speed=0.1):
        self.follower.on_instruction(Instruction(1, "go"))
        self.policy_speed = speed
        self.tick(20)
        assert self.last.grade is Grade.FULL and self.last.driver == "test"

    def press(self, *arms):
        self.pressed = {name: name in arms for name in self.arms}

    def move(self, arm="right", twist=(0, 0.1, 0, 0, 0, 0)):
        self.twists[arm] = np.array(twist, dtype=float)


def check_steps(targets):
    for before, after in itertools.pairwise(targets):
        for name in before.arms:
            moved = se3.difference(before.arms[name].base_T_tcp, after.arms[name].base_T_tcp)
            change = after.arms[name].twist - before.arms[name].twist
            assert np.linalg.norm(moved[:3]) <= LIMITS.max_linear_speed * DT + 1e-9
            assert np.linalg.norm(moved[3:]) <= LIMITS.max_angular_speed * DT + 1e-9
            assert np.linalg.norm(change[:3]) <= LIMITS.max_linear_acceleration * DT + 1e-9
            assert np.linalg.norm(change[3:]) <= LIMITS.max_angular_acceleration * DT + 1e-9


def test_without_policy_or_instruction_the_arm_follows_while_the_clutch_is_pressed():
    rig = Rig()
    rig.move()
    rig.tick(10)
    np.testing.assert_allclose(rig.xyz(), HOME[:3, 3], atol=1e-12)
    rig.press("right")
    rig.tick(60)
    assert rig.last.grade is Grade.FULL and rig.last.driver == "teleop/twist"
    assert 0.15 < rig.xyz()[1] - HOME[1, 3] < 0.21
    assert rig.last.arms["right"].twist[1] == pytest.approx(0.1, abs=1e-3)
    np.testing.assert_allclose(rig.xyz("left"), HOME[:3, 3], atol=1e-9)
    rig.press()
    rig.tick(15)
    assert rig.last.grade is Grade.HOLD and not rig.last.arms["right"].twist.any() and rig.last.driver == ""
    assert rig.events == ["takeover", "release"]
    check_steps(rig.targets)


def test_taking_over_a_running_policy_is_smooth_and_giving_back_too():
    rig = Rig(arms=("right",))
    rig.policy_runs()
    rig.press("right")
    rig.tick()
    assert rig.follower.status().driver == "teleop/twist" and rig.last.driver == "teleop/twist"
    at = rig.xyz()[0]
    rig.tick(20)
    braking_s = 0.1 / (2 * 0.8 * LIMITS.max_linear_acceleration)
    assert rig.xyz()[0] - at < 0.1 * (braking_s + LIMITS.linear_lag_s + 2 * DT)
    assert "operator" in rig.refused and rig.last.driver == "teleop/twist"
    rig.move()
    rig.tick(30)
    moved = rig.xyz().copy()
    rig.press()
    rig.tick()
    assert rig.follower.status().driver == ""
    rig.tick(20)
    assert rig.last.driver == "test" and rig.last.grade is Grade.FULL
    assert rig.last.arms["right"].twist[0] > 0.05
    assert rig.xyz()[1] >= moved[1] - 1e-6, "the policy went back to where it had been before"
    check_steps(rig.targets)


def test_a_chunk_that_was_anchored_before_the_release_is_refused():
    rig = Rig()
    rig.policy_runs()
    rig.press("right")
    rig.tick(10)
    before_ns = rig.now_ns
    rig.press()
    rig.policy_speed = None
    rig.tick(2)
    with pytest.raises(Refused, match=r"anchored 0\.\d+ s before the operator's release") as refused:
        rig.follower.on_chunk(chunk(before_ns, 900))
    assert refused.value.cause == "released"
    rig.follower.on_chunk(chunk(rig.now_ns, 901))


def test_a_device_that_dies_holds_and_does_not_give_back():
    rig = Rig()
    rig.policy_runs()
    rig.press("right")
    rig.move()
    rig.tick(20)
    rig.alive = False
    rig.tick(25)
    assert rig.last.grade is Grade.HOLD and rig.causes() == ("teleop_silent",)
    assert rig.faults == ["device_silent"] and rig.events == ["takeover"]
    held = rig.xyz().copy()
    rig.tick(60)
    np.testing.assert_array_equal(rig.xyz(), held)
    assert rig.follower.status().driver == "teleop/twist"
    rig.alive = True
    rig.move(twist=np.zeros(6))
    rig.tick(10)
    assert rig.last.grade is Grade.FULL and rig.last.driver == "teleop/twist"
    np.testing.assert_allclose(rig.xyz(), held, atol=1e-6)
    check_steps(rig.targets)


def test_a_teleop_node_that_dies_holds_until_a_reset():
    rig = Rig()
    rig.policy_runs()
    rig.press("right")
    rig.move()
    rig.tick(20)
    rig.node_alive = False
    rig.tick(40)
    assert rig.last.grade is Grade.HOLD and rig.causes() == ("teleop_silent",)
    rig.follower.reset()
    rig.tick(20)
    assert rig.last.driver == "test"
    check_steps(rig.targets)


def test_a_clutch_that_falls_silent_is_no_release():
    rig = Rig()
    rig.press("right")
    rig.tick(10)
    rig.clutch_alive = False
    rig.tick(25)
    assert rig.causes() == ("teleop_silent",) and rig.faults == ["clutch_silent"] and rig.events == ["takeover"]
    rig.clutch_alive = True
    rig.press()
    rig.tick(2)
    assert rig.events == ["takeover", "release"]


def test_nobody_takes_over_with_a_device_that_was_never_heard():
    rig = Rig()
    rig.alive = False
    rig.teleop = Teleop(rig.spec, "vr", rig.clock)
    rig.press("right")
    rig.tick(30)
    assert rig.faults == ["device_absent"] and rig.events == [] and rig.last.grade is Grade.HOLD


def test_nobody_takes_over_without_targets():
    clock, spec = ManualClock(10**12), robot()
    teleop = Teleop(spec, "twist", clock)
    teleop.on_clutch("right", True)
    teleop.on_sample("right", DeviceTwist(clock.now_ns(), np.zeros(6)))
    step = teleop.tick()
    assert step.chunk is None and [cause for cause, _ in step.faults] == ["no_target"]
    assert teleop.tick().faults == (), "told once"


def test_both_arms_and_the_last_clutch_gives_back():
    rig = Rig()
    rig.press("left", "right")
    rig.move("left", (0.1, 0, 0, 0, 0, 0))
    rig.move("right")
    rig.tick(30)
    assert rig.xyz("left")[0] > HOME[0, 3] + 0.05 and rig.xyz("right")[1] > HOME[1, 3] + 0.05
    rig.press("right")
    rig.tick(30)
    still = rig.xyz("left").copy()
    rig.tick(15)
    np.testing.assert_allclose(rig.xyz("left"), still, atol=1e-6)
    assert rig.events == ["takeover"]
    rig.press()
    rig.tick()
    assert rig.events == ["takeover", "release"]


def test_a_stop_stops_a_person_too():
    rig = Rig()
    rig.press("right")
    rig.move()
    rig.tick(20)
    rig.follower.stop("operator")
    rig.tick(20)
    assert rig.last.grade is Grade.STOP and not rig.last.arms["right"].twist.any()
    stopped = rig.xyz().copy()
    rig.follower.reset()
    rig.tick(10)
    assert rig.last.grade is Grade.FULL and np.linalg.norm(rig.xyz() - stopped) < 0.05
    check_steps(rig.targets)


def test_another_person_is_refused_while_one_drives():
    rig = Rig()
    rig.press("right")
    rig.tick(5)
    with pytest.raises(Refused, match="of teleop/joy: teleop/twist drives"):
        rig.follower.on_chunk(chunk(rig.now_ns, 1, model_id="teleop/joy"))
    rig.follower.on_release("teleop/joy", rig.now_ns)
    assert rig.follower.status().driver == "teleop/twist"


def test_a_reset_does_not_interrupt_a_person_who_drives():
    rig = Rig()
    rig.press("right")
    rig.move()
    rig.tick(10)
    rig.follower.reset()
    rig.tick(10)
    assert {target.driver for target in rig.targets[-15:]} == {"teleop/twist"}


@pytest.mark.parametrize(("hz", "noise_m", "allowed_m"), [(100, 0.0, 0.002), (72, 0.0005, 0.003), (20, 0.0, 0.005)])
def test_a_hand_is_followed_within_millimetres_whatever_the_rates(hz, noise_m, allowed_m):
    """Device, teleop_node and target_node have clocks of their own; the hand swings at up to 0.2 m/s, 0.6 m/s^2."""
    rng, clock, spec = np.random.default_rng(0), ManualClock(10**12), robot("right")
    follower, teleop = Follower(spec, RuntimeSpec(), clock), Teleop(spec, "vr", clock)
    begin_ns, target, pose, apart = clock.now_ns(), None, HOME, []
    due_ns = {"device": begin_ns, "teleop": begin_ns + 3 * MS, "tick": begin_ns + 10 * MS}
    while clock.now_ns() < begin_ns + 6 * 10**9:
        what = min(due_ns, key=due_ns.get)
        clock.advance((due_ns[what] - clock.now_ns()) * 1e-9)
        now_ns, at_s = clock.now_ns(), (clock.now_ns() - begin_ns) * 1e-9
        hand = np.array([0.2 / np.pi * np.sin(np.pi * at_s), 0.0, 0.0])
        if what == "device":
            teleop.on_clutch("right", at_s > 0.5)
            teleop.on_sample(
                "right", DevicePose(now_ns, se3.from_xyz_rpy(hand + rng.normal(0, noise_m, 3), np.zeros(3)))
            )
            due_ns[what] += round(rng.uniform(0.8, 1.2) * 1e9 / hz)
        elif what == "teleop":
            if target is not None:
                teleop.on_target(target)
            if (step := teleop.tick()).chunk is not None:
                follower.on_chunk(step.chunk)
            due_ns[what] += round(DT * 1e9)
        else:
            follower.on_state(state(now_ns - MS, {"right": pose}))
            target = follower.tick()
            pose = target.arms["right"].base_T_tcp
            apart += [pose[:3, 3] - hand] if at_s > 2.0 else []
            due_ns[what] += round(DT * 1e9)
    assert np.linalg.norm(apart - np.mean(apart, axis=0), axis=1).max() < 2 * allowed_m
    assert np.std(apart, axis=0).max() < allowed_m


def test_a_hand_at_the_wall_is_not_paid_back():
    rig = Rig()
    rig.press("right")
    rig.move(twist=(0, 0.3, 0, 0, 0, 0))
    rig.tick(120)
    assert rig.xyz()[1] == pytest.approx(LIMITS.workspace_max[1], abs=1e-6)
    rig.move(twist=(0, -0.3, 0, 0, 0, 0))
    rig.tick(20)
    assert rig.xyz()[1] < LIMITS.workspace_max[1] - 0.05


@pytest.mark.parametrize(
    ("ahead_s", "kind", "line"),
    [
        (-0.3, Refused, r"stale: right: measured 0\.300 s ago, allowed 0\.25 s"),
        (0.2, Refused, r"future: right: 0\.200 s ahead of the clock, allowed 0\.05"),
    ],
)
def test_stamps_that_are_not_of_now_are_refused(ahead_s, kind, line):
    clock = ManualClock(10**12)
    teleop = Teleop(robot(), "vr", clock)
    with pytest.raises(kind, match=line):
        teleop.on_sample("right", DevicePose(clock.now_ns() + round(ahead_s * 1e9), np.eye(4)))


def test_what_is_no_stamp_and_no_opening_is_refused():
    teleop = Teleop(robot(), "vr", ManualClock(10**12))
    with pytest.raises(ContractError, match="stamp 0: allowed are the times of the measurement"):
        teleop.on_sample("right", DevicePose(0, np.eye(4)))
    for opening in (float("nan"), -0.1, 1.1):
        with pytest.raises(ContractError, match="right gripper"):
            teleop.on_opening("right", opening)


def test_a_clock_that_is_set_back_ends_the_takeover():
    rig = Rig()
    rig.press("right")
    rig.tick(5)
    rig.clock.advance(-100)
    rig.tick(30)
    assert rig.events == ["takeover", "takeover"] and rig.last.grade is Grade.FULL


presses = st.lists(
    st.tuples(
        st.integers(1, 12),
        st.sets(st.sampled_from(ARMS)),
        st.lists(st.floats(-3, 3), min_size=6, max_size=6),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=25, deadline=None)
@given(presses, st.sampled_from(["switch", "blend", "ensemble"]))
def test_whatever_a_person_does_in_front_of_a_policy_the_limits_hold(steps, seam):
    rig = Rig(seam=seam)
    rig.policy_runs()
    for ticks, arms, twist, alive in steps:
        rig.press(*arms)
        rig.alive = alive
        for arm in ARMS:
            rig.move(arm, twist)
        rig.tick(ticks)
    check_steps(rig.targets)
    driven = {target.driver for target in rig.targets}
    assert driven <= {"", "test", "teleop/twist"}
