"""`gear-vla export`: a checkpoint as an engine bundle that the nodes run."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from gear_vla_ros.cli import samples
from gear_vla_ros.engines.arrays import slow_input
from gear_vla_ros.engines.bundle import Bundle, check_new
from gear_vla_ros.engines.engine import SlowInput
from gear_vla_ros.settings import RobotSpec, load_robot
from gear_vla_ros.settings.loading import load
from gear_vla_ros.settings.model import ModelSpec, load_model_spec
from gear_vla_ros.settings.runtime import SEAM_NAMES

TARGETS = {"onnx": "float32", "tensorrt": "bfloat16"}
"""Where the bundle is to run, and the precision that is usual there."""
INT8, CALIBRATION = "int8", 16


@dataclass(frozen=True)
class Wanted:
    """What a bundle is to be like. to: onnx or tensorrt. dtype: of the weights, '' for the target's usual one.
    text_tokens: length of the longest instruction and one. weights: the checkpoint inside. quantise: '' or int8. tasks:
    what the network has learned, seam: how its chunks are to meet, empty where that is not said."""

    to: str
    dtype: str
    text_tokens: int
    weights: bool
    quantise: str
    tasks: tuple[str, ...] = ()
    seam: str = ""

    def __post_init__(self) -> None:
        if self.to not in TARGETS:
            raise ValueError(f"--to: '{self.to}', allowed {' or '.join(TARGETS)}")
        if self.precision not in TARGETS.values():
            raise ValueError(f"--dtype: '{self.dtype}', allowed {' or '.join(TARGETS.values())}")
        if self.quantise not in ("", INT8):
            raise ValueError(f"--quantise: '{self.quantise}', allowed {INT8}")
        if self.seam and self.seam not in SEAM_NAMES:
            raise ValueError(f"--seam: '{self.seam}', allowed {', '.join(SEAM_NAMES)}")
        if self.quantise and self.precision != "float32":
            raise ValueError(f"--quantise {INT8}: graphs of {self.precision}, allowed --dtype float32")

    @property
    def precision(self) -> str:
        """Of the weights."""
        return self.dtype or TARGETS[self.to]


def run(
    checkpoint: str,
    robots: list[str],
    wanted: Wanted,
    out: Path,
    inputs: Path | None,
    calibrate: list[Path],
    seed: int,
    console: Console,
) -> int:
    """0 when the bundle is there and every part agrees with PyTorch."""
    if calibrate and not wanted.quantise:
        raise ValueError(f"--calibrate: nothing to calibrate, allowed with --quantise {INT8}")
    check_new(out)
    specs = {name: load_robot(name) for name in robots}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(checkpoint).expanduser()
        if not folder.is_dir():
            folder = _random(checkpoint, seed, Path(scratch) / "checkpoint", console)
        model, embodiments = _fitting(folder, specs)
        given = _seen(specs, model, [inputs] if inputs else [], 0, samples.COUNT)
        where = f"out of {inputs}" if inputs else "of the simulated robot"
        console.print(f"inputs for the parity: {len(given)}, {where}", highlight=False)
        plain = Path(scratch) / "bundle" if wanted.quantise else out
        bundle = _export(folder, plain, embodiments, given, wanted, console)
        if wanted.quantise:
            bundle = _quantise(bundle, out, _seen(specs, model, calibrate, samples.COUNT, CALIBRATION), given, console)
    size = sum(record.bytes for record in bundle.manifest.files.values())
    names = ", ".join(embodiments)
    console.print(f"bundle: {out}, {size / 1e6:.1f} MB, weights {bundle.manifest.weights}, for {names}")
    return 0


def _fitting(folder: Path, robots: dict[str, RobotSpec]) -> tuple[ModelSpec, dict[str, str]]:
    """A checkpoint's sizes, and the embodiment id of each robot."""
    from gear_vla_ros.model.checkpoint import SPEC

    if not (folder / SPEC).is_file():
        raise FileNotFoundError(f"checkpoint {folder}: no {SPEC}; allowed a checkpoint folder or the name of sizes")
    model = load(ModelSpec, folder / SPEC)
    embodiments = {robot.name: robot.state_projector.embodiment for robot in robots.values()}
    if unknown := [f"{name} ('{e}')" for name, e in embodiments.items() if e not in model.embodiments]:
        known = ", ".join(model.embodiments)
        raise ValueError(f"--robot: {', '.join(unknown)}: the network has no such state projector; it has {known}")
    return model, embodiments


def _seen(
    robots: dict[str, RobotSpec], model: ModelSpec, episodes: list[Path], first: int, count: int
) -> list[SlowInput]:
    """`count` inputs of each robot and episode; without episodes of the simulated robot, scenes from `first`."""
    given = []
    for robot in robots.values():
        seen = [one for episode in episodes for one in samples.from_episode(episode, robot, count)]
        seen = seen or samples.from_simulation(robot, first, count)
        given += [slow_input(observation, robot, model) for observation in seen]
    return given


def _export(
    folder: Path, out: Path, embodiments: dict[str, str], given: list[SlowInput], wanted: Wanted, console: Console
) -> Bundle:
    from gear_vla_ros.engines.export import export

    return export(
        folder,
        out,
        embodiments,
        given,
        dtype=wanted.precision,
        text_tokens=wanted.text_tokens,
        tasks=wanted.tasks,
        seam=wanted.seam or None,  # type: ignore[arg-type]
        weights=wanted.weights,
        say=lambda line: console.print(line, highlight=False),
    )


def _quantise(
    bundle: Bundle, out: Path, calibration: list[SlowInput], proof: list[SlowInput], console: Console
) -> Bundle:
    from gear_vla_ros.engines.quantised import quantise

    console.print(f"{INT8}: calibrating on {len(calibration)} other inputs")
    made = quantise(bundle, out, calibration, proof)
    record = made.manifest.quantised
    assert record is not None
    for part in record.parts:
        before, after = ((b.folder / b.manifest.parts[part].file).stat().st_size for b in (bundle, made))
        worst = min(parity.cosine for parity in made.manifest.parts[part].parity.values())
        console.print(f"{part}: {before / 1e6:.1f} -> {after / 1e6:.1f} MB, cosine {worst:.5f}", highlight=False)
    console.print(
        f"chunks of {record.proved_on} inputs differ from float32's by up to {1e3 * record.chunk_error_m:.1f} mm and "
        f"{np.degrees(record.chunk_error_rad):.1f} degrees",
        highlight=False,
    )
    return made


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
