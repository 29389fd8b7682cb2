"""The `gear-vla` command."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gear_vla_ros.cli import main_episodes, main_eval, main_networks, main_train
from gear_vla_ros.cli.options import AnyPolicy, Backend, Checkpoint, PolicyName, Robot, Seed, Task, console, option
from gear_vla_ros.cli.plan import Options, make_plan
from gear_vla_ros.cli.sim import sims
from gear_vla_ros.recording.errors import RecordingError
from gear_vla_ros.settings import SettingsError, robot_names
from gear_vla_ros.settings.paths import share_dir

app = typer.Typer(
    help="GEAR-VLA on robots: bring up, run tasks, record, inspect.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def bringup(
    robot: Robot = "franka",
    policy: PolicyName = "expert",
    sim: Annotated[str, option("sim")] = "mujoco",
    cameras: Annotated[str, option("cameras")] = "driver",
    instruction: Annotated[str, option("instruction")] = "",
    record: Annotated[str, option("record")] = "",
    checkpoint: Checkpoint = "",
    seed: Seed = 0,
    task: Task = "",
    backend: Backend = "auto",
    seam: Annotated[str, option("seam")] = "auto",
    hold_to_run: Annotated[str, option("hold_to_run")] = "auto",
    network: Annotated[str, option("network")] = "auto",
    machine: Annotated[str, option("machine")] = "all",
    peers: Annotated[str, option("peers")] = "",
    teleop: Annotated[str, option("teleop")] = "",
) -> None:
    """Start a robot's nodes, as `ros2 launch gear_vla_ros bringup.launch.py` does."""
    from gear_vla_ros.cli import bringup as command

    options = Options(
        robot,
        policy,
        sim,
        cameras,
        instruction,
        record,
        checkpoint,
        seed,
        task,
        backend,
        seam,
        hold_to_run,
        network,
        machine,
        peers,
        teleop,
    )
    raise typer.Exit(command.run(make_plan(options), console))


@app.command()
def demo(
    robot: Robot = "franka",
    policy: AnyPolicy = "auto",
    instruction: Annotated[
        str, typer.Option(help="what to do; none: what the scene is for, of the three cubes to pick up the red one")
    ] = "",
    time_limit: Annotated[float, typer.Option(min=1, max=3600, help="seconds for the task")] = 60.0,
    out: Annotated[Path, typer.Option(help="folder for the recording and the picture")] = Path("runs"),
    checkpoint: Checkpoint = "",
    seed: Seed = 0,
    task: Task = "",
    backend: Backend = "auto",
    seam: Annotated[str, option("seam")] = "auto",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="show what every node logs")] = False,
) -> None:
    """Bring up a simulated robot, follow one instruction, and report what was measured."""
    from gear_vla_ros.cli import demo as command
    from gear_vla_ros.cli.shipped import chosen

    policy, checkpoint = chosen(policy, checkpoint, robot, task)
    options = Options(
        robot=robot,
        policy=policy,
        record=str(out.resolve()),
        checkpoint=checkpoint,
        seed=seed,
        task=task,
        backend=backend,
        seam=seam,
        network="loopback",
    )
    plan = make_plan(options)
    wanted = instruction or command.asked_for(plan.robot, task, seed)
    raise typer.Exit(command.run(plan, wanted, time_limit, verbose, console))


@app.command("demo-record")
def demo_record(
    robot: Robot = "agilex",
    count: Annotated[int, typer.Option(min=1, max=100, help="episodes")] = 3,
    out: Annotated[Path, typer.Option(help="folder for what comes of it")] = Path("runs"),
) -> None:
    """From a hand to data: a scripted person teleoperates, records, checks, converts, loads a batch, replays."""
    from gear_vla_ros.cli import demo_record as command

    raise typer.Exit(command.run(robot, count, out, console))


@app.command()
def robots(name: Annotated[str, typer.Argument(help="robot to check, or none to list them")] = "") -> None:
    """List the robots, or check one: its YAML against its URDF."""
    from gear_vla_ros.cli import robots as command

    raise typer.Exit(command.check(name, console) if name else command.list_all(robot_names(), console))


@app.command()
def doctor(
    robot: Robot = "franka",
    seconds: Annotated[float, typer.Option(min=1, max=60, help="how long to listen")] = 5.0,
    sim_time: Annotated[bool, typer.Option("--sim-time", help="the robot's clock is /clock, as Gazebo's")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
    move: Annotated[bool, typer.Option("--move", help="also move each arm a little, after asking")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="with --move: do not ask")] = False,
) -> None:
    """Check a running robot, real or simulated, against its YAML. Only listens, unless --move."""
    from gear_vla_ros.cli import doctor as command

    ask = (lambda question: yes or typer.confirm(question, err=True)) if move else None
    raise typer.Exit(command.run(robot, seconds, sim_time, as_json, console, ask))


@app.command()
def teleop(
    robot: Robot = "franka",
    device: Annotated[str, typer.Option(help="keyboard, joy, twist, leader or vr")] = "keyboard",
    network: Annotated[str, typer.Option(help="inherit, loopback or two_machines")] = "inherit",
    sim_time: Annotated[bool, typer.Option("--sim-time", help="the robot's time is that of /clock (Gazebo)")] = False,
) -> None:
    """Drive a running robot; taking over from a policy by the clutch, and giving back by letting go."""
    from gear_vla_ros.cli import teleop as command

    raise typer.Exit(command.run(robot, device, network, sim_time, console))


@app.command()
def record(
    robot: Robot = "franka",
    folder: Annotated[str, typer.Option(help="folder of the episodes, for a recorder_node of our own")] = "episodes",
    instruction: Annotated[str, typer.Option(help="what is done in the episodes; none: the one in force")] = "",
    operator: Annotated[str, typer.Option(help="your name, kept in the episodes")] = "",
    pictures: Annotated[str, typer.Option(help="yaml, none, jpeg, png, h264, driver; for a node of our own")] = "yaml",
    network: Annotated[str, typer.Option(help="inherit, loopback or two_machines")] = "inherit",
) -> None:
    """Record episodes of a running robot by keys: start, success, failure, discard."""
    from gear_vla_ros.cli import record as command

    raise typer.Exit(command.run(robot, folder, pictures, instruction, operator, network))


@app.command()
def docs(
    check: Annotated[bool, typer.Option(help="only say whether they are up to date")] = False,
) -> None:
    """Write the tables of nodes, topics and parameters in README.md and docs/nodes.md from the code."""
    from gear_vla_ros.cli import docs as command

    raise typer.Exit(command.write(share_dir(), check, console))


app.add_typer(main_networks.app)
app.add_typer(main_episodes.app)
app.add_typer(main_eval.app)
app.add_typer(main_train.app)
app.add_typer(sims, name="sim")


def main() -> int:
    """Entry point: wrong input ends with one clear line and code 2."""
    try:
        result = app(standalone_mode=False)
    except (SettingsError, RecordingError, FileNotFoundError, FileExistsError, ValueError) as error:
        Console(stderr=True, soft_wrap=True).print(f"gear-vla: {error}", style="bold red", markup=False)
        return 2
    except typer.Exit as leave:
        return int(leave.exit_code)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if hasattr(error, "show") and hasattr(error, "exit_code"):
            error.show()
            return int(error.exit_code)
        raise
    return int(result or 0)


if __name__ == "__main__":
    raise SystemExit(main())
