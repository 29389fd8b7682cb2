"""`gear-vla checkpoint`: make a checkpoint from the public parents, or say what one holds."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from gear_vla_ros.settings.model import load_model_spec


def make(model: str, folder: Path, qwen: Path, vggt: Path, dtype: str, console: Console) -> int:
    """Parents -> checkpoint folder, one line a parent."""
    import torch

    from gear_vla_ros.model.parents import from_parents

    kinds = {"bfloat16": torch.bfloat16, "float32": torch.float32}
    if dtype not in kinds:
        raise ValueError(f"--dtype: '{dtype}', allowed {' or '.join(kinds)}")
    console.print(f"building {model} in {dtype} ...")
    for report in from_parents(load_model_spec(model), folder, qwen, vggt, kinds[dtype]):
        console.print(str(report))
    console.print(f"checkpoint: {folder}; state projectors, latent queries and action expert are untrained")
    return 0


def show(folder: Path, console: Console) -> int:
    """Sizes of a checkpoint, part by part, read without loading it."""
    from safetensors import safe_open

    from gear_vla_ros.model.checkpoint import SPEC, WEIGHTS
    from gear_vla_ros.settings.loading import load
    from gear_vla_ros.settings.model import ModelSpec

    for name in (SPEC, WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"checkpoint {folder}: no {name}")
    spec = load(ModelSpec, folder / SPEC)
    parts: dict[str, int] = {}
    kinds: dict[str, set[str]] = {}
    with safe_open(folder / WEIGHTS, framework="numpy") as weights:
        for name in weights.keys():  # noqa: SIM118
            part, piece, numbers = name.split(".")[0], weights.get_slice(name), 1
            for size in piece.get_shape():
                numbers *= size
            parts[part] = parts.get(part, 0) + numbers
            kinds.setdefault(part, set()).add(piece.get_dtype())
    table = Table("part", "numbers [M]", "precision", title=f"{folder}: {spec.name}", title_justify="left")
    for part, numbers in sorted(parts.items()):
        table.add_row(part, f"{numbers / 1e6:.3f}", ", ".join(sorted(kinds[part])))
    console.print(table)
    console.print(
        "embodiments: " + ", ".join(f"{name} ({joints} joints an arm)" for name, joints in spec.embodiments.items())
    )
    return 0
