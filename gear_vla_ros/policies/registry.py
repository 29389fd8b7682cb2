"""Policies by name. Importing this imports none of them: torch and MuJoCo load with the policy that needs them."""

from functools import lru_cache
from importlib import import_module

from gear_vla_ros.contracts import Policy
from gear_vla_ros.policies.options import PolicyOptions
from gear_vla_ros.settings import RobotSpec, load_robot
from gear_vla_ros.settings.errors import did_you_mean

LEARNED = "gear_vla"
"""The policy that has checkpoints."""

_POLICIES = {
    "expert": ("gear_vla_ros.policies.expert", "ExpertPolicy"),
    LEARNED: ("gear_vla_ros.policies.gear_vla", "GearVlaPolicy"),
}


def policy_names() -> tuple[str, ...]:
    """Names that `make_policy` takes."""
    return tuple(_POLICIES)


def check_policy(name: str) -> None:
    """Raises ValueError naming what there is."""
    if name not in _POLICIES:
        raise ValueError(f"policy: found '{name}'{did_you_mean(name, _POLICIES)}; allowed {', '.join(_POLICIES)}")


def check_checkpoint(policy: str, checkpoint: str) -> None:
    """Raises ValueError when one is named that the policy would not use."""
    if checkpoint and policy != LEARNED:
        raise ValueError(f"checkpoint: '{checkpoint}', but policy {policy} has none; say {LEARNED}")


def make_policy(name: str, spec: RobotSpec, options: PolicyOptions | None = None) -> Policy:
    """The policy of that name for a robot.

    Raises ValueError naming what there is; SettingsError or OSError when a bundle or checkpoint cannot be used.
    """
    check_policy(name)
    module, kind = _POLICIES[name]
    policy: Policy = getattr(import_module(module), kind)(spec, options)
    return policy


@lru_cache(maxsize=1)
def kept_policy(name: str, robot: str, options: PolicyOptions) -> Policy:
    """As `make_policy`, warmed up, and kept by the process until it asks for another."""
    policy = make_policy(name, load_robot(robot), options)
    policy.warm_up()
    return policy
