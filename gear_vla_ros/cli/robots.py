"""`gear-vla robots`: what there is, and whether a YAML and its URDF fit together."""

from rich.console import Console
from rich.table import Table

from gear_vla_ros.settings import load_robot


def list_all(names: list[str], console: Console) -> int:
    """One row a robot."""
    table = Table("robot", "arms", "cameras", "commands", "about")
    for name in names:
        spec = load_robot(name)
        arms = ", ".join(f"{arm.name} ({len(arm.joints)}+1)" for arm in spec.arms)
        commands = ", ".join(sorted({arm.command.interface for arm in spec.arms}))
        about = f"PLACEHOLDER. {spec.description}" if spec.placeholder else spec.description
        table.add_row(name, arms, ", ".join(camera.role for camera in spec.cameras), commands, about)
    console.print(table)
    return 0


def check(name: str, console: Console) -> int:
    """The findings of one robot; 0 when all passed."""
    from gear_vla_ros.kinematics.check import check_robot

    findings = check_robot(load_robot(name))
    table = Table("", "what", "found", title=f"robot {name}", title_justify="left")
    for finding in findings:
        table.add_row("[green]ok[/]" if finding.ok else "[red]no[/]", finding.what, finding.found)
    console.print(table)
    return 0 if all(finding.ok for finding in findings) else 1
