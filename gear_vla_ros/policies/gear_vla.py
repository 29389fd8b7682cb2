"""The network as a policy: observations to its arrays, its arrays to chunks of poses."""

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts import (
    VIEW_ROLES,
    ActionChunk,
    ArmChunk,
    ArmState,
    Instruction,
    LatentAction,
    Observation,
    RobotState,
)
from gear_vla_ros.engines.engine import Engine, SlowInput, StateInput
from gear_vla_ros.engines.torch_engine import open_engine
from gear_vla_ros.geometry import se3
from gear_vla_ros.settings import RobotSpec
from gear_vla_ros.settings.model import ARMS, NUMBERS_PER_ARM

SIDES = ("left", "right")
POSE = slice(0, 9)
WARM_UP_TEXT = "warm up"


class GearVlaPolicy:
    """`think` reads views, state and sentence; `act` integrates the flow from fresh state and the latents' K/V."""

    def __init__(self, spec: RobotSpec, checkpoint: str = "", seed: int = 0) -> None:
        """Raises FileNotFoundError or ValueError when the checkpoint cannot be used or does not know the robot."""
        self._spec = spec
        self._engine: Engine = open_engine(checkpoint, seed)
        self._embodiment = spec.state_projector.embodiment
        known = self._engine.spec.embodiments
        if self._embodiment not in known:
            raise ValueError(f"state_projector.embodiment: '{self._embodiment}', the network knows {', '.join(known)}")
        for arm in spec.arms:
            if len(arm.joints) != known[self._embodiment]:
                found = f"{len(arm.joints)} joints, the network's '{self._embodiment}' has {known[self._embodiment]}"
                raise ValueError(f"robot {spec.name}: arms.{arm.name}: {found}")
        self._random = np.random.default_rng(seed)
        self._thoughts = self._acts = 0

    @property
    def model_id(self) -> str:
        """Of weights, sizes and robot."""
        return f"gear_vla-{self._engine.spec.name}-{self._engine.fingerprint}-{self._spec.name}"

    def accepts(self, instruction: Instruction) -> None:
        """Any sentence that fits. Raises ValueError."""
        most = self._engine.spec.max_text_tokens - 1
        if len(instruction.text.encode()) > most and self._engine.spec.tokenizer == "bytes":
            found = f"{len(instruction.text.encode())} bytes"
            raise ValueError(f"instruction.text: {found}, allowed {most} for this network")

    def think(self, observation: Observation) -> LatentAction:
        """Slow pass. Raises ValueError without the head view, or with arms that are not the robot's."""
        if "head" not in observation.images:
            raise ValueError(f"observation.images: {', '.join(observation.images)}; the head view is needed")
        views, present = self._views(observation)
        given = SlowInput(views, present, self._state(observation.state), observation.instruction.text)
        made = self._engine.think(given)
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
        """Fast pass: a chunk anchored at `state`. Raises ValueError on foreign latents or other arms."""
        if latents.model_id != self.model_id:
            raise ValueError(f"latents.model_id: '{latents.model_id}', allowed '{self.model_id}'")
        expert = self._engine.spec.expert
        noise = self._random.standard_normal((expert.steps, ARMS * NUMBERS_PER_ARM), dtype=np.float32)
        prefix = _numbers(under_way) if under_way else None
        actions = self._engine.act(latents.cache, self._state(state), noise, prefix).astype(np.float64)
        self._acts += 1
        return ActionChunk(
            stamp_ns=state.stamp_ns,
            sequence=self._acts,
            model_id=self.model_id,
            instruction_id=latents.instruction_id,
            latent_sequence=latents.sequence,
            arms={arm: _arm_chunk(actions, arm, at.base_T_tcp) for arm, at in state.arms.items()},
            rate_hz=expert.rate_hz,
        )

    def warm_up(self) -> None:
        """One pass of both paths on grey pictures and the home posture."""
        size = self._engine.spec.view_size
        state = self._state_input({arm.name: _home(np.array(arm.home)) for arm in self._spec.arms})
        views = np.full((len(VIEW_ROLES), size, size, 3), 127, np.uint8)
        made = self._engine.think(SlowInput(views, np.ones(len(VIEW_ROLES), bool), state, WARM_UP_TEXT))
        steps = self._engine.spec.expert.steps
        self._engine.act(made.cache, state, np.zeros((steps, ARMS * NUMBERS_PER_ARM), np.float32))

    def close(self) -> None:
        """Release the network."""
        self._engine.close()

    def _views(self, observation: Observation) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        size = self._engine.spec.view_size
        views = np.zeros((len(VIEW_ROLES), size, size, 3), np.uint8)
        present = np.zeros(len(VIEW_ROLES), bool)
        for index, role in enumerate(VIEW_ROLES):
            if role in observation.images:
                views[index], present[index] = letterbox(observation.images[role], size), True
        return views, present

    def _state(self, state: RobotState) -> StateInput:
        wanted = {arm.name for arm in self._spec.arms}
        if set(state.arms) != wanted:
            raise ValueError(f"state.arms: {', '.join(state.arms)}, allowed {', '.join(sorted(wanted))}")
        return self._state_input(state.arms)

    def _state_input(self, arms: Mapping[str, ArmState]) -> StateInput:
        joints = self._engine.spec.embodiments[self._embodiment]
        numbers = np.zeros((ARMS, 9 + joints + 1), np.float32)
        present = np.zeros(ARMS, bool)
        for index, side in enumerate(SIDES):
            if side in arms:
                arm = arms[side]
                if len(arm.q) != joints:
                    raise ValueError(f"state.arms.{side}.q: {len(arm.q)} joints, allowed {joints}")
                numbers[index] = [*se3.to_xyz_rot6d(arm.base_T_tcp), *arm.q, arm.gripper]
                present[index] = True
        return StateInput(self._embodiment, numbers, present)


