"""What a policy is made with, beside the robot."""

from dataclasses import dataclass

from gear_vla_ros.engines.bundle import BOTH, Paths

NOISE_S = 1.0


@dataclass(frozen=True)
class PolicyOptions:
    """A policy takes what it knows and leaves the rest.

    checkpoint: engine bundle or checkpoint folder. seed: of random weights and of the flow's noise. backend: of the
    engine, or `auto`. paths: those that will be called; a policy may load no more than they need. noise_s: for how long
    a flow begins with the same noise [s], 0 for another one in each chunk.
    """

    checkpoint: str = ""
    seed: int = 0
    backend: str = "auto"
    paths: Paths = BOTH
    noise_s: float = NOISE_S
