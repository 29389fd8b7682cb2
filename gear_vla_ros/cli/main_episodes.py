"""Commands of `gear-vla` about recorded episodes: replay, and the group episodes."""

from pathlib import Path
from typing import Annotated

import typer

from gear_vla_ros.cli.options import Backend, Checkpoint, PolicyName, Seed, console

app = typer.Typer()


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
