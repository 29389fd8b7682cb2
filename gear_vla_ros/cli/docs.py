"""README.md's tables of nodes, topics and parameters, written from what the nodes declare."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

from rich.console import Console

import gear_vla_ros.nodes
from gear_vla_ros.ros.interface import Service, Topic
from gear_vla_ros.ros.parameters import ParameterDescription, describe
from gear_vla_ros.ros.qos import name_of

BEGIN, END = "<!-- nodes:begin -->", "<!-- nodes:end -->"


def write(readme: Path, check: bool, console: Console) -> int:
    """Put the tables between the two marks; with `check` only say whether they are there already (0) or not (1)."""
    text = readme.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        console.print(f"{readme.name}: the marks {BEGIN} and {END} must each stand there once", markup=False)
        return 1
    head, rest = text.split(BEGIN)
    wanted = f"{head}{BEGIN}\n{describe_nodes()}{END}{rest.split(END)[1]}"
    if wanted == text:
        console.print(f"{readme.name} is up to date")
        return 0
    if check:
        console.print(f"{readme.name}: its tables differ from the code; run 'gear-vla docs'", markup=False)
        return 1
    readme.write_text(wanted, encoding="utf-8")
    console.print(f"{readme.name} written")
    return 0


def describe_nodes() -> str:
    """Markdown of all nodes, in alphabetical order."""
    names = sorted(m.name for m in pkgutil.iter_modules(gear_vla_ros.nodes.__path__) if m.name.endswith("_node"))
    return "".join(_node(name, import_module(f"gear_vla_ros.nodes.{name}")) for name in names)


def _node(name: str, module: ModuleType) -> str:
    about = (module.__doc__ or "").strip().splitlines()[0]
    interface = module.INTERFACE
    rows = [
        *_topics("publishes", interface.publishes),
        *_topics("subscribes to", interface.subscribes),
        *_services("serves", interface.serves),
        *_services("calls", interface.calls),
        *_services("action", interface.actions),
    ]
    endpoints = ["| | name | type | QoS | |", "| --- | --- | --- | --- | --- |", *rows] if rows else []
    parameters = [
        "| parameter | default | allowed | |",
        "| --- | --- | --- | --- |",
        *map(_parameter, describe(module.Params)),
    ]
    return "\n".join([f"### {name}", "", about, "", *endpoints, "", *parameters, "", ""])


def _topics(what: str, topics: tuple[Topic, ...]) -> Iterator[str]:
    for topic in topics:
        yield f"| {what} | `{topic.name}` | {_type(topic.type)} | {name_of(topic.qos)} | {topic.about} |"


def _services(what: str, services: tuple[Service, ...]) -> Iterator[str]:
    for service in services:
        yield f"| {what} | `{service.name}` | {_type(service.type)} | | {service.about} |"


def _parameter(one: ParameterDescription) -> str:
    default = str(one.default).lower() if isinstance(one.default, bool) else one.default
    shown = f"`{default}`" if default != "" else "empty"
    return f"| `{one.name}` | {shown} | {_allowed(one)} | {one.about} |"


def _allowed(one: ParameterDescription) -> str:
    if one.minimum is None and one.maximum is None:
        return one.type
    low = "" if one.minimum is None else _number(one.minimum)
    high = "" if one.maximum is None else _number(one.maximum)
    return f"{one.type}, {low} to {high}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:g}"


def _type(kind: type) -> str:
    return f"{kind.__module__.split('.')[0]}/{kind.__name__}"
