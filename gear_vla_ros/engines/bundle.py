"""An engine bundle on disk: a folder that a node can run, and what it must be able to say of itself.

bundle.json          this manifest
<part>.onnx[.data]   one graph a part, static shapes, batch 1
tokenizer.json       of the parent, where the network has one
embedding.npy        token embeddings [vocabulary, D]: float32, or the raw 16 bits of bfloat16
parity.npz           recorded inputs of every part and what PyTorch in float32 makes of them
checkpoint/          the weights it was made from, for the torch backend (`--no-weights` leaves them out)
plans/               TensorRT plans built here; may be deleted at any time

Nothing is unpickled. Sizes are checked before a file is read, and contents before they are used.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from gear_vla_ros.settings.errors import did_you_mean
from gear_vla_ros.settings.loading import Spec, parse
from gear_vla_ros.settings.model import ModelSpec
from gear_vla_ros.settings.runtime import SeamName

MANIFEST, EMBEDDING, PARITY, TOKENIZER = "bundle.json", "embedding.npy", "parity.npz", "tokenizer.json"
CHECKPOINT, PLANS = "checkpoint", "plans"
FORMAT, OPSET = 1, 20
"""Opset 20 is the newest that TensorRT 10 reads."""
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
_CHUNK = 1024 * 1024

Paths = frozenset[Literal["slow", "fast"]]
BOTH: Paths = frozenset({"slow", "fast"})


class BundleError(ValueError):
    """A bundle that cannot be used: which, what was found, what is allowed."""


class TensorRecord(Spec):
    """An input or output of a part."""

    dtype: Literal["float32", "int64", "bool", "uint8"]
    shape: tuple[int, ...]


class ParityRecord(Spec):
    """How near an output came to PyTorch in float32 on the recorded inputs when the bundle was made."""

    cosine: float
    max_error: float


class PartRecord(Spec):
    """One graph."""

    file: str
    inputs: dict[str, TensorRecord]
    outputs: dict[str, TensorRecord]
    parity: dict[str, ParityRecord] = Field(default_factory=dict)


class FileRecord(Spec):
    """What a file must be."""

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class SpecialIdsRecord(Spec):
    """Ids that frame pictures, pad sentences and begin the action."""

    pad: int
    vision_start: int
    vision_end: int
    begin_action: int


class StatisticsRecord(Spec):
    """Per step and number the middle and half of its range (see `model.normalise`)."""

    centre: tuple[tuple[float, ...], ...]
    half_range: tuple[tuple[float, ...], ...]


class QuantisedRecord(Spec):
    """Which parts are in fewer bits than `Manifest.dtype`, and what that changes about the chunks."""

    to: Literal["int8"]
    parts: tuple[str, ...]
    calibrated_on: int
    """Inputs that the ranges of the activations were taken from."""
    proved_on: int = 0
    chunk_error_m: float = 0.0
    chunk_error_rad: float = 0.0
    """Greatest difference to the chunks of `Manifest.dtype`, from the same noise, on other inputs."""


class Manifest(Spec):
    """bundle.json."""

    format: int
    weights: str = Field(pattern="^[0-9a-f]{12}$")
    """Fingerprint of the checkpoint; engines of equal weights take each other's latents."""
    spec: ModelSpec
    robots: dict[str, str] = Field(min_length=1)
    """Embodiment id by robot."""
    tasks: tuple[str, ...] = ()
    """What it has learned, by name as in simulation; empty: not said."""
    seam: SeamName | None = None
    """How its chunks are to meet; None: not said."""
    dtype: Literal["float32", "bfloat16"]
    """Of the weights inside the graphs."""
    opset: int
    text_tokens: int = Field(ge=2)
    """Length of an instruction with the token that begins the action."""
    special_ids: SpecialIdsRecord
    statistics: StatisticsRecord
    parts: dict[str, PartRecord]
    files: dict[str, FileRecord]
    made_with: dict[str, str]
    quantised: QuantisedRecord | None = None

    @field_validator("files")
    @classmethod
    def _inside(cls, files: dict[str, FileRecord]) -> dict[str, FileRecord]:
        for name in files:
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise ValueError(f"'{name}' leads out of the bundle")
        return files


