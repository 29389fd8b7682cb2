"""`gear-vla doctor`: is what this robot says what its YAML promises?"""

import json
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from gear_vla_ros.settings import load_robot

COLOURS = {"pass": "green", "warn": "yellow", "fail": "red"}


def run(robot: str, seconds: float, sim_time: bool, as_json: bool, console: Console) -> int:
    """Listen and show the table; 0 when nothing failed, else 1."""
    from gear_vla_ros.cli.doctor_checks import examine
    from gear_vla_ros.ros.probe import DISCOVERY_S, listen

    spec = load_robot(robot)
    if not as_json:
        console.print(f"listening to robot {spec.name} for {DISCOVERY_S + seconds:g} s ...")
    snapshot = listen(spec, seconds, sim_time)
    rows = examine(snapshot)
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
