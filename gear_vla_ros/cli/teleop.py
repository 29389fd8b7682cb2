"""`gear-vla teleop`: a person drives a running robot, from this terminal's keyboard or by another device."""

import contextlib
import os
import time
from collections.abc import Callable

from rich.console import Console

from gear_vla_ros.cli import bringup
from gear_vla_ros.cli.plan import BringUp, NodeSpec, network_environment
from gear_vla_ros.cli.processes import ProcessGroup
from gear_vla_ros.cli.terminal import Terminal
from gear_vla_ros.contracts import Grade
from gear_vla_ros.contracts.clock import SystemClock
from gear_vla_ros.ros.keyboard_link import KeyboardLink
from gear_vla_ros.runtime.keyboard import HELP, Keyboard
from gear_vla_ros.settings import load_robot
from gear_vla_ros.settings.errors import did_you_mean
from gear_vla_ros.settings.teleop import DEVICES

PERIOD_S, SHOW_S = 1 / 30, 0.1
DISCOVERY_S, START_LIMIT_S, RELEASE_S, RELEASED_LIMIT_S = 2.0, 20.0, 0.3, 3.0
STILL_HELD = (
    "ended with the clutch closed: the robot holds; take over again and let go, or call the service /gear_vla/reset"
)


def run(robot: str, device: str, network: str, sim_time: bool, console: Console) -> int:
    """Until q or Ctrl-C. Raises ValueError for an unknown device, or the keyboard without a terminal."""
    if device not in DEVICES:
        raise ValueError(f"device: found '{device}'{did_you_mean(device, DEVICES)}; allowed {', '.join(DEVICES)}")
    environment = network_environment(network)
    os.environ.update(environment)
    node = NodeSpec("teleop_node", {"robot": robot, "device": device, "use_sim_time": sim_time})
    plan = BringUp(load_robot(robot), (node,), environment)
    if device != "keyboard":
        return bringup.run(plan, console)
    keyboard = Keyboard(plan.robot.teleop, [arm.name for arm in plan.robot.arms], SystemClock())
    with Terminal() as terminal:
        try:
            return _drive(plan, keyboard, sim_time, terminal)
        except KeyboardInterrupt:
            terminal.tell(STILL_HELD if keyboard.state().clutched else "ended")
            return 0


def _drive(plan: BringUp, keyboard: Keyboard, sim_time: bool, terminal: Terminal) -> int:
    """With the teleop_node that is there, else with one of our own."""
    with contextlib.ExitStack() as stack:
        link = stack.enter_context(KeyboardLink(plan.robot, keyboard, sim_time, terminal.check))
        ended: Callable[[], object] = _never
        limit_s = DISCOVERY_S
        if not link.within(DISCOVERY_S, lambda: link.node_runs):
            group = stack.enter_context(ProcessGroup(plan, lambda name, line: terminal.tell(f"{name}: {line}")))
            ended, limit_s = group.ended, START_LIMIT_S
        heard = link.within(limit_s, lambda: link.heard or ended())
        if ended():
            return _without_node(terminal)
        if not heard:
            terminal.tell("the teleop_node that runs is for another device; bring it up with --teleop keyboard")
            return 1
        for line in HELP:
            terminal.tell(line)
        return _follow_keys(link, keyboard, terminal, ended)


def _follow_keys(link: KeyboardLink, keyboard: Keyboard, terminal: Terminal, ended: Callable[[], object]) -> int:
    shown_s = 0.0
    while not keyboard.quit:
        for key in terminal.keys(PERIOD_S):
            keyboard.press(key)
        if keyboard.stop:
            link.stop()
            keyboard.stop = False
        link.say(keyboard.state())
        link.turn()
        if ended():
            return _without_node(terminal)
        if time.monotonic() - shown_s > SHOW_S:
            shown_s = time.monotonic()
            terminal.show(_line(link, keyboard))
    keyboard.release()
    link.within(RELEASE_S, lambda: link.say(keyboard.state()))
    link.within(RELEASED_LIMIT_S, lambda: _released(link, keyboard))
    return 0


def _released(link: KeyboardLink, keyboard: Keyboard) -> bool:
    """Say it again until nobody drives: a teleop_node of our own must not end before it has given back."""
    link.say(keyboard.state())
    return link.status is None or not link.status.driver.startswith("teleop/")


def _line(link: KeyboardLink, keyboard: Keyboard) -> str:
    state, status = keyboard.state(), link.status
    clutch = "CLUTCHED" if state.clutched else "clutch open"
    gripper = "" if state.opening is None else f" grip {state.opening:.0%}"
    mine = f"{state.arm} {clutch} {'tool' if state.in_tool else 'base'} {state.speed:.0%}{gripper}"
    if status is None:
        return f"{mine} | no status of a target_node yet"
    causes = f": {', '.join(status.causes)}" if status.causes else ""
    return f"{mine} | {status.driver or 'nobody'} {Grade(status.grade).name}{causes}"


def _without_node(terminal: Terminal) -> int:
    terminal.tell("teleop_node has ended; what it said is above")
    return 1


def _never() -> tuple[str, int] | None:
    """Somebody else's node is not ours to watch."""
    return None
