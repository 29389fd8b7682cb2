"""Policies by name, loaded when they are asked for."""

import subprocess
import sys

import pytest

from gear_vla_ros.contracts import Policy
from gear_vla_ros.policies.options import PolicyOptions
from gear_vla_ros.policies.registry import make_policy, policy_names
from gear_vla_ros.settings import load_robot


def test_expert_by_name():
    policy = make_policy("expert", load_robot("franka"), PolicyOptions(seed=3))
    assert isinstance(policy, Policy)
    assert policy_names() == ("expert", "gear_vla")


def test_a_wrong_name_is_answered_with_the_right_one():
    with pytest.raises(ValueError, match=r"policy: found 'expart'; did you mean 'expert'\?; allowed expert, gear_vla"):
        make_policy("expart", load_robot("franka"))


def test_names_load_neither_torch_nor_mujoco():
    code = "import sys, gear_vla_ros.policies.registry; print({'torch', 'mujoco', 'pinocchio'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "set()"
