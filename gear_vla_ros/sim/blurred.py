"""A world that a policy sees only roughly: what the scripted expert does with it tells whether it can be imitated."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from gear_vla_ros.contracts import (
    ActionChunk,
    ArmChunk,
    Instruction,
    LatentAction,
    Observation,
    Policy,
    RobotState,
    SceneObject,
)


class Blurred:
    """A policy whose ground truth is off: every object's middle anew at each thought, normal, `blur_m` in each axis."""

    def __init__(self, policy: Policy, blur_m: float, seed: int) -> None:
        self._policy, self._blur_m, self._random = policy, blur_m, np.random.default_rng(seed)

    @property
    def model_id(self) -> str:
        """That of the policy."""
        return self._policy.model_id

    @property
    def about(self) -> Mapping[str, str]:
        """That of the policy, and the blur."""
        return {**self._policy.about, "blur_m": f"{self._blur_m:g}"}

    def accepts(self, instruction: Instruction, scene: Mapping[str, SceneObject] | None = None) -> None:
        """As the policy."""
        self._policy.accepts(instruction, scene)

    def think(self, observation: Observation) -> LatentAction:
        """As the policy, of objects that seem to be elsewhere."""
        scene = {name: self._moved(thing) for name, thing in (observation.scene or {}).items()}
        return self._policy.think(dataclasses.replace(observation, scene=scene))

    def act(
        self, latents: LatentAction, state: RobotState, under_way: Mapping[str, ArmChunk] | None = None
    ) -> ActionChunk:
        """As the policy."""
        return self._policy.act(latents, state, under_way)

    def warm_up(self) -> None:
        """As the policy."""
        self._policy.warm_up()

    def close(self) -> None:
        """As the policy."""
        self._policy.close()

    def _moved(self, thing: SceneObject) -> SceneObject:
        world_T_object = thing.world_T_object.copy()
        world_T_object[:3, 3] += self._random.normal(0.0, self._blur_m, 3)
        return dataclasses.replace(thing, world_T_object=world_T_object)
