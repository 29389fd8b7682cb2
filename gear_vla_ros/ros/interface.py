"""What a node says to others, as data: the node creates its endpoints from it, and the documentation prints it."""

from dataclasses import dataclass
from typing import Any

from rclpy.qos import QoSProfile


@dataclass(frozen=True, eq=False)
class Topic:
    """One topic. A name in angle brackets is a key of the robot's YAML; the node gives the real name."""

    name: str
    type: type[Any]
    qos: QoSProfile
    about: str


@dataclass(frozen=True, eq=False)
class Service:
    """One service, or action."""

    name: str
    type: type[Any]
    about: str


@dataclass(frozen=True)
class Interface:
    """All endpoints of one node beside those every node has (`/diagnostics`, parameters, lifecycle)."""

    publishes: tuple[Topic, ...] = ()
    subscribes: tuple[Topic, ...] = ()
    serves: tuple[Service, ...] = ()
    calls: tuple[Service, ...] = ()
    actions: tuple[Service, ...] = ()


def declared(what: Topic | Service, among: tuple[Topic, ...] | tuple[Service, ...]) -> None:
    """Raises LookupError if an endpoint is used that the node's interface does not name."""
    if not any(what is one for one in among):
        raise LookupError(f"{what.name} is not in the node's INTERFACE; it names {', '.join(o.name for o in among)}")
