"""Whoever is told what happens in an episode."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts import ActionChunk, CartesianTarget, Instruction, LatentAction
from gear_vla_ros.runtime.status import FollowerStatus
from gear_vla_ros.sim.world import World

Array = NDArray[np.float64]


class Watcher:
    """Told of everything that happens, in the order of time; this one does nothing, and lets no refusal pass."""

    def begun(self, instruction: Instruction, stamp_ns: int) -> None:
        """The first instruction is in force."""

    def instructed(self, instruction: Instruction, stamp_ns: int) -> None:
        """Another one is."""

    def state(self, world: World, stamp_ns: int) -> None:
        """Physics went on by one period of the joint states."""

    def thought(self, latents: LatentAction) -> None:
        """A slow pass."""

    def chunk(self, chunk: ActionChunk) -> None:
        """What the policy wants, also while a disturbance keeps it from being followed."""

    def refused(self, error: ValueError) -> None:
        """The policy could not use its input, or what it made cannot be followed."""
        raise error

    def target(self, target: CartesianTarget, status: FollowerStatus) -> None:
        """A tick of the follower."""

    def command(self, q: Mapping[str, Array], opening: Mapping[str, float], stamp_ns: int) -> None:
        """Set points of all arms [rad] and grippers (0 to 1)."""

    def succeeded(self, line: str, instruction_id: int, stamp_ns: int) -> None:
        """The success predicate holds."""
