"""Which weights a stage of training moves (paper, 3.2, 3.4 and Table 3)."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from gear_vla_ros.model.gear_vla import GearVla
from gear_vla_ros.settings.training import TrainingSpec

FROZEN = "qwen.model.visual."
"""The 2D tower learns in no stage (paper, 3.2)."""
CONVOLUTIONS = f"{FROZEN}patch_embed.convolutions."
NEVER_USED = "spatial.patch_embed.mask_token"


@dataclass(frozen=True)
class Group:
    """The trainable weights of one part, by name."""

    part: str
    weights: dict[str, nn.Parameter]

    @property
    def numbers(self) -> int:
        """How many numbers are trained."""
        return sum(weight.numel() for weight in self.weights.values())


def choose(model: GearVla, training: TrainingSpec) -> list[Group]:
    """Set `requires_grad` of every weight for the stage; the trainable ones, by part.

    Raises ValueError for an embodiment that the network has no state projector for.
    """
    if training.embodiment is not None and training.embodiment not in model.state.by_embodiment:
        known = ", ".join(model.state.by_embodiment)
        raise ValueError(f"embodiment: '{training.embodiment}' has no state projector; there are {known}")
    groups: dict[str, dict[str, nn.Parameter]] = {}
    for name, weight in model.named_parameters():
        weight.requires_grad_(_learns(name, training))
        if weight.requires_grad:
            groups.setdefault(name.split(".")[0], {})[name] = weight
    return [Group(part, weights) for part, weights in groups.items()]


def for_optimiser(groups: list[Group], training: TrainingSpec) -> Iterator[dict[str, object]]:
    """Parameter groups of torch's optimisers."""
    for group in groups:
        yield {
            "params": list(group.weights.values()),
            "name": group.part,
            "lr": training.learning_rate,
            "weight_decay": training.weight_decay,
        }


def describe(groups: list[Group]) -> str:
    """One line: what is trained."""
    parts = ", ".join(f"{group.part} {group.numbers / 1e6:.3f} M" for group in groups)
    return f"{sum(group.numbers for group in groups) / 1e6:.3f} M numbers are trained: {parts}"


def _learns(name: str, training: TrainingSpec) -> bool:
    if training.stage == "new_projector":
        return name.startswith(f"state.by_embodiment.{training.embodiment}.")
    if training.stage == "convolutional_stem":
        return name.startswith(CONVOLUTIONS)
    if (name.startswith(FROZEN) and not training.from_nothing) or name == NEVER_USED:
        return False
    return training.stage != "embodied_pretraining" or not name.startswith("expert.")
