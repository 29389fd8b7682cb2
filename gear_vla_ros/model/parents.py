"""A network from its public parents, Qwen2.5-VL and VGGT-1B, out of local folders. Nothing is downloaded or unpickled.

Both are read under their published names: Qwen2.5-VL's as on its hub page (`visual.*`, `model.*`, `lm_head.*`) or as
newer transformers write them (`model.visual.*`, `model.language_model.*`), VGGT's aggregator as `aggregator.*`.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from gear_vla_ros.model import checkpoint
from gear_vla_ros.model.gear_vla import GearVla
from gear_vla_ros.model.spatial import Aggregator
from gear_vla_ros.model.text import make_tokens
from gear_vla_ros.settings.model import ModelSpec

SHOWN = 3
AGGREGATOR = "aggregator."
MERGER = {"qwen.model.visual.merger.mlp.0.": "projector.flat.", "qwen.model.visual.merger.mlp.2.": "projector.out."}
QWEN = {
    "model.visual.": "qwen.model.visual.",
    "model.language_model.": "qwen.model.language_model.",
    "visual.": "qwen.model.visual.",
    "model.": "qwen.model.language_model.",
    "lm_head.": "qwen.lm_head.",
}
TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "added_tokens.json",
    "special_tokens_map.json", "chat_template.json", "chat_template.jinja",
)  # fmt: skip


@dataclass(frozen=True)
class LoadReport:
    """What a parent gave: names of its weights that are used, and of those that belong to parts not taken over."""

    parent: str
    used: tuple[str, ...]
    left: tuple[str, ...]
    numbers: int

    def __str__(self) -> str:
        return (
            f"{self.parent}: {len(self.used)} weights used ({self.numbers / 1e6:.1f} M numbers), {len(self.left)} of "
            f"parts that GEAR-VLA does not have"
        )


class ParentWeights:
    """The weights of a folder by name, one at a time: `*.safetensors`, else `*.pt`, `*.pth` or `*.bin`.

    Raises FileNotFoundError without any of them, ValueError naming a file that cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._get: dict[str, Callable[[], Tensor]] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._files = ExitStack()
        if found := sorted(folder.glob("*.safetensors")):
            for path in found:
                self._read(path, self._open_safetensors)
            return
        if found := sorted(path for ending in ("pt", "pth", "bin") for path in folder.glob(f"*.{ending}")):
            for path in found:
                self._read(path, self._open_torch)
            return
        raise FileNotFoundError(f"{folder}: no weights there, allowed are *.safetensors, *.pt, *.pth and *.bin files")

    def get(self, name: str) -> Tensor:
        """One weight, on the CPU."""
        return self._get[name]()

    def close(self) -> None:
        """Close the files."""
        self._files.close()

    def _read(self, path: Path, opened: Callable[[Path], None]) -> None:
        try:
            opened(path)
        except Exception as error:
            raise ValueError(f"{path}: not readable as weights: {' '.join(str(error).split())[:200]}") from None

    def _open_safetensors(self, path: Path) -> None:
        content = self._files.enter_context(safe_open(path, framework="pt"))
        for name in content.keys():  # noqa: SIM118
            self.shapes[name] = tuple(content.get_slice(name).get_shape())
            self._get[name] = lambda content=content, name=name: content.get_tensor(name)  # type: ignore[misc]

    def _open_torch(self, path: Path) -> None:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        for name, tensor in content.items():
            self.shapes[name] = tuple(tensor.shape)
            self._get[name] = lambda tensor=tensor: tensor  # type: ignore[misc]


