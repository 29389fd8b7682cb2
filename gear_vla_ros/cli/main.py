"""The `gear-vla` command."""

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from gear_vla_ros.cli.plan import Options, make_plan
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
Backend = Annotated[str, _option("backend")]


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
    backend: Backend = "auto",
    seam: Annotated[str, _option("seam")] = "switch",
    hold_to_run: Annotated[str, _option("hold_to_run")] = "auto",
    network: Annotated[str, _option("network")] = "auto",
    machine: Annotated[str, _option("machine")] = "all",
    peers: Annotated[str, _option("peers")] = "",
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
        backend,
        seam,
        hold_to_run,
        network,
        machine,
        peers,
    )
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
    backend: Backend = "auto",
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
        backend=backend,
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


@app.command()
def export(
    checkpoint: Annotated[str, typer.Argument(help="checkpoint folder; or tiny, base, large: random weights")],
    out: Annotated[Path, typer.Option("--out", "-o", help="new folder of the bundle")],
    robot: Annotated[list[str], typer.Option(help="robot it is for; may be given several times")],
    to: Annotated[str, typer.Option(help="onnx (CPU, onnxruntime) or tensorrt")] = "onnx",
    dtype: Annotated[str, typer.Option(help="precision: float32 or bfloat16; none: as is usual for --to")] = "",
    inputs: Annotated[Path | None, typer.Option(help="episode whose pictures and states prove it")] = None,
    text_tokens: Annotated[int, typer.Option(min=2, help="longest instruction, in tokens and one")] = 64,
    seed: Annotated[int, typer.Option(min=0, help="of random weights")] = 0,
    weights: Annotated[bool, typer.Option(help="keep the checkpoint inside, for the torch backend")] = True,
) -> None:
    """Export a network as an engine bundle that the nodes run, and prove every part against PyTorch."""
    from gear_vla_ros.cli import export as command

    raise typer.Exit(command.run(checkpoint, robot, to, out, dtype, inputs, text_tokens, seed, weights, console))


@app.command()
def bench(
    bundle: Annotated[Path, typer.Argument(help="folder of a bundle")],
    engine: Annotated[list[str] | None, typer.Option(help="to compare; may be given several times")] = None,
    passes: Annotated[int, typer.Option(min=3, help="rounds over all engines")] = 100,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of each")] = 1,
    soak: Annotated[int, typer.Option(min=0, help="passes after which memory is compared; 0: none")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Time a bundle's engines in one run: each path, the first call, memory, and ratios."""
    from gear_vla_ros.cli import bench as command

    raise typer.Exit(command.run(bundle, engine or list(command.USUAL), passes, threads, soak, as_json, console))


@app.command()
def replay(
    episode: Annotated[Path, typer.Argument(help="an episode's folder, or an .mcap")],
    policy: PolicyName = "gear_vla",
    checkpoint: Checkpoint = "",
    backend: Backend = "auto",
    seed: Seed = 0,
    every: Annotated[float, typer.Option(min=0.03, max=60, help="seconds between two passes")] = 0.5,
    latency: Annotated[float, typer.Option(min=0, max=5, help="seconds from pictures to acting")] = 0.0,
    fast: Annotated[bool, typer.Option(help="in this process, without the nodes")] = False,
    robot: Annotated[str, typer.Option(help="robot it should be of; none: the one it was recorded with")] = "",
    out: Annotated[Path | None, typer.Option(help="folder for the picture; none: the episode's")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Feed a recorded episode to a policy and score its chunks against what was done, by step of the horizon."""
    from gear_vla_ros.cli import replay as command
    from gear_vla_ros.policies.options import PolicyOptions

    options = PolicyOptions(checkpoint, seed, backend)
    raise typer.Exit(command.run(episode, robot, policy, options, every, latency, fast, out, as_json, console))


recorded = typer.Typer(help="Recorded episodes: list, check, show, trim, repair, convert.", no_args_is_help=True)
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


@recorded.command("convert")
def convert_episodes(
    paths: Annotated[list[Path], typer.Argument(help="episodes, or folders of them")],
    to: Annotated[Path, typer.Option(help="folder of the new dataset; must not exist")],
    fps: Annotated[int, typer.Option(min=1, max=240, help="frames a second")] = 30,
    robot: OfRobot = "",
    instruction: Annotated[str, typer.Option(help="for episodes in which none was recorded")] = "",
    failures: Annotated[bool, typer.Option("--failures", help="take episodes with outcome failure too")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="leave bad episodes out; else one refuses all")] = False,
    as_json: Json = False,
) -> None:
    """Write a LeRobot v3 dataset: pictures as MP4, joints and tool poses as parquet, by capture stamp.

    Nothing is overwritten, and all is written or nothing. Discarded and failed episodes are left out.
    docs/data.md says what each feature is.

    Example: gear-vla episodes convert episodes --to datasets/red_cube
    """
    from gear_vla_ros.cli import convert as command

    options = command.options_of(fps, robot, instruction, failures, skip_bad)
    raise typer.Exit(command.run(paths, to, options, as_json, console))


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
