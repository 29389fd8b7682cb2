"""When arms slow down for what is near."""

from pydantic import Field, model_validator

from gear_vla_ros.settings.loading import Spec


class GuardSpec(Spec):
    """When arms slow down for each other, for the body and for their joints. Distances between collision shapes."""

    slow_m: float = Field(default=0.25, gt=0)
    """Distance to the other arm or to the body from which an arm that approaches it slows down."""
    stop_m: float = Field(default=0.04, ge=0)
    """Distance at which it has stopped."""
    joint_margin_rad: float = Field(default=0.1, gt=0, le=1)
    """Distance from a joint limit from which an arm that approaches it slows down."""

    @model_validator(mode="after")
    def _stops_nearer(self) -> "GuardSpec":
        if self.stop_m >= self.slow_m:
            raise ValueError(f"stop_m {self.stop_m} is not below slow_m {self.slow_m}")
        return self
