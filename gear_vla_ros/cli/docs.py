"""The reference of nodes, topics and parameters, written from what the nodes declare.

README.md says what each node is for, docs/nodes.md all of them in full.
"""

import pkgutil
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType

from rich.console import Console

import gear_vla_ros.nodes
from gear_vla_ros.ros.interface import Service, Topic
from gear_vla_ros.ros.parameters import ParameterDescription, describe
from gear_vla_ros.ros.qos import name_of

BEGIN, END = "<!-- nodes:begin -->", "<!-- nodes:end -->"
REFERENCE = "docs/nodes.md"


def write(share: Path, check: bool, console: Console) -> int:
    """Put each page's part between its two marks; with `check` only say whether it is there already (0) or not (1)."""
    return max(_write(share, page, make(), check, console) for page, make in PAGES.items())


def _write(share: Path, page: str, made: str, check: bool, console: Console) -> int:
    path = share / page
    if not path.is_file():
        console.print(f"{path}: not there; the pages are written in a source tree", markup=False)
        return 1
    text = path.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        console.print(f"{page}: the marks {BEGIN} and {END} must each stand there once", markup=False)
        return 1
    head, rest = text.split(BEGIN)
    wanted = f"{head}{BEGIN}\n{made}{END}{rest.split(END)[1]}"
    if wanted == text:
        console.print(f"{page} is up to date")
        return 0
    if check:
        console.print(f"{page}: differs from the code; run 'gear-vla docs'", markup=False)
        return 1
    path.write_text(wanted, encoding="utf-8")
    console.print(f"{page} written")
    return 0


def list_nodes() -> str:
    """Markdown table of what each node is for, linked to the reference."""
    rows = [f"| [{name}]({REFERENCE}#{name}) | {_about(module)} |" for name, module in _nodes().items()]
    return "\n".join(["| node | what it does |", "| --- | --- |", *rows, ""])


def describe_nodes() -> str:
    """Markdown of all nodes with their topics, services and parameters."""
    return "\n".join(_node(name, module) for name, module in _nodes().items())


PAGES: Mapping[str, Callable[[], str]] = {"README.md": list_nodes, REFERENCE: describe_nodes}
"""What is written, by page."""


def _nodes() -> dict[str, ModuleType]:
    """In alphabetical order."""
    names = sorted(m.name for m in pkgutil.iter_modules(gear_vla_ros.nodes.__path__) if m.name.endswith("_node"))
    return {name: import_module(f"gear_vla_ros.nodes.{name}") for name in names}


def _about(module: ModuleType) -> str:
    return (module.__doc__ or "").strip().splitlines()[0]


def _node(name: str, module: ModuleType) -> str:
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
    return "\n".join([f"## {name}", "", _about(module), "", *endpoints, "", *parameters, ""])


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