def from_parents(
    spec: ModelSpec, folder: Path, qwen: Path, vggt: Path, dtype: torch.dtype = torch.bfloat16
) -> Iterator[LoadReport]:
    """Make the checkpoint `folder` of the two parents' folders: their weights, the rest random, Qwen's tokenizer.

    One report a parent as soon as it is read; the checkpoint is there once the iterator has ended. Raises as
    `load_qwen`, and FileExistsError when `folder` is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder}: is there already and is not empty; give a new folder")
    tokens = make_tokens(spec, qwen)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        model = GearVla(spec, tokens)
    finally:
        torch.set_default_dtype(before)
    yield load_qwen(model, qwen)
    yield load_vggt(model.spatial, vggt)
    checkpoint.save(model, folder)
    for name in TOKENIZER_FILES:
        if (qwen / name).is_file():
            shutil.copyfile(qwen / name, folder / name)


def load_qwen(model: GearVla, folder: Path) -> LoadReport:
    """Vision tower, merger and language model of Qwen2.5-VL into `model`.

    Rows of the appended ids (latent action, FAST) are drawn around the parent's mean embedding, number by number.
    Raises as `ParentWeights` does, and ValueError, with nothing changed, naming weights that are missing, extra or of
    another shape.
    """
    weights = ParentWeights(folder)
    parts = ("qwen.", "projector.flat.", "projector.out.")
    own = {name: tensor for name, tensor in model.state_dict().items() if name.startswith(parts)}
    if model.spec.language.tied:
        own.pop("qwen.lm_head.weight")
    rows = {name for name in own if name.endswith(("embed_tokens.weight", "lm_head.weight"))}
    views = {name: t[: model.spec.language.vocabulary] if name in rows else t for name, t in own.items()}
    try:
        report = _take("Qwen2.5-VL", views, weights, _qwen_name)
    finally:
        weights.close()
    for name in rows:
        _draw_appended(own[name], model.spec.language.vocabulary)
    return report


def load_vggt(aggregator: Aggregator, folder: Path) -> LoadReport:
    """The aggregator of VGGT-1B; its heads stay behind. Raises as `load_qwen`."""
    weights = ParentWeights(folder)
    try:
        return _take("VGGT", aggregator.state_dict(), weights, _aggregator_name)
    finally:
        weights.close()


def _qwen_name(theirs: str) -> str | None:
    for start, ours in QWEN.items():
        if theirs.startswith(start):
            name = ours + theirs.removeprefix(start)
            return next((new + name.removeprefix(old) for old, new in MERGER.items() if name.startswith(old)), name)
    return None


def _aggregator_name(theirs: str) -> str | None:
    return theirs.removeprefix(AGGREGATOR) if theirs.startswith(AGGREGATOR) else None


def _take(
    parent: str, own: Mapping[str, Tensor], weights: ParentWeights, rename: Callable[[str], str | None]
) -> LoadReport:
    """Copy what `rename` gives one of our names into `own`, all of it or nothing."""
    names = {theirs: ours for theirs in weights.shapes if (ours := rename(theirs)) is not None}
    tied = {theirs for theirs, ours in names.items() if ours == "qwen.lm_head.weight" and ours not in own}
    names = {theirs: ours for theirs, ours in names.items() if theirs not in tied}
    problems = [
        *(f"{name} is missing" for name in sorted(own.keys() - set(names.values()))),
        *(f"{theirs} is not of this network" for theirs, ours in names.items() if ours not in own),
        *_other_shapes(own, names, weights.shapes),
    ]
    if problems:
        more = f" and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise ValueError(f"{parent}: {'; '.join(problems[:SHOWN])}{more}; is it the parent of this size?")
    with torch.no_grad():
        for theirs, ours in names.items():
            own[ours].copy_(weights.get(theirs))
    left = tuple(sorted(weights.shapes.keys() - names.keys()))
    return LoadReport(parent, tuple(sorted(names)), left, sum(own[ours].numel() for ours in names.values()))


def _other_shapes(
    own: Mapping[str, Tensor], names: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]]
) -> Iterable[str]:
    for theirs, ours in names.items():
        if ours in own and shapes[theirs] != tuple(own[ours].shape):
            yield f"{theirs} has shape {list(shapes[theirs])}, allowed {list(own[ours].shape)}"


def _draw_appended(table: Tensor, parents: int) -> None:
    known = table[:parents].float()
    drawn = torch.randn(table.shape[0] - parents, table.shape[1], generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        table[parents:] = (known.mean(dim=0) + known.std(dim=0) * drawn).to(table.dtype)
