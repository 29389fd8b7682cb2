"""The `gear-vla` command."""

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

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
console = Console(stderr=False, soft_wrap=True)

_HELP = {option.name: option.metadata["help"] for option in fields(Options)}


def _option(name: str) -> Any:
    return typer.Option(help=_HELP[name])


Robot = Annotated[str, _option("robot")]
PolicyName = Annotated[str, _option("policy")]
Checkpoint = Annotated[str, _option("checkpoint")]
Seed = Annotated[int, _option("seed")]


@app.command()
def bringup(
    robot: Robot = "franka",
    policy: PolicyName = "expert",
    sim: Annotated[str, _option("sim")] = "mujoco",
    cameras: Annotated[str, _option("cameras")] = "driver",
    instruction: Annotated[str, _option("instruction")] = "",
    record: Annotated[str, _option("record")] = "",
    checkpoint: Checkpoint = "",
    seed: Seed = 0,
    seam: Annotated[str, _option("seam")] = "switch",
    hold_to_run: Annotated[str, _option("hold_to_run")] = "auto",
    network: Annotated[str, _option("network")] = "auto",
) -> None:
    """Start a robot's nodes, as `ros2 launch gear_vla_ros bringup.launch.py` does."""
    from gear_vla_ros.cli import bringup as command

    options = Options(robot, policy, sim, cameras, instruction, record, checkpoint, seed, seam, hold_to_run, network)
    raise typer.Exit(command.run(make_plan(options), console))


@app.command()
def demo(
    robot: Robot = "franka",
    policy: PolicyName = "expert",
    instruction: Annotated[str, typer.Option(help="what to do")] = "pick up the red cube",
    time_limit: Annotated[float, typer.Option(min=1, max=3600, help="seconds for the task")] = 60.0,
    out: Annotated[Path, typer.Option(help="folder for the recording and the picture")] = Path("runs"),
    checkpoint: Checkpoint = "",
    seed: Seed = 0,
    seam: Annotated[str, _option("seam")] = "switch",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="show what every node logs")] = False,
) -> None:
    """Bring up a simulated robot, follow one instruction, and report what was measured."""
    from gear_vla_ros.cli import demo as command

    options = Options(
        robot=robot,
        policy=policy,
        record=str(out.resolve()),
        checkpoint=checkpoint,
        seed=seed,
        seam=seam,
        network="loopback",
    )
    raise typer.Exit(command.run(make_plan(options), instruction, time_limit, verbose, console))


@app.command()
def robots(name: Annotated[str, typer.Argument(help="robot to check, or none to list them")] = "") -> None:
    """List the robots, or check one: its YAML against its URDF."""
    from gear_vla_ros.cli import robots as command

    raise typer.Exit(command.check(name, console) if name else command.list_all(robot_names(), console))


@app.command()
def doctor(
    robot: Robot = "franka",
    seconds: Annotated[float, typer.Option(min=1, max=60, help="how long to listen")] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Check a running robot, real or simulated, against its YAML. Only listens; moves nothing."""
    from gear_vla_ros.cli import doctor as command

    raise typer.Exit(command.run(robot, seconds, as_json, console))


@app.command()
def docs(
    check: Annotated[bool, typer.Option(help="only say whether README.md is up to date")] = False,
) -> None:
    """Write README.md's table of nodes, topics and parameters from the code."""
    from gear_vla_ros.cli import docs as command

    raise typer.Exit(command.write(share_dir() / "README.md", check, console))


checkpoints = typer.Typer(help="Networks on disk.", no_args_is_help=True)
app.add_typer(checkpoints, name="checkpoint")


@checkpoints.command("make")
def make_checkpoint(
    folder: Annotated[Path, typer.Argument(help="new folder of the checkpoint")],
    qwen: Annotated[Path, typer.Option(help="folder of Qwen2.5-VL's weights and tokenizer")],
    vggt: Annotated[Path, typer.Option(help="folder of VGGT-1B's weights")],
    model: Annotated[str, typer.Option(help="sizes: base (3B), large (7B), or a .yaml")] = "base",
    dtype: Annotated[str, typer.Option(help="precision: bfloat16 or float32")] = "bfloat16",
) -> None:
    """Make a checkpoint from its public parents in local folders; nothing is downloaded."""
    from gear_vla_ros.cli import checkpoint as command

    raise typer.Exit(command.make(model, folder, qwen, vggt, dtype, console))


@checkpoints.command("show")
def show_checkpoint(folder: Annotated[Path, typer.Argument(help="folder of a checkpoint")]) -> None:
    """Say what a checkpoint holds, part by part."""
    from gear_vla_ros.cli import checkpoint as command

    raise typer.Exit(command.show(folder, console))


app.add_typer(sims, name="sim")

recorded = typer.Typer(help="Recorded episodes: list, check, show, trim, repair.", no_args_is_help=True)
app.add_typer(recorded, name="episodes")

EpisodePath = Annotated[Path, typer.Argument(help="an episode's folder or .mcap, or a folder of episodes")]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]
OfRobot = Annotated[str, typer.Option(help="robot it should be of; none: the one it was recorded with")]


@recorded.command("list")
def list_episodes(path: EpisodePath = Path("episodes"), as_json: Json = False) -> None:
    """Robot, instruction, outcome and size of every episode."""
    from gear_vla_ros.cli import episodes as command

    raise typer.Exit(command.show_list(path, as_json, console))


@recorded.command("check")
def check_episodes(
    paths: Annotated[list[Path], typer.Argument(help="episodes, or folders of them")],
    robot: OfRobot = "",
    repair: Annotated[bool, typer.Option(help="repair what was cut, first")] = False,
    as_json: Json = False,
) -> None:
    """Find gaps, drops, skew, frozen pictures, wrong stamps, joints out of limits. Exit code 1 when one failed."""
    from gear_vla_ros.cli import episodes as command

    raise typer.Exit(command.check(paths, robot, repair, as_json, console))


@recorded.command("show")
def show_episode(
    episode: EpisodePath,
    out: Annotated[Path | None, typer.Option(help="folder for the pictures; none: the episode's")] = None,
    robot: OfRobot = "",
) -> None:
    """Draw the contact sheet, and curves of targets, grippers and skew."""
    from gear_vla_ros.cli import episodes as command

    raise typer.Exit(command.show(episode, out, robot, console))


@recorded.command("trim")
def trim_episode(
    episode: EpisodePath,
    out: Annotated[Path, typer.Option(help="folder in which the new episode is made")],
    begin: Annotated[float, typer.Option("--from", min=0, help="seconds from the first message")] = 0.0,
    end: Annotated[float, typer.Option("--to", min=0, help="seconds from the first message")] = 1e9,
) -> None:
    """Copy a part into a new episode; the old one stays."""
    from gear_vla_ros.cli import episodes as command

    raise typer.Exit(command.trim(episode, begin, end, out, console))


@recorded.command("repair")
def repair_episodes(path: EpisodePath) -> None:
    """Give cut episodes their end; what is incomplete is kept beside them."""
    from gear_vla_ros.cli import episodes as command

    raise typer.Exit(command.mend(command.episodes_in(path), console))


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