@dataclass(frozen=True)
class Bundle:
    """An opened manifest. Files are read only after `verify` has seen them."""

    folder: Path
    manifest: Manifest

    def precision(self, part: str) -> str:
        """In which a part computes its products: that of the weights, or int8."""
        record = self.manifest.quantised
        return record.to if record is not None and part in record.parts else self.manifest.dtype

    @property
    def has_weights(self) -> bool:
        """Whether the torch backend can run from it."""
        return any(name.startswith(f"{CHECKPOINT}/") for name in self.manifest.files)

    def parts_of(self, paths: Paths) -> tuple[str, ...]:
        """Names of the parts that these paths run."""
        fast = [name for name in self.manifest.parts if name.startswith("state_") or name == "expert"]
        slow = [name for name in self.manifest.parts if name != "expert"]
        return tuple(dict.fromkeys([*(slow if "slow" in paths else ()), *(fast if "fast" in paths else ())]))

    def embodiment(self, robot: str) -> str:
        """Embodiment id of a robot. Raises BundleError if the bundle was not made for it."""
        robots = self.manifest.robots
        if robot not in robots:
            hint = did_you_mean(robot, robots)
            raise BundleError(
                f"{self.folder}: made for {', '.join(robots)}, not for robot '{robot}'{hint}; export it with --robot"
            )
        return robots[robot]

    def verify(self, parts: Iterable[str]) -> None:
        """Compare these parts' files, embedding and parity with the manifest. Raises BundleError on the first
        that is missing, of another size, or of other content."""
        wanted = {self.manifest.parts[part].file for part in parts}
        for name, record in self.manifest.files.items():
            if name in (EMBEDDING, PARITY, TOKENIZER) or name in wanted or name.removesuffix(".data") in wanted:
                self._verify(name, record)

    def verify_weights(self) -> None:
        """As `verify`, for the checkpoint."""
        if not self.has_weights:
            raise BundleError(f"{self.folder}: holds no {CHECKPOINT}/; it was exported with --no-weights")
        for name, record in self.manifest.files.items():
            if name.startswith(f"{CHECKPOINT}/"):
                self._verify(name, record)

    def _verify(self, name: str, record: FileRecord) -> None:
        file = self.folder / name
        if not file.is_file():
            raise BundleError(f"{file}: missing; export the bundle again")
        if file.stat().st_size != record.bytes:
            raise BundleError(f"{file}: {file.stat().st_size} bytes, the manifest says {record.bytes}: cut or replaced")
        if (found := sha256(file)) != record.sha256:
            raise BundleError(f"{file}: sha256 {found[:12]}…, the manifest says {record.sha256[:12]}…: changed")


def is_bundle(folder: Path) -> bool:
    """Whether there is a manifest."""
    return (folder / MANIFEST).is_file()


def open_bundle(folder: Path) -> Bundle:
    """Read the manifest. Raises BundleError or SettingsError, one line a finding; FileNotFoundError without one."""
    file = folder / MANIFEST
    if not file.is_file():
        raise FileNotFoundError(f"bundle {folder}: no {MANIFEST}; `gear-vla export` makes one")
    if file.stat().st_size > MAX_MANIFEST_BYTES:
        raise BundleError(f"{file}: {file.stat().st_size} bytes, allowed {MAX_MANIFEST_BYTES}")
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"{file}: not readable as JSON: {error}") from None
    found = data.get("format") if isinstance(data, dict) else None
    if found != FORMAT:
        raise BundleError(f"{file}: format {found!r}, this version reads {FORMAT}; export the bundle again")
    manifest = parse(Manifest, data, str(file))
    if manifest.opset > OPSET:
        raise BundleError(f"{file}: opset {manifest.opset}, allowed up to {OPSET}")
    _complete(file, manifest)
    return Bundle(folder, manifest)


def check_new(folder: Path) -> None:
    """Raises FileExistsError where a bundle is to be made and something is already."""
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder}: is not empty; nothing was written")


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Put bundle.json in place, whole or not at all."""
    staged = folder / f".{MANIFEST}"
    staged.write_text(json.dumps(manifest.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")
    staged.replace(folder / MANIFEST)


def file_records(folder: Path) -> dict[str, FileRecord]:
    """Every file of a bundle that is being made, by its path inside."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name.removeprefix(".") != MANIFEST)
    return {
        str(p.relative_to(folder)): FileRecord(bytes=p.stat().st_size, sha256=sha256(p))
        for p in files
        if PLANS not in p.relative_to(folder).parts
    }


def sha256(file: Path) -> str:
    """Of a file's content."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()


def needed_parts(spec: ModelSpec, embodiments: Collection[str]) -> list[str]:
    """Names of all parts of a network."""
    latents = "step" if spec.latents.decoding == "autoregressive" else "parallel"
    return ["vision", "prefill", latents, "expert", *(f"state_{name}" for name in embodiments)]


def _complete(file: Path, manifest: Manifest) -> None:
    needed = needed_parts(manifest.spec, sorted(set(manifest.robots.values())))
    if missing := [name for name in needed if name not in manifest.parts]:
        raise BundleError(f"{file}: parts: {', '.join(missing)} missing")
    steps, numbers = manifest.spec.expert.steps, manifest.spec.action_numbers
    statistics: Mapping[str, tuple[tuple[float, ...], ...]] = manifest.statistics.model_dump()
    for name, rows in statistics.items():
        if len(rows) != steps or any(len(row) != numbers for row in rows):
            found = f"{len(rows)} steps of {sorted({len(row) for row in rows})} numbers"
            raise BundleError(f"{file}: statistics.{name}: {found}, allowed {steps} of {numbers}")
    for name, part in manifest.parts.items():
        if part.file not in manifest.files:
            raise BundleError(f"{file}: parts.{name}.file: '{part.file}' is not among its files")
    for name in (EMBEDDING, PARITY):
        if name not in manifest.files:
            raise BundleError(f"{file}: files: no {name}")
