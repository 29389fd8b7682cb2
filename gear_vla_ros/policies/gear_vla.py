"""The network as a policy: observations to its arrays, its arrays to chunks of poses."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts import (
    VIEW_ROLES,
    ActionChunk,
    ArmChunk,
    ArmState,
    Instruction,
    KvCache,
    LatentAction,
    Observation,
    RobotState,
    SceneObject,
)
from gear_vla_ros.engines.arrays import action_numbers, arm_chunk, slow_input, state_input
from gear_vla_ros.engines.engine import SlowInput
from gear_vla_ros.engines.opening import open_engine
from gear_vla_ros.policies.options import PolicyOptions
from gear_vla_ros.settings import RobotSpec

WARM_UP_TEXT = "warm up"


class GearVlaPolicy:
    """`think` reads views, state and sentence; `act` integrates the flow from fresh state and the latents' K/V."""

    def __init__(self, spec: RobotSpec, options: PolicyOptions | None = None) -> None:
        """Raises FileNotFoundError or ValueError when the bundle or checkpoint cannot be used for the robot."""
        self._spec, self._options = spec, options or PolicyOptions()
        chosen = self._options
        opened = open_engine(chosen.checkpoint, spec.name, chosen.seed, chosen.backend, chosen.paths)
        self._engine = opened.engine
        self._about = {"engine": self._engine.about, "engines refused": "; ".join(opened.refused) or "none"}
        embodiment, known = spec.state_projector.embodiment, self._engine.spec.embodiments
        if embodiment not in known:
            raise ValueError(f"state_projector.embodiment: '{embodiment}', the network knows {', '.join(known)}")
        for arm in spec.arms:
            if len(arm.joints) != known[embodiment]:
                found = f"{len(arm.joints)} joints, the network's '{embodiment}' has {known[embodiment]}"
                raise ValueError(f"robot {spec.name}: arms.{arm.name}: {found}")
        self._thoughts = self._acts = 0

    @property
    def model_id(self) -> str:
        """Of weights, sizes and robot."""
        return f"gear_vla-{self._engine.spec.name}-{self._engine.fingerprint}-{self._spec.name}"

    @property
    def about(self) -> Mapping[str, str]:
        """The engine that runs, and why not another."""
        return self._about

    def accepts(self, instruction: Instruction, scene: Mapping[str, SceneObject] | None = None) -> None:
        """Any sentence that fits. Raises ValueError."""
        self._engine.accepts(instruction.text)

    def think(self, observation: Observation) -> LatentAction:
        """Slow pass. Raises ValueError without the head view, or with arms that are not the robot's."""
        made = self._engine.think(slow_input(observation, self._spec, self._engine.spec))
        self._thoughts += 1
        return LatentAction(
            stamp_ns=observation.stamp_ns,
            sequence=self._thoughts,
            model_id=self.model_id,
            instruction_id=observation.instruction.id,
            ids=made.ids,
            cache=made.cache,
            anchors={arm: state.base_T_tcp for arm, state in observation.state.arms.items()},
            latency_ns=made.latency_ns,
        )

    def act(
        self, latents: LatentAction, state: RobotState, under_way: Mapping[str, ArmChunk] | None = None
    ) -> ActionChunk:
        """Fast pass: a chunk anchored at `state`. The flow's noise is drawn from the seed, the instruction and both
        stamps: the same input gives the same chunk, and evaluated episodes do not share theirs.

        Raises ValueError on foreign latents or other arms.
        """
        if latents.model_id != self.model_id:
            raise ValueError(f"latents.model_id: '{latents.model_id}', allowed '{self.model_id}'")
        model = self._engine.spec
        random = np.random.default_rng((self._options.seed, latents.instruction_id, latents.stamp_ns, state.stamp_ns))
        noise = random.standard_normal((model.expert.steps, model.action_numbers), dtype=np.float32)
        prefix = action_numbers(under_way) if under_way else None
        given = state_input(state.arms, self._spec, model)
        actions = self._engine.act(latents.cache, given, noise, prefix).astype(np.float64)
        self._acts += 1
        return ActionChunk(
            stamp_ns=state.stamp_ns,
            sequence=self._acts,
            model_id=self.model_id,
            instruction_id=latents.instruction_id,
            latent_sequence=latents.sequence,
            arms={arm: arm_chunk(actions, arm, at.base_T_tcp) for arm, at in state.arms.items()},
            rate_hz=model.expert.rate_hz,
        )

    def warm_up(self) -> None:
        """One pass of each path that will be called, on grey pictures and the home posture."""
        model = self._engine.spec
        state = state_input({arm.name: _home(np.array(arm.home)) for arm in self._spec.arms}, self._spec, model)
        if "slow" in self._options.paths:
            views = np.full((len(VIEW_ROLES), model.view_size, model.view_size, 3), 127, np.uint8)
            self._engine.think(SlowInput(views, np.ones(len(VIEW_ROLES), bool), state, WARM_UP_TEXT))
        if "fast" in self._options.paths:
            language = model.language
            keys = np.zeros((language.depth, language.kv_heads, model.latents.tokens, language.head_dim), np.float32)
            noise = np.zeros((model.expert.steps, model.action_numbers), np.float32)
            self._engine.act(KvCache(keys, keys), state, noise)

    def close(self) -> None:
        """Release the network."""
        self._engine.close()


def _home(q: NDArray[np.float64]) -> ArmState:
    return ArmState(np.eye(4), q, np.zeros_like(q), 1.0)
