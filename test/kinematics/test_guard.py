"""Slowing down for the other arm, the body, joint limits and joint speeds."""

import dataclasses

import numpy as np
import pytest

from gear_vla_ros.contracts import ArmState, Grade, RobotState
from gear_vla_ros.kinematics.differential_ik import DifferentialIk
from gear_vla_ros.kinematics.guard import SLOWEST, Guard
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.runtime.safety import SafetyFilter
from gear_vla_ros.runtime.track import Desired
from gear_vla_ros.settings import load_robot, robot_names
from gear_vla_ros.settings.guard import GuardSpec

SLOW_M, STOP_M = 0.25, 0.04


def at(model, **joints):
    arms = {}
    for arm in model.spec.arms:
        q = np.array(joints.get(arm.name, arm.home), dtype=float)
        arms[arm.name] = ArmState(model.fk(arm.name, q), q, np.zeros_like(q), 1.0)
    return RobotState(10**9, arms)


def twist(*linear):
    return np.array([*linear, 0.0, 0.0, 0.0])


@pytest.fixture(scope="module")
def agilex():
    model = RobotModel(load_robot("agilex"))
    return model, Guard(model, GuardSpec(slow_m=SLOW_M, stop_m=STOP_M))


@pytest.mark.parametrize("robot", robot_names())
def test_at_home_no_slow_motion_is_held_up(robot):
    model = RobotModel(load_robot(robot))
    guard = Guard(model, model.spec.guard)
    state = at(model)
    assert closest(guard, state) > 0.2
    for direction in [*np.eye(6), *-np.eye(6)]:
        verdicts = guard(state, {arm: 0.02 * direction for arm in state.arms})
        assert min(share for share, _ in verdicts.values()) > 0.9


def turned(model, angle):
    """Both arms turned towards each other about their first joint."""
    joints = {arm.name: np.array(arm.home) for arm in model.spec.arms}
    joints["left"][0] -= angle
    joints["right"][0] += angle
    return at(model, **joints)


def closest(guard, state):
    return min((near.distance_m for near in guard.near(state)), default=np.inf)


def near_state(model, guard, wanted_m):
    """Turned until the arms are that near, and the directions in which each goes to the other."""
    low, high = 0.0, 1.2
    for _ in range(30):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if closest(guard, turned(model, middle)) > wanted_m else (low, middle)
    return turned(model, low)


def test_an_arm_slows_towards_the_other_and_not_away_from_it(agilex):
    model, guard = agilex
    state = near_state(model, guard, 0.06)
    towards = {"left": twist(0, -0.1, 0), "right": twist(0, 0.1, 0)}
    lag_s = model.spec.arms[0].safety.linear_lag_s
    expected = np.sqrt((closest(guard, state) - STOP_M - 2 * 0.1 * lag_s) / (SLOW_M - STOP_M))
    for share, cause in guard(state, towards).values():
        assert share == pytest.approx(expected, abs=0.02) and cause == "near"
    back = {name: -value for name, value in towards.items()}
    assert min(share for share, _ in guard(state, back).values()) > 0.9
    mixed = guard(state, {"left": towards["left"], "right": back["right"]})
    assert guard(state, towards)["left"][0] < mixed["left"][0] < 0.5 and mixed["left"][1] == "near"
    assert mixed["right"][0] > 0.9


