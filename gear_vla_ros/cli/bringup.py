"""`gear-vla bringup`: the plan as processes, until Ctrl-C or until one of them ends."""

import time

from rich.console import Console

from gear_vla_ros.cli.plan import BringUp
from gear_vla_ros.cli.processes import ProcessGroup

_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_red", "bright_cyan", "bright_green")


class Log:
    """Prints lines of several nodes, each with its node's name in its own colour."""

    def __init__(self, console: Console, plan: BringUp) -> None:
        self._console = console
        names = [node.name for node in plan.nodes]
        self._width = max(map(len, names))
        self._colour = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(names)}

    def __call__(self, name: str, line: str) -> None:
        self._console.print(f"[{self._colour[name]}]{name:>{self._width}}[/] ", end="")
        self._console.print(line, markup=False, highlight=False)


def run(plan: BringUp, console: Console) -> int:
    """Run until interrupted (0) or until a node ends by itself (its exit code, 1 if that was 0)."""
    console.print(f"bringing up [bold]{plan.robot.name}[/]: {', '.join(node.name for node in plan.nodes)}")
    console.print("Ctrl-C stops all of them")
    with ProcessGroup(plan, Log(console, plan)) as group:
        try:
            while (ended := group.ended()) is None:
                time.sleep(0.1)
        except KeyboardInterrupt:
            console.print("stopping")
            return 0
    name, code = ended
    console.print(f"[bold red]{name} ended with code {code}; the others were stopped[/]")
    return code or 1
