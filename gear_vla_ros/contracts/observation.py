"""What the robot sees and feels at one capture time, and what it was told to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts import checks
from gear_vla_ros.contracts.checks import ContractError

ViewRole = Literal["head", "left_wrist", "right_wrist"]
VIEW_ROLES: tuple[ViewRole, ...] = get_args(ViewRole)
INSTRUCTION_KINDS = ("language", "mask_guided")
MAX_INSTRUCTION_CHARACTERS = 500


@dataclass(frozen=True)
class Instruction:
    """One sentence that says what to do.

    `id` grows by one with every accepted instruction; latents and chunks carry it, so that those of an older
    instruction are refused. `kind` is `language`, or `mask_guided` for the prompts of the paper's Appendix F.
    """

    id: int
    text: str
    kind: str = "language"

    def __post_init__(self) -> None:
        if self.kind not in INSTRUCTION_KINDS:
            raise ContractError(f"instruction.kind: '{self.kind}', allowed {', '.join(INSTRUCTION_KINDS)}")
        if not self.text.strip():
            raise ContractError("instruction.text: empty, allowed is one sentence, as 'pick up the red cube'")
        if len(self.text) > MAX_INSTRUCTION_CHARACTERS:
            raise ContractError(
                f"instruction.text: {len(self.text)} characters, allowed {MAX_INSTRUCTION_CHARACTERS} at most"
            )


@dataclass(frozen=True)
class ArmState:
    """Proprioception of one arm: s = {T_ee, q} (paper, 3.3) and the gripper.

    base_T_tcp: `[4, 4]`, tool pose in the arm's base frame. q: `[n]` rad. dq: `[n]` rad/s. gripper: 0 closed, 1 open.
    """

    base_T_tcp: NDArray[np.float64]
    q: NDArray[np.float64]
    dq: NDArray[np.float64]
    gripper: float

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "base_T_tcp", checks.transform("arm.base_T_tcp", self.base_T_tcp))
        set_(self, "q", checks.array("arm.q", self.q, (None,)))
        set_(self, "dq", checks.array("arm.dq", self.dq, (len(self.q),)))
        checks.unit_interval("arm.gripper", np.float64(self.gripper), ())  # type: ignore[arg-type]


@dataclass(frozen=True)
class RobotState:
    """All arms at one capture time."""

    stamp_ns: int
    arms: Mapping[str, ArmState]

    def __post_init__(self) -> None:
        checks.positive_stamp("state.stamp_ns", self.stamp_ns)
        object.__setattr__(self, "arms", checks.frozen("state.arms", self.arms))


@dataclass(frozen=True)
class SceneObject:
    """What the simulator knows about one object, for scripted experts; no real robot has it.

    world_T_object: `[4, 4]`. size: full extents `[3]` along the object's axes [m]. colour: a plain word, as `red`.
    """

    name: str
    world_T_object: NDArray[np.float64]
    size: NDArray[np.float64]
    colour: str

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "world_T_object", checks.transform(f"{self.name}.world_T_object", self.world_T_object))
        set_(self, "size", checks.array(f"{self.name}.size", self.size, (3,)))


@dataclass(frozen=True)
class Observation:
    """Synchronised views and state at one capture time, with the instruction in force.

    images: uint8 RGB `[height, width, 3]` by view role; roles the robot lacks are absent, never filled in.
    state: interpolated to `stamp_ns`. skew_ns: greatest distance of any input's stamp from `stamp_ns`.
    scene: ground truth by object name in simulation, else None.
    """

    stamp_ns: int
    images: Mapping[ViewRole, NDArray[np.uint8]]
    state: RobotState
    instruction: Instruction
    skew_ns: int = 0
    scene: Mapping[str, SceneObject] | None = field(default=None)

    def __post_init__(self) -> None:
        checks.positive_stamp("observation.stamp_ns", self.stamp_ns)
        for role, image in self.images.items():
            if role not in VIEW_ROLES:
                raise ContractError(f"observation.images: role '{role}', allowed {', '.join(VIEW_ROLES)}")
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
                raise ContractError(
                    f"observation.images.{role}: {image.dtype} {list(image.shape)}, "
                    "allowed uint8 [height, width, 3] RGB"
                )
        object.__setattr__(self, "images", checks.frozen("observation.images", self.images))  # type: ignore[arg-type]
