"""Options of a run that do not belong to a robot."""

from typing import Literal, get_args

from pydantic import Field

from gear_vla_ros.settings.loading import Spec

SeamName = Literal["switch", "blend", "ensemble", "rtc"]
SEAM_NAMES: tuple[str, ...] = get_args(SeamName)


class AskingSpec(Spec):
    """When the fast path makes a chunk, and what it is given."""

    replan_before_end_s: float = Field(default=0.5, ge=0, le=1)
    """A new chunk is made when less than this is left of the last one [s]."""
    rtc_steps_max: int = Field(default=3, ge=1, le=29)
    """Steps of what runs that the policy is given with `rtc`, at most, and not more than in its training: with more,
    chunks join more closely, and what is done was decided earlier (ADR 20)."""


class FollowingSpec(Spec):
    """How chunks are followed."""

    seam: SeamName = "switch"
    """How a new chunk meets the running one: `switch` follows the newest by time, `blend` crosses over to it within
    the window, `ensemble` averages all chunks that cover the present, `rtc` gives the policy what runs meanwhile."""
    seam_window_s: float = Field(default=0.2, gt=0, le=1)
    """How long `blend` and `ensemble` take from one chunk to the next."""
    slow_factor: float = Field(default=0.4, gt=0, le=1)
    """Share of the speed limits at grade SLOW."""
    tracking_error_max_m: float = Field(default=0.10, gt=0, le=1)
    """Distance of a measured tool from its target at which following starts anew from the measured pose."""
    tracking_error_max_rad: float = Field(default=0.5, gt=0, le=3.2)
    """The same for the angle between them."""


class RuntimeSpec(FollowingSpec, AskingSpec):
    """Both, where one process makes chunks and follows them."""
