"""Who may let a real robot move."""

from typing import Literal

from pydantic import Field

from gear_vla_ros.settings.loading import Spec


class ButtonSpec(Spec):
    """A button that is pressed or not."""

    kind: Literal["joy", "bool"] = "joy"
    """joy: a button of `sensor_msgs/Joy`. bool: true of `std_msgs/Bool`."""
    topic: str = Field(default="/joy", pattern=r"^/?[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*$")
    button: int = Field(default=4, ge=0, le=63)
    """Index in the message's `buttons`; 4 is the left shoulder button of most gamepads."""


class OperatorSpec(ButtonSpec):
    """Hold-to-run: somebody keeps a button pressed for as long as the robot may move. Not asked for in simulation."""

    hold_to_run: bool = True
    """False: a real robot moves with nobody holding anything."""
    timeout_s: float = Field(default=0.3, gt=0, le=2)
    """Longest time without a message; joy_node sends at its `autorepeat_rate` while nothing changes."""