def letterbox(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """`image` `[H, W, 3]` shrunk or grown to fit `[size, size, 3]`, its shape kept, black bars beside it."""
    height, width = image.shape[:2]
    scale = size / max(height, width)
    new_h, new_w = max(1, round(height * scale)), max(1, round(width * scale))
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    out = np.zeros((size, size, 3), np.uint8)
    top, left = (size - new_h) // 2, (size - new_w) // 2
    shrunk = cv2.resize(np.ascontiguousarray(image), (new_w, new_h), interpolation=kind)
    out[top : top + new_h, left : left + new_w] = shrunk
    return out


def _arm_chunk(actions: NDArray[np.float64], arm: str, base_T_anchor: NDArray[np.float64]) -> ArmChunk:
    """One arm's part of actions `[K, 20]`."""
    first = SIDES.index(arm) * NUMBERS_PER_ARM
    numbers = actions[:, first : first + NUMBERS_PER_ARM]
    return ArmChunk(base_T_anchor, se3.from_xyz_rot6d(numbers[:, POSE]), np.clip(numbers[:, 9], 0.0, 1.0))


def _numbers(arms: Mapping[str, ArmChunk]) -> NDArray[np.float32]:
    """Steps by arm as the network's numbers `[d, 20]`; an arm that is not there is zero."""
    steps = min(len(arm.gripper) for arm in arms.values())
    numbers = np.zeros((steps, ARMS * NUMBERS_PER_ARM), np.float32)
    for name, arm in arms.items():
        first = SIDES.index(name) * NUMBERS_PER_ARM
        numbers[:, first : first + 9] = se3.to_xyz_rot6d(arm.anchor_T_tcp[:steps])
        numbers[:, first + 9] = arm.gripper[:steps]
    return numbers


def _home(q: NDArray[np.float64]) -> ArmState:
    return ArmState(np.eye(4), q, np.zeros_like(q), 1.0)
