"""Commands of `gear-vla` about networks: checkpoint, export, bench."""

from pathlib import Path
from typing import Annotated

import typer

from gear_vla_ros.cli.options import console

app = typer.Typer()
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
    task: Annotated[list[str] | None, typer.Option(help="task it has learned; may be given several times")] = None,
    seam: Annotated[str, typer.Option(help="how its chunks are to meet, for demos; none: not said")] = "",
    to: Annotated[str, typer.Option(help="onnx (CPU, onnxruntime) or tensorrt")] = "onnx",
    dtype: Annotated[str, typer.Option(help="precision: float32 or bfloat16; none: as is usual for --to")] = "",
    inputs: Annotated[Path | None, typer.Option(help="episode whose pictures and states prove it")] = None,
    text_tokens: Annotated[int, typer.Option(min=2, help="longest instruction, in tokens and one")] = 64,
    seed: Annotated[int, typer.Option(min=0, help="of random weights")] = 0,
    weights: Annotated[bool, typer.Option(help="keep the checkpoint inside, for the torch backend")] = True,
    quantise: Annotated[str, typer.Option(help="int8: the slow path's products with weights")] = "",
    calibrate: Annotated[
        list[Path] | None, typer.Option(help="with --quantise: episode to calibrate on; may be given several times")
    ] = None,
) -> None:
    """Export a network as an engine bundle that the nodes run, and prove every part against PyTorch."""
    from gear_vla_ros.cli import export as command

    made_for = command.Wanted(to, dtype, text_tokens, weights, quantise, tuple(task or ()), seam)
    raise typer.Exit(command.run(checkpoint, robot, made_for, out, inputs, calibrate or [], seed, console))


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
