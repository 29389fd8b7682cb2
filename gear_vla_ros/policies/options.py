"""What a policy is made with, beside the robot."""

from dataclasses import dataclass

from gear_vla_ros.engines.bundle import BOTH, Paths


@dataclass(frozen=True)
class PolicyOptions:
    """A policy takes what it knows and leaves the rest.

    checkpoint: engine bundle or checkpoint folder. seed: of random weights and of the flow's noise. backend: of the
    engine, or `auto`. paths: those that will be called; a policy may load no more than they need.
    """

    checkpoint: str = ""
    seed: int = 0
    backend: str = "auto"
    paths: Paths = BOTH
