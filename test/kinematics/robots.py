"""The three robots, loaded once, and random joints within their limits."""

import functools

import numpy as np
from hypothesis import strategies as st

from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.settings import load_robot

NAMES = ("agilex", "franka", "ldt01")


@functools.cache
def model_of(name):
    return RobotModel(load_robot(name))


def home(model):
    return {arm.name: np.array(arm.home) for arm in model.spec.arms}


def within_limits(model, arm, share=1.0):
    """Joints [n] within the middle `share` of their ranges."""
    limits = model.limits(arm)
    middle, half = (limits.lower + limits.upper) / 2, share * (limits.upper - limits.lower) / 2
    unit = st.lists(st.floats(-1, 1), min_size=len(middle), max_size=len(middle))
    return unit.map(lambda values: middle + half * np.array(values))


def near_home(model, radians):
    """Joints by arm, each at most so far from home and at least 0.05 rad from its limits."""

    def joints(arm):
        limits = model.limits(arm.name)
        values = st.lists(st.floats(-radians, radians), min_size=len(arm.home), max_size=len(arm.home))
        return values.map(lambda v: np.clip(np.array(arm.home) + v, limits.lower + 0.05, limits.upper - 0.05))

    return st.fixed_dictionaries({arm.name: joints(arm) for arm in model.spec.arms})
