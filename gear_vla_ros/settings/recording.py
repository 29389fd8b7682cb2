"""How a camera's pictures are kept in episodes."""

from typing import Literal

from pydantic import Field

from gear_vla_ros.settings.loading import Spec

PictureCompression = Literal["none", "jpeg", "png", "h264", "driver"]


class RecordSpec(Spec):
    """One camera's pictures in episodes; what the policy sees is never compressed."""

    compression: PictureCompression = "none"
    """none: as they came. jpeg, png (which loses nothing), h264: by the recorder. driver: what it publishes itself."""
    jpeg_quality: int = Field(default=90, ge=1, le=100)
    """Of jpeg; higher is better and larger."""
    h264_crf: int = Field(default=20, ge=0, le=51)
    """Constant rate factor of h264; lower is better and larger."""
