"""One step at a time, as ik_node calls it."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from robots import NAMES, home, model_of, near_home, within_limits

from gear_vla_ros.geometry import se3
from gear_vla_ros.kinematics.differential_ik import DifferentialIk

DT = 0.01
SLACK = 1e-9


def follow(ik, q, targets, steps):
    """The results of `steps` steps towards fixed targets."""
    results = []
    for _ in range(steps):
        results.append(ik.step(q, targets, DT))
        q = results[-1].q
    return results


def assert_within_limits(model, before, after, dt=DT):
    for arm in after:
        limits = model.limits(arm)
        assert np.all(after[arm] >= limits.lower) and np.all(after[arm] <= limits.upper)
        assert np.all(np.abs(after[arm] - before[arm]) <= limits.velocity * dt + SLACK)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_reaches_every_arm_s_pose(name, data):
    model = model_of(name)
    goal = data.draw(near_home(model, 0.7))
    targets = {arm: model.fk(arm, q) for arm, q in goal.items()}
    last = follow(DifferentialIk(model), home(model), targets, 400)[-1]
    assert last.position_error_m < 1e-4 and last.rotation_error_rad < 1e-3
    assert last.limited == ()
    for arm, joints in last.q.items():
        assert np.allclose(model.fk(arm, joints), targets[arm], atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_target_from_any_joints_stays_within_position_and_velocity_limits(name, data):
    model = model_of(name)
    ik = DifferentialIk(model)
    q = {arm.name: data.draw(within_limits(model, arm.name, 0.99)) for arm in model.spec.arms}
    numbers = st.lists(st.floats(-2, 2), min_size=6, max_size=6)
    targets = {arm: se3.exp(np.array(data.draw(numbers))) for arm in q}
    for result in follow(ik, q, targets, 20):
        assert_within_limits(model, q, result.q)
        assert np.isfinite([result.position_error_m, result.rotation_error_rad]).all()
        q = result.q


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("direction", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (-1, 0, 0), (1, -1, 1)])
@pytest.mark.parametrize("metres", [0.8, 3.0])
def test_comes_to_rest_at_the_nearest_pose_of_a_target_out_of_reach(name, direction, metres):
    model = model_of(name)
    q = home(model)
    away = np.array(direction) / np.linalg.norm(direction) * metres
    targets = {arm: _moved(model.fk(arm, q[arm]), away) for arm in q}
    results = follow(DifferentialIk(model), q, targets, 900)
    steps = [np.abs(b.q[arm] - a.q[arm]).max() for a, b in zip(results[-60:], results[-59:], strict=False) for arm in q]
    assert max(steps) < 1e-3, "it still moves"
    assert results[-1].position_error_m < results[0].position_error_m
    if metres > 2:
        assert results[-1].limited == tuple(q)


@pytest.mark.parametrize("name", NAMES)
def test_goes_out_of_reach_and_comes_back_to_the_path(name):
    """A straight line out to 1.5 m and back at 0.5 m/s, through the stretched arm's singularity."""
    model = model_of(name)
    q = home(model)
    ik, start = DifferentialIk(model), {arm: model.fk(arm, q[arm]) for arm in q}
    far_m, speed = 1.5, 0.5
    for tick in range(round(2 * far_m / speed / DT) + 200):
        metres = max(0.0, far_m - abs(far_m - tick * DT * speed))
        result = ik.step(q, {arm: _moved(start[arm], np.array([metres, 0.0, 0.0])) for arm in q}, DT)
        assert_within_limits(model, q, result.q)
        q = result.q
    assert result.position_error_m < 1e-3 and result.rotation_error_rad < 1e-2


@pytest.mark.parametrize("name", NAMES)
def test_follows_a_moving_target_within_a_few_millimetres(name):
    """A circle of 5 cm at 0.25 m/s about home."""
    model = model_of(name)
    q = home(model)
    ik, start = DifferentialIk(model), {arm: model.fk(arm, q[arm]) for arm in q}
    worst = 0.0
    for tick in range(400):
        angle = tick * DT * 0.25 / 0.05
        offset = 0.05 * np.array([np.cos(angle) - 1.0, np.sin(angle), 0.0])
        result = ik.step(q, {arm: _moved(start[arm], offset) for arm in q}, DT)
        worst, q = max(worst, result.position_error_m), result.q
    assert worst < 0.003


@pytest.mark.parametrize("name", ["agilex", "ldt01"])
def test_one_arm_out_of_reach_does_not_hold_up_the_other(name):
    model = model_of(name)
    q = home(model)
    near = _moved(model.fk("right", q["right"]), np.array([0.03, 0.0, 0.03]))
    far = _moved(model.fk("left", q["left"]), np.array([3.0, 0.0, 0.0]))
    last = follow(DifferentialIk(model), q, {"left": far, "right": near}, 100)[-1]
    assert last.limited == ("left",)
    assert np.allclose(model.fk("right", last.q["right"]), near, atol=1e-3)


@pytest.mark.parametrize("name", ["agilex", "ldt01"])
def test_an_arm_without_a_target_does_not_move(name):
    model = model_of(name)
    q = home(model)
    target = _moved(model.fk("right", q["right"]), np.array([0.05, 0.0, 0.0]))
    for result in follow(DifferentialIk(model), q, {"right": target}, 50):
        assert np.array_equal(result.q["left"], q["left"])
    assert np.abs(result.q["right"] - q["right"]).max() > 0.01


@pytest.mark.parametrize("name", NAMES)
def test_joints_measured_beyond_a_limit_are_led_back(name):
    model = model_of(name)
    q = {arm: model.limits(arm).upper + 0.01 for arm in home(model)}
    targets = {arm: model.fk(arm, joints) for arm, joints in home(model).items()}
    result = DifferentialIk(model).step(q, targets, DT)
    for arm, joints in result.q.items():
        assert np.all(joints <= model.limits(arm).upper)


@pytest.mark.parametrize("dt", [0.0, -0.01, float("nan"), float("inf")])
def test_a_step_of_no_time_is_refused(dt):
    model = model_of("franka")
    with pytest.raises(ValueError, match=r"dt is .* s, allowed are positive numbers"):
        DifferentialIk(model).step(home(model), {}, dt)


@pytest.mark.parametrize("dt", [1e-9, 0.01, 1.0])
@pytest.mark.parametrize("metres", [1e-3, 1e3, 1e6])
def test_any_distance_in_any_time_gives_finite_joints_within_limits(metres, dt):
    model = model_of("agilex")
    q = home(model)
    targets = {arm: _moved(model.fk(arm, q[arm]), np.full(3, metres)) for arm in q}
    assert_within_limits(model, q, DifferentialIk(model).step(q, targets, dt).q, dt)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_takes_less_than_a_millisecond(name):
    model = model_of(name)
    ik, q = DifferentialIk(model), home(model)
    targets = {arm: _moved(model.fk(arm, q[arm]), np.array([0.05, 0.05, 0.05])) for arm in q}
    durations = []
    for _ in range(200):
        began = time.perf_counter()
        ik.step(q, targets, DT)
        durations.append(time.perf_counter() - began)
    assert min(durations) < 1e-3


def _moved(base_T_tcp, metres):
    moved = base_T_tcp.copy()
    moved[:3, 3] += metres
    return moved
