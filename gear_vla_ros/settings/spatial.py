"""Sizes of the spatial encoder: VGGT's aggregator (Wang et al. 2025, arXiv 2503.11651)."""

from pydantic import Field, model_validator

from gear_vla_ros.settings.loading import Spec


class SpatialSpec(Spec):
    """The defaults are those of the published VGGT-1B."""

    patch_size: int = Field(default=14, ge=1, le=64)
    trained_size: int = Field(default=518, ge=1)
    """Side [pixel] of the images that the position embedding was trained for; other sizes interpolate it."""
    view_size: int = Field(default=448, ge=1)
    """Side [pixel] of the views that GEAR-VLA gives it."""
    width: int = Field(default=1024, ge=8)
    heads: int = Field(default=16, ge=1)
    encoder_depth: int = Field(default=24, ge=1)
    """Layers of the DINOv2 encoder that embeds the patches."""
    depth: int = Field(default=24, ge=1)
    """Pairs of frame attention and global attention."""
    mlp_ratio: int = Field(default=4, ge=1)
    registers: int = Field(default=4, ge=1)
    rope_frequency: float = Field(default=100.0, gt=1)
    layer_scale: float = Field(default=0.01, gt=0)

    @model_validator(mode="after")
    def _sizes_fit(self) -> "SpatialSpec":
        if self.width % (4 * self.heads):
            raise ValueError(f"width {self.width} is not a multiple of 4 x heads = {4 * self.heads} (2D rotation)")
        for name in ("trained_size", "view_size"):
            if (size := getattr(self, name)) % self.patch_size:
                raise ValueError(f"{name} {size} is not a multiple of patch_size {self.patch_size}")
        return self

    @property
    def output_width(self) -> int:
        """Width of a token that leaves the aggregator: frame part and global part."""
        return 2 * self.width

    @property
    def patches_per_view(self) -> int:
        """Tokens of one view."""
        return int((self.view_size // self.patch_size) ** 2)

    @classmethod
    def vggt_1b(cls) -> "SpatialSpec":
        """The published weights' sizes."""
        return cls()

    @classmethod
    def tiny(cls) -> "SpatialSpec":
        """For tests and for a pipeline without weights; milliseconds on a CPU."""
        return cls(trained_size=56, view_size=56, width=32, heads=2, encoder_depth=2, depth=2, registers=2)
