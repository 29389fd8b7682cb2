"""A policy is two calls: a slow one that thinks and a fast one that acts on the newest thought."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from gear_vla_ros.contracts.action import ActionChunk, ArmChunk
from gear_vla_ros.contracts.latent import LatentAction
from gear_vla_ros.contracts.observation import Instruction, Observation, RobotState, SceneObject


@runtime_checkable
class Policy(Protocol):
    """The slow/fast contract. `think` and `act` may run in two processes, each with its own instance.

    One instance is called from one thread; only `accepts`, which changes nothing, may come from another meanwhile.
    Everything `act` needs from `think` is inside the `LatentAction`.
    """

    @property
    def model_id(self) -> str:
        """Identifies weights and configuration; latents of another id are refused."""
        ...

    @property
    def about(self) -> Mapping[str, str]:
        """Facts about it for diagnostics, by name."""
        ...

    def accepts(self, instruction: Instruction, scene: Mapping[str, SceneObject] | None = None) -> None:
        """Return if the policy can follow the instruction, else raise `ValueError` saying what it can follow.

        scene: ground truth by object name, where a simulator tells it.
        """
        ...

    def think(self, observation: Observation) -> LatentAction:
        """Slow pass (1-10 Hz). Anchors are the observation's tool poses. Raises `ValueError` on an observation it
        cannot use."""
        ...

    def act(
        self, latents: LatentAction, state: RobotState, under_way: Mapping[str, ArmChunk] | None = None
    ) -> ActionChunk:
        """Fast pass: a chunk anchored at the tool poses of `state`, stamped with its capture time.

        under_way: the first steps of the chunk by arm, anchored at `state` too, that run anyway while it is made; a
        policy that can use them gives them back as they are, another may ignore them. Raises `ValueError` on latents
        of another model or arms that do not match.
        """
        ...

    def warm_up(self) -> None:
        """Do everything that makes a first call slow. Called before the first `think` or `act`."""
        ...

    def close(self) -> None:
        """Release what was acquired; further calls are not made."""
        ...
