"""`gear-vla bench`: the engines of a bundle against each other in one run."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from gear_vla_ros.engines import parity, timing
from gear_vla_ros.engines.bundle import BOTH, CHECKPOINT, Bundle, open_bundle
from gear_vla_ros.engines.engine import Engine, SlowInput, StateInput
from gear_vla_ros.engines.graph_engine import GraphEngine
from gear_vla_ros.engines.timing import FAST, SLOW, Times

ALONE_PASSES, ALONE_LIMIT_S, SETTLED = 20, 600.0, 200
KINDS = ("onnxruntime", "onnxruntime defaults", "torch eager", "torch.compile", "tensorrt")
USUAL = KINDS[:3]


def run(folder: Path, kinds: list[str], passes: int, threads: int, soak: int, as_json: bool, console: Console) -> int:
    """0 when everything ran."""
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise ValueError(f"--engine: '{unknown[0]}', allowed {', '.join(KINDS)}")
    bundle = open_bundle(folder)
    given = recorded_input(bundle)
    engines = {kind: make(bundle, kind, threads) for kind in kinds}
    with Progress(console=console, transient=True, disable=as_json) as progress:
        bar = progress.add_task("passes", total=passes)
        times = timing.measure(engines, given, passes, lambda: progress.advance(bar))
    memory = {kind: alone(folder, kind, threads) for kind in kinds}
    grown = grows(engines[kinds[0]], given, soak, console) if soak else None
    if as_json:
        told = {kind: _facts(times[kind], memory[kind]) for kind in kinds}
        console.print_json(json.dumps({"threads": threads, "passes": passes, "engines": told, "soak": grown}))
        return 0
    _show(bundle, times, memory, threads, passes, console)
    if grown:
        console.print(
            f"{kinds[0]}, {grown['passes']} passes: {grown['begin_mb']:.1f} MB -> {grown['end_mb']:.1f} MB resident"
        )
    return 0


def make(bundle: Bundle, kind: str, threads: int) -> Engine:
    """One engine of a bundle by the bench's name for it. Raises BundleError, ImportError."""
    if kind.startswith("torch"):
        import torch

        from gear_vla_ros.engines.torch_engine import TorchEngine
        from gear_vla_ros.model.checkpoint import load

        bundle.verify_weights()
        torch.set_num_threads(threads)
        return TorchEngine(load(bundle.folder / CHECKPOINT), compiled=kind == "torch.compile")
    names = bundle.parts_of(BOTH)
    bundle.verify(names)
    if kind == "tensorrt":
        from gear_vla_ros.engines.tensorrt_parts import TensorRtParts

        return GraphEngine(bundle, TensorRtParts(bundle, names))
    from gear_vla_ros.engines.onnx_parts import OnnxParts

    return GraphEngine(bundle, OnnxParts(bundle, names, 0 if kind.endswith("defaults") else threads))


def recorded_input(bundle: Bundle) -> SlowInput:
    """Pictures and state of the first recorded input of the parity."""
    state_part = next(name for name in bundle.manifest.parts if name.startswith("state_"))
    calls = parity.read(bundle, ("vision", state_part))
    seen, felt = calls["vision"][0][0], calls[state_part][0][0]
    state = StateInput(state_part.removeprefix("state_"), felt["state"][0], felt["arms"])
    return SlowInput(seen["views"], seen["present"], state, "pick up the red cube")


def alone(folder: Path, kind: str, threads: int) -> float:
    """Peak memory [MB] of a process that runs nothing but this engine."""
    command = [sys.executable, "-m", "gear_vla_ros.cli.bench", str(folder), kind, str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=ALONE_LIMIT_S, check=True)
    return float(done.stdout.split()[-1])


def grows(engine: Engine, given: SlowInput, passes: int, console: Console) -> dict[str, float]:
    """Resident memory [MB] after the first passes and after all of them."""
    process, noise = psutil.Process(), timing.noise_for(engine)
    for _ in range(SETTLED):
        timing.both(engine, given, noise)
    begin = process.memory_info().rss / 2**20
    with Progress(console=console, transient=True) as progress:
        for _ in progress.track(range(passes), description="soak"):
            timing.both(engine, given, noise)
    return {"passes": passes, "begin_mb": begin, "end_mb": process.memory_info().rss / 2**20}


def _facts(times: Times, memory: float) -> dict[str, Any]:
    parts = {part: {"p50": times.p(part, 50), "p99": times.p(part, 99)} for part in times.steady}
    return {"first_ms": times.first, "parts_ms": parts, "end_to_end_ms": times.end_to_end(), "peak_mb": memory}


def _show(
    bundle: Bundle, times: dict[str, Times], memory: dict[str, float], threads: int, passes: int, console: Console
) -> None:
    title = f"{bundle.folder}: {bundle.manifest.spec.name}, {threads} thread(s), {passes} passes in turn [ms]"
    table = Table("engine", "slow p50/p99", "fast p50/p99", "both p50", "ratio", "first", "peak MB", title=title)
    first = next(iter(times.values())).end_to_end()
    for name, taken in times.items():
        table.add_row(
            name,
            *(f"{taken.p(part, 50):.1f} / {taken.p(part, 99):.1f}" for part in (SLOW, FAST)),
            f"{taken.end_to_end():.1f}",
            f"{taken.end_to_end() / first:.2f}",
            f"{taken.first:.0f}",
            f"{memory[name]:.0f}",
        )
    console.print(table)
    for name, taken in times.items():
        parts = [f"{part} {taken.p(part, 50):.2f}" for part in taken.steady if part not in (SLOW, FAST)]
        console.print(f"{name}: {', '.join(parts)}", highlight=False)


if __name__ == "__main__":
    opened, chosen, count = open_bundle(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
    timing.measure({chosen: make(opened, chosen, count)}, recorded_input(opened), ALONE_PASSES)
    print(timing.peak_mb())
