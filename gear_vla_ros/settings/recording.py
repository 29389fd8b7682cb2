"""How a camera's pictures are kept in episodes."""

from typing import Literal

from pydantic import Field

from gear_vla_ros.settings.loading import Spec

PictureCompression = Literal["none", "jpeg", "png", "h264", "driver"]


class RecordSpec(Spec):
    """One camera's pictures in episodes; what the policy sees is never compressed."""

    compression: PictureCompression = "none"
    """none: as they came. jpeg, png, h264: by the recorder. driver: `<topic>/compressed` of the driver itself."""
    jpeg_quality: int = Field(default=90, ge=1, le=100)
    """Of jpeg; higher is better and larger."""
    png_level: int = Field(default=1, ge=0, le=9)
    """Of png, which loses nothing; higher is smaller and slower."""
    h264_crf: int = Field(default=20, ge=0, le=51)
    """Constant rate factor of h264; lower is better and larger."""
