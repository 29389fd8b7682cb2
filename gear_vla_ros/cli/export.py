"""`gear-vla export`: a checkpoint as an engine bundle that the nodes run."""

import tempfile
from pathlib import Path

from rich.console import Console

from gear_vla_ros.cli import samples
from gear_vla_ros.engines.arrays import slow_input
from gear_vla_ros.settings import RobotSpec, load_robot
from gear_vla_ros.settings.loading import load
from gear_vla_ros.settings.model import ModelSpec, load_model_spec

TARGETS = {"onnx": "float32", "tensorrt": "bfloat16"}
"""Where the bundle is to run, and the precision that is usual there."""


def run(
    checkpoint: str,
    robots: list[str],
    to: str,
    out: Path,
    dtype: str,
    inputs: Path | None,
    text_tokens: int,
    seed: int,
    weights: bool,
    console: Console,
) -> int:
    """0 when the bundle is there and every part agrees with PyTorch."""
    if to not in TARGETS:
        raise ValueError(f"--to: '{to}', allowed {' or '.join(TARGETS)}")
    dtype = dtype or TARGETS[to]
    if dtype not in TARGETS.values():
        raise ValueError(f"--dtype: '{dtype}', allowed {' or '.join(TARGETS.values())}")
    specs = {name: load_robot(name) for name in robots}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(checkpoint).expanduser()
        if not folder.is_dir():
            folder = _random(checkpoint, seed, Path(scratch) / "checkpoint", console)
        return _export(folder, specs, out, dtype, inputs, text_tokens, weights, console)


def _export(
    folder: Path,
    robots: dict[str, RobotSpec],
    out: Path,
    dtype: str,
    inputs: Path | None,
    text_tokens: int,
    weights: bool,
    console: Console,
) -> int:
    from gear_vla_ros.engines.export import export
    from gear_vla_ros.model.checkpoint import SPEC

    if not (folder / SPEC).is_file():
        raise FileNotFoundError(f"checkpoint {folder}: no {SPEC}; allowed a checkpoint folder or the name of sizes")
    model = load(ModelSpec, folder / SPEC)
    embodiments = {robot.name: robot.state_projector.embodiment for robot in robots.values()}
    if unknown := [f"{name} ('{e}')" for name, e in embodiments.items() if e not in model.embodiments]:
        known = ", ".join(model.embodiments)
        raise ValueError(f"--robot: {', '.join(unknown)}: the network has no such state projector; it has {known}")
    given = []
    for robot in robots.values():
        seen = samples.from_episode(inputs, robot) if inputs else samples.from_simulation(robot)
        given += [slow_input(observation, robot, model) for observation in seen]
    console.print(f"inputs for the parity: {len(given)}, {f'out of {inputs}' if inputs else 'of the simulated robot'}")
    bundle = export(
        folder,
        out,
        embodiments,
        given,
        dtype=dtype,
        text_tokens=text_tokens,
        weights=weights,
        say=lambda line: console.print(line, highlight=False),
    )
    size = sum(record.bytes for record in bundle.manifest.files.values())
    names = ", ".join(embodiments)
    console.print(f"bundle: {out}, {size / 1e6:.1f} MB, weights {bundle.manifest.weights}, for {names}")
    return 0


def _random(sizes: str, seed: int, folder: Path, console: Console) -> Path:
    """A checkpoint of random weights in the named sizes."""
    try:
        spec = load_model_spec(sizes)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"checkpoint: no folder '{sizes}', and no sizes of that name either: {error}") from None
    import torch

    from gear_vla_ros.model.checkpoint import save
    from gear_vla_ros.model.gear_vla import GearVla
    from gear_vla_ros.model.text import make_tokens

    torch.manual_seed(seed)
    model = GearVla(spec, make_tokens(spec))
    for parameter in model.expert.parameters():
        if not parameter.any():  # zeros at the start of training would prove nothing about the expert
            torch.nn.init.normal_(parameter, std=0.02)
    save(model, folder)
    console.print(f"[yellow]no folder '{sizes}': random weights in these sizes, seed {seed}; they can do nothing[/]")
    return folder
