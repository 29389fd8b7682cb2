"""Sizes of a GEAR-VLA network; `config/models/` holds tiny, base and large. One code path for all of them."""

from typing import Literal

from pydantic import Field, model_validator

from gear_vla_ros.settings.loading import Spec, load
from gear_vla_ros.settings.paths import named_file, share_dir
from gear_vla_ros.settings.spatial import SpatialSpec

VIEWS = 3
"""Head, left wrist, right wrist (paper, App. A)."""
ARMS = 2
NUMBERS_PER_ARM = 10
"""xyz, rot6d, gripper."""


class VisionSpec(Spec):
    """Qwen2.5-VL's vision tower."""

    depth: int = Field(ge=1)
    width: int = Field(ge=8)
    heads: int = Field(ge=1)
    mlp_width: int = Field(ge=8)
    patch_size: int = Field(default=14, ge=1)
    window_size: int = Field(default=112, ge=1)
    """Side of an attention window [pixel]."""
    full_attention_layers: tuple[int, ...]
    stem: Literal["linear", "cells"] = "linear"
    """linear: the parent's patch embedding. cells: of small networks without a parent, see `model.tower.CellStem`."""
    convolutions: int = Field(default=0, ge=0)
    """Channels of convolutions beside the cells, see `model.convolutions`; 0: none."""

    @model_validator(mode="after")
    def _convolutions_fit(self) -> "VisionSpec":
        if self.convolutions and (self.stem != "cells" or self.patch_size not in (4, 8, 16, 32)):
            found = f"stem '{self.stem}', patch_size {self.patch_size}"
            raise ValueError(f"convolutions {self.convolutions} with {found}; allowed with cells and 4, 8, 16 or 32")
        return self


class LanguageSpec(Spec):
    """Qwen2.5-VL's language model."""

    depth: int = Field(ge=1)
    width: int = Field(ge=8)
    heads: int = Field(ge=1)
    kv_heads: int = Field(ge=1)
    mlp_width: int = Field(ge=8)
    vocabulary: int = Field(ge=260)
    """Of the parent; latent action and FAST ids are appended."""
    rope_theta: float = Field(default=1e6, gt=1)
    mrope_section: tuple[int, int, int]
    tied: bool = False
    """Whether input and output embeddings are one (3B: yes, 7B: no)."""

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads

    @model_validator(mode="after")
    def _heads_fit(self) -> "LanguageSpec":
        if self.width % self.heads or self.heads % self.kv_heads:
            raise ValueError(f"width {self.width}, heads {self.heads}, kv_heads {self.kv_heads} do not divide")
        if sum(self.mrope_section) * 2 != self.head_dim:
            raise ValueError(f"mrope_section {self.mrope_section} does not add up to half of head_dim {self.head_dim}")
        return self


class LatentsSpec(Spec):
    """Latent action tokens (paper, App. A; five transitions in one second are our reading)."""

    groups: int = Field(default=2, ge=1)
    entries: int = Field(default=8, ge=2)
    codes: int = Field(default=4, ge=1)
    """Ids a transition; position p uses group p % groups."""
    transitions: int = Field(default=5, ge=1)
    decoding: Literal["autoregressive", "parallel"] = "autoregressive"

    @property
    def tokens(self) -> int:
        """Positions in all."""
        return self.codes * self.transitions

    @property
    def ids(self) -> int:
        """Ids in all."""
        return self.groups * self.entries


class ExpertSpec(Spec):
    """The action expert: a DiT trained by flow matching."""

    depth: int = Field(ge=1)
    width: int = Field(ge=8)
    heads: int = Field(ge=1)
    mlp_ratio: int = Field(default=4, ge=1)
    steps: int = Field(default=30, ge=1, le=1000)
    """K, steps of a chunk."""
    rate_hz: float = Field(default=30.0, ge=1, le=1000)
    flow_steps: int = Field(default=10, ge=1, le=1000)
    """Euler steps from noise to action."""


class DroppingSpec(Spec):
    """Probabilities of attention-level modality dropping in training (paper, App. A); the rest drops nothing."""

    wrist: float = Field(default=0.2, ge=0, le=1)
    state: float = Field(default=0.2, ge=0, le=1)
    both: float = Field(default=0.2, ge=0, le=1)

    @model_validator(mode="after")
    def _leaves_some(self) -> "DroppingSpec":
        if self.wrist + self.state + self.both > 1 + 1e-9:
            raise ValueError(f"wrist + state + both is {self.wrist + self.state + self.both:g}, allowed up to 1")
        return self


class ModelSpec(Spec):
    """The whole network."""

    name: str
    tokenizer: Literal["bytes", "words", "qwen"]
    """bytes, words: one id a byte, or a word, for networks that are trained from nothing; qwen: the parent's, from the
    checkpoint."""
    view_size: int = Field(ge=28)
    """Side of the square views [pixel]; 448 in the paper."""
    vision: VisionSpec
    language: LanguageSpec
    spatial: SpatialSpec
    expert: ExpertSpec
    latents: LatentsSpec = LatentsSpec()
    dropping: DroppingSpec = DroppingSpec()
    fast_vocabulary: int = Field(default=1024, ge=0)
    max_text_tokens: int = Field(default=128, ge=1)
    embodiments: dict[str, int]
    """Joints of one arm by embodiment id; each id is a robot's `state_projector.embodiment`."""

    @model_validator(mode="after")
    def _grids_fit(self) -> "ModelSpec":
        if self.view_size % (2 * self.vision.patch_size):
            raise ValueError(
                f"view_size {self.view_size} is not a multiple of two patches ({2 * self.vision.patch_size})"
            )
        if self.spatial.view_size != self.view_size or self.spatial.patch_size != self.vision.patch_size:
            raise ValueError("spatial: view_size and patch_size must be those of the 2D pathway, token for token")
        return self

    @property
    def tokens_per_view(self) -> int:
        """After the 2x2 merge."""
        return int((self.view_size // self.vision.patch_size // 2) ** 2)

    @property
    def fast_id_offset(self) -> int:
        """First of the FAST ids, which stand after the parent's ids and the latent action ids."""
        return self.language.vocabulary + self.latents.ids

    @property
    def vocabulary(self) -> int:
        """All ids."""
        return self.fast_id_offset + self.fast_vocabulary

    @property
    def action_numbers(self) -> int:
        """Numbers of one step of a chunk, both arms."""
        return ARMS * NUMBERS_PER_ARM


def load_model_spec(name_or_path: str) -> ModelSpec:
    """The network of that name in config/models, or of a path that ends in .yaml.

    Raises FileNotFoundError with the names there are, SettingsError naming key, value and what is allowed.
    """
    return load(ModelSpec, named_file(share_dir() / "config" / "models", name_or_path, ".yaml"))
