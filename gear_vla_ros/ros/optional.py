"""Message packages that are only there where the robot's driver is: looked for when they are needed."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from gear_vla_ros.ros.running import StartError


@dataclass(frozen=True)
class Optional:
    """One service or action type of another package. group: srv or action."""

    package: str
    group: str
    name: str

    def load(self, key: str) -> type[Any]:
        """The type. Raises StartError naming the `key` of the robot's YAML that asks for it."""
        try:
            kind: type[Any] = getattr(import_module(f"{self.package}.{self.group}"), self.name)
        except (ImportError, AttributeError) as error:
            what = f"{self.package}/{self.group}/{self.name}"
            raise StartError(
                f"{key} needs {what}, which is not installed ({error}); source the workspace that has {self.package}, "
                f"or install the package of that name for your ROS distribution"
            ) from None
        return kind

    @property
    def shown(self) -> type[Any]:
        """A stand-in with the type's names, for documentation."""
        return type(self.name, (), {"__module__": f"{self.package}.{self.group}"})


GRIPPER_COMMAND = Optional("control_msgs", "action", "GripperCommand")
PIPER_ENABLE = Optional("piper_msgs", "srv", "Enable")
