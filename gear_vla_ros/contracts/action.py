"""What is to be done: chunks of relative poses, and the targets sampled from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts import checks
from gear_vla_ros.contracts.checks import ContractError

MAX_STEPS = 1000
OPERATOR_PREFIX = "teleop/"
"""Begin of the model_id of chunks that a person makes; the device follows."""


@dataclass(frozen=True)
class ArmChunk:
    """Future tool poses of one arm, all relative to one anchor (paper, eq. 4 and 5).

    base_T_anchor: `[4, 4]`, the tool pose at the chunk's stamp. anchor_T_tcp: `[K, 4, 4]`. gripper: `[K]`, 0 to 1.
    """

    base_T_anchor: NDArray[np.float64]
    anchor_T_tcp: NDArray[np.float64]
    gripper: NDArray[np.float64]

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "base_T_anchor", checks.transform("chunk.base_T_anchor", self.base_T_anchor))
        set_(self, "anchor_T_tcp", checks.transform("chunk.anchor_T_tcp", self.anchor_T_tcp, (None,)))
        set_(self, "gripper", checks.unit_interval("chunk.gripper", self.gripper, (len(self.anchor_T_tcp),)))

    def base_T_tcp(self) -> NDArray[np.float64]:
        """Tool poses `[K, 4, 4]` in the arm's base frame."""
        result: NDArray[np.float64] = self.base_T_anchor @ self.anchor_T_tcp
        return result


@dataclass(frozen=True)
class ActionChunk:
    """One second of motion: step i (1..K) is due at `stamp_ns` + i / `rate_hz`.

    stamp_ns: capture time of the anchor. model_id: the policy, or `teleop/<device>` for a person. latent_sequence: the
    latents it was made from. produced_ns: when it was done.
    """

    stamp_ns: int
    sequence: int
    model_id: str
    instruction_id: int
    latent_sequence: int
    arms: Mapping[str, ArmChunk]
    rate_hz: float = 30.0
    produced_ns: int = 0

    def __post_init__(self) -> None:
        checks.positive_stamp("chunk.stamp_ns", self.stamp_ns)
        if not 1.0 <= self.rate_hz <= 1000.0:
            raise ContractError(f"chunk.rate_hz: {self.rate_hz}, allowed 1 to 1000")
        object.__setattr__(self, "arms", checks.frozen("chunk.arms", self.arms))
        lengths = {arm: len(chunk.gripper) for arm, chunk in self.arms.items()}
        if len(set(lengths.values())) != 1 or not 1 <= self.steps <= MAX_STEPS:
            raise ContractError(f"chunk.arms: steps {lengths}, allowed is one length of 1 to {MAX_STEPS} for all arms")

    @property
    def steps(self) -> int:
        """K, the number of steps."""
        return len(next(iter(self.arms.values())).gripper)

    @property
    def by_operator(self) -> bool:
        """Whether a person made it."""
        return self.model_id.startswith(OPERATOR_PREFIX)

    @property
    def end_ns(self) -> int:
        """When the last step is due."""
        return self.stamp_ns + round(self.steps * 1e9 / self.rate_hz)


class Grade(IntEnum):
    """How freely the robot may move; a fault lowers it by degrees."""

    FULL = 0
    SLOW = 1
    HOLD = 2
    STOP = 3


@dataclass(frozen=True)
class ArmTarget:
    """Where one tool is to be now. twist: `[6]`, linear m/s and angular rad/s, in the arm's base frame."""

    base_T_tcp: NDArray[np.float64]
    twist: NDArray[np.float64]
    gripper: float


@dataclass(frozen=True)
class CartesianTarget:
    """One tick's output for all arms, after the safety filter.

    source_stamp_ns, source_sequence: capture time and sequence of the chunk it was sampled from, 0 while holding with
    none. driver: that chunk's model_id, empty while holding with none.
    """

    stamp_ns: int
    sequence: int
    arms: Mapping[str, ArmTarget]
    grade: Grade
    source_stamp_ns: int = 0
    source_sequence: int = 0
    driver: str = ""

    def follows(self, chunk: ActionChunk) -> bool:
        """Whether it was sampled from this chunk."""
        source = self.driver, self.source_sequence, self.source_stamp_ns
        return source == (chunk.model_id, chunk.sequence, chunk.stamp_ns)
