"""`gear-vla doctor`: is what this robot says what its YAML promises, and does it what it is told?"""

import json
from collections.abc import Callable
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from gear_vla_ros.cli.doctor_rows import Row
from gear_vla_ros.settings import RobotSpec, load_robot

COLOURS = {"pass": "green", "warn": "yellow", "fail": "red"}
QUESTION = (
    "each arm goes 3 cm up and back in 4 s, its gripper 30 % of its stroke. Is the space free, a hand on the stop?"
)


def run(
    robot: str, seconds: float, sim_time: bool, as_json: bool, console: Console, move: Callable[[str], bool] | None
) -> int:
    """Listen and show the table; 0 when nothing failed, else 1. move: asks before the arms move; None: they do not."""
    from gear_vla_ros.cli.doctor_checks import examine
    from gear_vla_ros.ros.probe import DISCOVERY_S, listen

    spec = load_robot(robot)
    if not as_json:
        console.print(f"listening to robot {spec.name} for {DISCOVERY_S + seconds:g} s ...")
    snapshot = listen(spec, seconds, sim_time)
    rows = examine(snapshot)
    if move is not None:
        rows += _moved(spec, rows, sim_time, move)
    failed = sum(row.verdict == "fail" for row in rows)
    if as_json:
        print(json.dumps({"robot": spec.name, "failed": failed, "rows": [asdict(row) for row in rows]}))
        return 1 if failed else 0
    table = Table("", "what", "found", "what to do", title=f"robot {spec.name}", title_justify="left")
    for row in rows:
        table.add_row(f"[{COLOURS[row.verdict]}]{row.verdict}[/]", row.what, row.found, row.todo)
    console.print(table)
    if snapshot.simulated:
        console.print("simulated: sizes and rates of pictures are those of the YAML's sim section")
    console.print(f"{len(rows)} checks, {failed} failed" if failed else f"all of {len(rows)} checks passed or warned")
    return 1 if failed else 0


def _moved(spec: RobotSpec, rows: list[Row], sim_time: bool, ask: Callable[[str], bool]) -> list[Row]:
    """Rows of the trial motion; not tried when what must be right before an arm moves has failed."""
    from gear_vla_ros.cli.doctor_move import move_rows
    from gear_vla_ros.ros.client import GraphError
    from gear_vla_ros.ros.trial_motion import TrialMotion

    wrong = [row.what for row in rows if row.verdict == "fail" and _forbids(row)]
    if wrong:
        return [Row("fail", "motion", f"not tried: {', '.join(wrong)}", "correct these first")]
    if not ask(QUESTION):
        return [Row("warn", "motion", "not tried: not confirmed", "answer y, or give --yes")]
    try:
        with TrialMotion(spec, sim_time) as motion:
            return move_rows(motion.run())
    except GraphError as error:
        return [Row("fail", "motion", str(error), "a target_node must run: the motion goes through its safety filter")]


def _forbids(row: Row) -> bool:
    """Cameras and slow rates do not matter to a motion without a policy."""
    return not row.what.startswith("camera") and not row.what.endswith("rate")
