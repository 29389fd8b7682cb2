"""`gear-vla train` and `gear-vla adapt`."""

from pathlib import Path
from typing import Annotated

import typer

from gear_vla_ros.cli.options import console

app = typer.Typer()

Data = Annotated[list[Path], typer.Option("--data", help="LeRobot dataset; may be given several times")]
Out = Annotated[Path, typer.Option("--out", "-o", help="folder of the run; the same again goes on with it")]
Steps = Annotated[int | None, typer.Option(min=1, help="in place of the stage's")]
Batch = Annotated[int | None, typer.Option(min=1, help="samples a step over all processes, in place of the stage's")]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0: torch's choice")]
Cpu = Annotated[bool, typer.Option(help="on the CPU even where there is a GPU")]


@app.command()
def train(
    stage: Annotated[str, typer.Option(help="file in config/training, or a .yaml")],
    data: Data,
    out: Out,
    start: Annotated[str, typer.Option("--from", help="checkpoint or run; or demo, tiny, base: random weights")],
    steps: Steps = None,
    batch: Batch = None,
    seed: Annotated[int | None, typer.Option(min=0, help="in place of the stage's")] = None,
    tokenizer_steps: Annotated[
        int, typer.Option(min=1, help="of the latent action tokenizer, if --from has none")
    ] = 1500,
    save_every: Annotated[int, typer.Option(min=1, help="steps between two saved ones")] = 500,
    log_every: Annotated[int, typer.Option(min=1, help="steps between two lines of metrics.jsonl")] = 10,
    threads: Threads = 0,
    cpu: Cpu = False,
) -> None:
    """Train one stage on LeRobot datasets; after Ctrl-C or a kill the same command goes on from the last saved step.

    Example: gear-vla train --stage demo_pretraining --from demo --data datasets/lift -o runs/pretrained
    Several processes: torchrun --nproc-per-node 8 -m gear_vla_ros.cli.main train ...
    """
    from gear_vla_ros.cli import train as command

    spec = command.stage(stage, steps=steps, batch=batch, seed=seed)
    command.train(start, data, spec, out, tokenizer_steps, save_every, log_every, threads, cpu, console)


@app.command()
def adapt(
    start: Annotated[str, typer.Option("--from", help="checkpoint or run to begin with")],
    robot: Annotated[str, typer.Option(help="the new robot")],
    episodes: Annotated[list[Path], typer.Option("--episodes", help="LeRobot dataset of the new robot")],
    out: Out,
    projector: Annotated[str, typer.Option(help="first stage: its state projector alone")] = "demo_projector",
    light: Annotated[str, typer.Option(help="second stage: all but the 2D tower")] = "demo_light",
    one_stage: Annotated[bool, typer.Option("--one-stage", help="the second stage alone, to compare")] = False,
    steps: Annotated[int | None, typer.Option(min=1, help="of the second stage, in place of its file's")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="in place of the stages'")] = None,
    threads: Threads = 0,
    cpu: Cpu = False,
) -> None:
    """Take a trained network to a new robot in two stages (paper, Table 3)."""
    from gear_vla_ros.cli import train as command

    first = command.stage(projector, seed=seed)
    second = command.stage(light, steps=steps, seed=seed)
    command.adapt(start, robot, episodes, out, first, second, one_stage, threads, cpu, console)
