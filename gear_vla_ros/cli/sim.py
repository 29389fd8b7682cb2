"""`gear-vla sim`: the scripted expert's success, and episodes of it."""

from pathlib import Path
from typing import Annotated

import typer

from gear_vla_ros.cli.options import Robot, console

sims = typer.Typer(help="Simulated tasks in one process, faster than real time.", no_args_is_help=True)

Task = Annotated[str, typer.Option(help="lift, place, or with two arms handover, flip_label")]
Jobs = Annotated[int, typer.Option(min=1, max=64, help="processes")]
FirstSeed = Annotated[int, typer.Option(min=0, max=2**31 - 1, help="seed of the first scene; the others follow")]


@sims.command("check")
def check(
    robot: Robot = "franka",
    task: Task = "lift",
    seeds: Annotated[int, typer.Option(min=1, max=100_000, help="how many scenes")] = 200,
    first_seed: FirstSeed = 0,
    jobs: Jobs = 2,
    limit: Annotated[float, typer.Option(min=1, max=600, help="simulated seconds a scene")] = 20.0,
    blur: Annotated[
        float, typer.Option(min=0, max=0.1, help="the expert sees objects that far off [m], anew at each thought")
    ] = 0.0,
    at_least: Annotated[float, typer.Option(min=0, max=1, help="exit code 1 below this share")] = 0.95,
) -> None:
    """Let the scripted expert do a task in randomised scenes, and say how often physics agrees that it did."""
    from gear_vla_ros.cli import sim_check as command

    chosen = range(first_seed, first_seed + seeds)
    raise typer.Exit(command.run(robot, task, chosen, jobs, limit, blur, at_least, console))


@sims.command("collect")
def collect(
    out: Annotated[Path, typer.Option("-o", "--out", help="folder of the episodes; gone on with if begun before")],
    robot: Robot = "franka",
    task: Task = "lift",
    episodes: Annotated[int, typer.Option(min=1, max=1_000_000, help="how many there are to be in the folder")] = 100,
    first_seed: FirstSeed = 0,
    jobs: Jobs = 2,
    limit: Annotated[float, typer.Option(min=1, max=600, help="simulated seconds an episode")] = 20.0,
    held_out: Annotated[bool, typer.Option(help="wordings that training data never has")] = False,
    disturbed: Annotated[bool, typer.Option(help="with kicks and false gripper moves to recover from")] = True,
    compression: Annotated[str, typer.Option(help="of the MCAP chunks: none, lz4 or zstd")] = "lz4",
    learner: Annotated[
        str,
        typer.Option(help="bundle or checkpoint that drives for the first 3 to 10 s, while the expert labels"),
    ] = "",
    switched: Annotated[
        float, typer.Option(min=0, max=1, help="share of episodes in which another object is named on the way")
    ] = 0.0,
) -> None:
    """Record the scripted expert in randomised scenes: MCAP episodes as the recorder's, no ROS graph needed."""
    from gear_vla_ros.cli import sim_collect as command

    wanted = command.collection(robot, task, first_seed, held_out, disturbed, limit, compression, learner, switched)
    raise typer.Exit(command.run(wanted, episodes, jobs, out, console))


@sims.command("scenes")
def scenes(
    out: Annotated[Path, typer.Option("-o", "--out", help="new folder, for `gear-vla train --data`")],
    robot: Robot = "franka",
    task: Task = "lift",
    count: Annotated[int, typer.Option(min=1, max=1_000_000, help="scenes; six samples each")] = 3000,
    first_seed: FirstSeed = 100_000,
    view_size: Annotated[int, typer.Option(min=28, max=1024, help="of the network's views [pixel]")] = 96,
    alike: Annotated[
        float, typer.Option(min=0, max=1, help="share of scenes in which a distractor has the first object's colour")
    ] = 0.0,
    jobs: Jobs = 2,
) -> None:
    """Render scenes for pointing: where objects are, with the tools near them, and nothing of what to do."""
    from gear_vla_ros.cli import sim_scenes as command

    wanted = command.Wanted(robot, task, range(first_seed, first_seed + count), view_size, alike)
    raise typer.Exit(command.run(wanted, jobs, out, console))
