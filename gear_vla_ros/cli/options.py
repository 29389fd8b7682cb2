"""Options that several commands of `gear-vla` take, with the bring-up's own words of help."""

from dataclasses import fields
from typing import Annotated, Any

import typer
from rich.console import Console

from gear_vla_ros.cli.plan import Options

console = Console(stderr=False, soft_wrap=True)

_HELP = {option.name: option.metadata["help"] for option in fields(Options)}


def option(name: str) -> Any:
    """An option with the help of the bring-up's field of that name."""
    return typer.Option(help=_HELP[name])


Robot = Annotated[str, option("robot")]
PolicyName = Annotated[str, option("policy")]
AnyPolicy = Annotated[
    str, typer.Option(help="auto: the learned one if there is one for robot and task, else expert; or as in bringup")
]
Checkpoint = Annotated[str, option("checkpoint")]
Seed = Annotated[int, option("seed")]
Task = Annotated[str, option("task")]
Backend = Annotated[str, option("backend")]
