"""State projectors: s = {T_ee, q} and the gripper of each arm -> one token an arm (paper, 3.3)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gear_vla_ros.settings.model import ARMS

POSE_NUMBERS = 9


def state_numbers(joints: int) -> int:
    """Numbers of one arm's state: xyz + rot6d, joints, gripper."""
    return POSE_NUMBERS + joints + 1


class StateProjector(nn.Module):
    """Of one embodiment. Both arms share it and are told apart by a learned vector."""

    def __init__(self, joints: int, width: int) -> None:
        super().__init__()
        self.joints = joints
        self.mlp = nn.Sequential(nn.Linear(state_numbers(joints), width), nn.GELU(), nn.Linear(width, width))
        self.arm = nn.Parameter(0.02 * torch.randn(ARMS, width))

    def forward(self, state: Tensor, arm_mask: Tensor) -> Tensor:
        """Tokens [B, A, width] of `state` [B, A, numbers]; whatever a masked arm (`arm_mask` bool [B, A]) holds, NaN
        too, becomes zero."""
        known = torch.where(arm_mask[..., None], state, 0.0)
        tokens: Tensor = self.mlp(known) + self.arm
        return torch.where(arm_mask[..., None], tokens, 0.0)


class StateProjectors(nn.Module):
    """One projector an embodiment id. Adding one changes no other weight."""

    def __init__(self, embodiments: Mapping[str, int], width: int) -> None:
        super().__init__()
        self.width = width
        self.by_embodiment = nn.ModuleDict(
            {name: StateProjector(joints, width) for name, joints in embodiments.items()}
        )

    def add(self, embodiment: str, joints: int) -> StateProjector:
        """A new robot's projector. Raises ValueError if there is one of that name."""
        if embodiment in self.by_embodiment:
            raise ValueError(f"embodiment '{embodiment}' already has a state projector")
        self.by_embodiment[embodiment] = projector = StateProjector(joints, self.width)
        return projector

    def forward(self, embodiment: str, state: Tensor, arm_mask: Tensor) -> Tensor:
        """As `StateProjector`. Raises ValueError for an unknown embodiment or another number of joints."""
        if embodiment not in self.by_embodiment:
            known = ", ".join(self.by_embodiment)
            raise ValueError(f"embodiment '{embodiment}' has no state projector; there are {known}")
        projector = self.by_embodiment[embodiment]
        wanted = (ARMS, state_numbers(projector.joints))  # type: ignore[arg-type]
        if tuple(state.shape[1:]) != wanted:
            raise ValueError(f"state: {list(state.shape)}, allowed [B, {wanted[0]}, {wanted[1]}] for '{embodiment}'")
        tokens: Tensor = projector(state, arm_mask)
        return tokens
