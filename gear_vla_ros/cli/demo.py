"""`gear-vla demo`: the whole graph on one machine, one task, and a report of what was measured."""

import dataclasses
import json
import os
from collections import deque
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from gear_vla_ros.cli import report
from gear_vla_ros.cli.bringup import Log
from gear_vla_ros.cli.plan import BringUp
from gear_vla_ros.cli.processes import ProcessGroup, enter
from gear_vla_ros.contracts import Grade
from gear_vla_ros.settings import RobotSpec
from gear_vla_ros.sim.randomise import random_scene

START_LIMIT_S = 90.0
OF_THE_CUBES = "pick up the red cube"


class Usage:
    """CPU seconds of processes between its making and `share`."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._start = self._seconds()

    def share(self, duration_s: float) -> dict[str, float]:
        """Percent of one core by name."""
        now = self._seconds()
        return {name: 100 * (now[name] - start) / max(duration_s, 1e-3) for name, start in self._start.items()}

    def _seconds(self) -> dict[str, float]:
        return {name: sum(process.cpu_times()[:2]) for name, process in self._processes.items()}


def asked_for(robot: RobotSpec, task: str, seed: int) -> str:
    """What the scene is for, in words; of the three cubes the red one is picked up."""
    return random_scene(robot, task, seed).instruction if task else OF_THE_CUBES


def run(plan: BringUp, instruction: str, time_limit_s: float, verbose: bool, console: Console) -> int:
    """0 when the simulator's success predicate says that the task is done, else 1."""
    enter(plan)
    from gear_vla_ros.ros.client import GraphError
    from gear_vla_ros.ros.task_client import TaskClient

    tail: deque[str] = deque(maxlen=40)
    log = Log(console, plan)

    def show(name: str, line: str) -> None:
        tail.append(f"{name}: {line}")
        if verbose:
            log(name, line)

    console.print(f"bringing up [bold]{plan.robot.name}[/]: {', '.join(node.name for node in plan.nodes)}")
    console.print(f"policy: [bold]{_policy(plan)}[/]")
    console.print(f"on loopback, ROS_DOMAIN_ID={os.environ['ROS_DOMAIN_ID']}", highlight=False)
    with ProcessGroup(plan, show) as group:

        def check() -> None:
            if (ended := group.ended()) is not None:
                raise GraphError(f"{ended[0]} ended with code {ended[1]}")

        try:
            with TaskClient(check) as client:
                client.wait_ready(START_LIMIT_S)
                console.print(f"instruction: [bold]{instruction}[/]")
                usage = Usage(dict(group.pids))
                outcome = client.execute(instruction, time_limit_s, lambda feedback: _feedback(console, feedback))
                share = usage.share(outcome.duration_s)
                episode = Path(client.finish_episode(outcome.success))
        except GraphError as error:
            console.print(f"[bold red]{error}[/]; the last lines of the nodes:")
            console.print("\n".join(tail), markup=False, highlight=False)
            return 1
        codes = group.stop()
    facts = {"robot": plan.robot.name, "instruction": instruction, **dataclasses.asdict(outcome)}
    _tell(plan, facts, episode, share, console)
    if unclean := {name: code for name, code in codes.items() if code != 0}:
        console.print(f"[bold red]exit codes other than 0: {unclean}[/]")
    word = "[bold green]SUCCESS[/]" if outcome.success else "[bold red]FAILURE[/]"
    console.print(f"{word} after {outcome.duration_s:.1f} s: {outcome.reason}")
    return 0 if outcome.success and not unclean else 1


def _policy(plan: BringUp) -> str:
    """What drives, in words."""
    by = {node.executable: node.parameters for node in plan.nodes}
    given = by["action_node"]
    return f"{given['policy']} {given['checkpoint']}".strip() + f", seam {by['target_node']['seam']}"


def _feedback(console: Console, feedback: Any) -> None:
    grade = Grade(feedback.grade).name.lower()
    console.print(f"  {feedback.elapsed_s:5.1f} s  grade {grade}, {feedback.chunks} chunks followed", highlight=False)


def _tell(plan: BringUp, facts: dict[str, Any], episode: Path, share: dict[str, float], console: Console) -> None:
    """Tables on the terminal; `report.json` and the contact sheet beside the recording."""
    from gear_vla_ros.recording.contact_sheet import save_contact_sheet
    from gear_vla_ros.recording.reader import read_messages
    from gear_vla_ros.recording.topics import picture_topics

    cameras = [topic for camera in plan.robot.cameras for topic in picture_topics(camera)]
    figures = report.measure(read_messages(episode), cameras)
    for table in (report.rates_table(figures), report.spreads_table(figures), report.cpu_table(share)):
        console.print(table)
    everything = {**facts, "cpu_percent": share, **dataclasses.asdict(figures)}
    (episode / "report.json").write_text(json.dumps(everything, indent=2) + "\n")
    picture = save_contact_sheet(episode, plan.robot, episode / "contact_sheet.png")
    console.print(f"recording {episode}\npicture   {picture}", highlight=False)
