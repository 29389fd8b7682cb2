"""A learner drives and the expert says what it would do from there, so that data shows states that a learner gets into.

Dataset aggregation (DAgger, Ross et al. 2011): a learner that was only ever shown an expert's own way has nothing to go
by where its mistakes have led it. Here it is followed until a time, then the expert, who ends the episode.
"""

import dataclasses
from collections.abc import Mapping

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
from gear_vla_ros.runtime.under_way import under_way as going_on
from gear_vla_ros.settings import RuntimeSpec

THOUGHTS_A_THOUGHT = 2
"""The learner thinks at every second thought of the expert, as often as it will when it is alone."""


class Taught:
    """The expert as a policy, and, as what disturbs it, the learner. For one episode and one thread.

    learner: needs pictures, so that the episode must have eyes. until_ns: when it is followed no longer. given_s: how
    much of its running chunk the learner is given, from the state on, as with the seam `rtc`; 0 for nothing.
    """

    def __init__(self, expert: Policy, learner: Policy, until_ns: int, given_s: float = 0.0) -> None:
        self._expert, self._learner, self._until_ns, self._given_s = expert, learner, until_ns, given_s
        self._thought: LatentAction | None = None
        self._thoughts = 0
        self._wanted: ActionChunk | None = None

    @property
    def model_id(self) -> str:
        """The expert's."""
        return self._expert.model_id

    @property
    def about(self) -> Mapping[str, str]:
        """Who drives."""
        return {"learner": self._learner.model_id, **self._expert.about}

    def accepts(self, instruction: Instruction, scene: Mapping[str, SceneObject] | None = None) -> None:
        """Raises ValueError unless both can follow it."""
        self._expert.accepts(instruction, scene)
        self._learner.accepts(instruction, scene)

    def think(self, observation: Observation) -> LatentAction:
        """The expert's thought; the learner has one of its own."""
        if observation.stamp_ns < self._until_ns and self._thoughts % THOUGHTS_A_THOUGHT == 0:
            self._thought = self._learner.think(observation)
        self._thoughts += 1
        return self._expert.think(observation)

    def act(
        self, latents: LatentAction, state: RobotState, under_way: Mapping[str, ArmChunk] | None = None
    ) -> ActionChunk:
        """The expert's chunk, the label; the learner makes its own from the same state."""
        running, self._wanted = self._wanted, None
        if self._thought is not None and state.stamp_ns < self._until_ns:
            self._wanted = self._learner.act(self._thought, state, self._given(running, self._thought, state))
        return self._expert.act(latents, state, under_way)

    def _given(
        self, running: ActionChunk | None, thought: LatentAction, state: RobotState
    ) -> Mapping[str, ArmChunk] | None:
        if running is None or running.instruction_id != thought.instruction_id:
            return None
        return going_on(running, state, self._given_s, RuntimeSpec().rtc_steps_max)

    def disturb(self, chunk: ActionChunk, now_ns: int) -> ActionChunk:
        """What the learner wants in place of the expert's chunk from the same state, while it drives."""
        wanted = self._wanted
        if wanted is None or wanted.stamp_ns != chunk.stamp_ns:
            return chunk
        return dataclasses.replace(chunk, arms=wanted.arms)

    def warm_up(self) -> None:
        """Both."""
        self._expert.warm_up()
        self._learner.warm_up()

    def close(self) -> None:
        """Both."""
        self._expert.close()
        self._learner.close()