def test_the_nearer_the_slower_until_it_stops(agilex):
    model, guard = agilex
    towards = {"left": twist(0, -0.1, 0), "right": twist(0, 0.1, 0)}
    shares = [guard(near_state(model, guard, d), towards)["left"][0] for d in (0.2, 0.12, 0.07, 0.04)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == pytest.approx(0.0, abs=0.05)


def test_shapes_that_touch_still_may_part(agilex):
    model, guard = agilex
    state = turned(model, 0.9)
    assert closest(guard, state) <= 0.0
    verdicts = guard(state, {"left": twist(0, -0.1, 0), "right": twist(0, 0.1, 0)})
    assert verdicts["left"] == verdicts["right"] == (0.0, "near")


def test_a_joint_near_its_limit_goes_slowly_into_it_and_freely_out_of_it():
    model = RobotModel(load_robot("franka"))
    guard = Guard(model, model.spec.guard)
    q = np.array(model.spec.arms[0].home)
    q[0] = model.limits("right").upper[0] - 0.02
    state = at(model, right=q)
    spin = model.jacobian("right", q)[:, 0]
    share, cause = guard(state, {"right": 0.1 * spin})["right"]
    assert cause == "joint_limit" and SLOWEST <= share <= 0.25
    assert guard(state, {"right": -0.1 * spin})["right"][1] != "joint_limit"


def test_a_stretched_arm_goes_as_fast_as_its_joints_can():
    model = RobotModel(load_robot("franka"))
    guard = Guard(model, model.spec.guard)
    q = np.array(model.spec.arms[0].home)
    q[1], q[3] = 0.3, -0.12
    share, cause = guard(at(model, right=q), {"right": twist(0.3, 0.0, 0.3)})["right"]
    assert cause == "joint_speed" and SLOWEST <= share < 1.0
    faster, _ = guard(at(model, right=q), {"right": twist(0.36, 0.0, 0.36)})["right"]
    assert faster == pytest.approx(share, rel=1e-6), "the speed that joints allow does not depend on the wanted one"
    assert guard(at(model, right=q), {"right": twist(0.003, 0.0, 0.003)})["right"] == (1.0, "")


def test_distances_are_those_of_the_shapes(agilex):
    """Boxes of both gripper bases, by their own measured places."""
    model, guard = agilex
    state = near_state(model, guard, 0.10)
    nearest = min(guard.near(state), key=lambda near: near.distance_m)
    assert set(nearest.arms) == {"left", "right"}
    assert np.linalg.norm(nearest.points[0] - nearest.points[1]) == pytest.approx(nearest.distance_m, abs=1e-4)
    assert dataclasses.asdict(nearest)["distance_m"] == pytest.approx(0.10, abs=0.01)


class Closed:
    """Filter, guard and IK in a loop with joints that follow one tick late."""

    def __init__(self, robot):
        self.model = RobotModel(load_robot(robot))
        self.guard = Guard(self.model, self.model.spec.guard)
        self.ik = DifferentialIk(self.model)
        self.filter = SafetyFilter(self.model.spec, guard=self.guard)
        self.q = {arm.name: np.array(arm.home) for arm in self.model.spec.arms}
        self.filter.start(at(self.model, **self.q))
        self.causes = set()

    def go(self, goals, seconds):
        """Towards world points by arm; the least distance on the way."""
        least, dt = np.inf, 1 / 30
        wanted = {}
        for name, xyz in goals.items():
            pose = self.model.fk(name, self.q[name]).copy()
            world_T_base = self.model.world_T_base(name)
            pose[:3, 3] = world_T_base[:3, :3].T @ (np.array(xyz) - world_T_base[:3, 3])
            wanted[name] = Desired(pose, np.zeros(6), 1.0)
        for _ in range(round(seconds / dt)):
            state = at(self.model, **self.q)
            self.filter.measured(state)
            least = min(least, closest(self.guard, state))
            targets, causes = self.filter.step(wanted, Grade.FULL, dt)
            self.causes |= set(causes)
            for _ in range(3):
                self.q = dict(self.ik.step(self.q, {n: t.base_T_tcp for n, t in targets.items()}, dt / 3).q)
        return least


@pytest.mark.parametrize("robot", ["agilex", "ldt01"])
def test_two_arms_that_are_sent_to_one_point_stop_apart_and_go_back(robot):
    loop = Closed(robot)
    tools = {
        a.name: loop.model.world_T_base(a.name) @ loop.model.fk(a.name, loop.q[a.name]) for a in loop.model.spec.arms
    }
    middle = sum(tool[:3, 3] for tool in tools.values()) / 2
    least = loop.go(dict.fromkeys(tools, middle), 4.0)
    assert {"near_left", "near_right"} <= loop.causes
    assert 0.5 * STOP_M < least < SLOW_M
    loop.go({name: tool[:3, 3] for name, tool in tools.items()}, 4.0)
    assert closest(loop.guard, at(loop.model, **loop.q)) > least
    for name, tool in tools.items():
        back = loop.model.world_T_base(name) @ loop.model.fk(name, loop.q[name])
        assert np.linalg.norm(back[:3, 3] - tool[:3, 3]) < 0.02
