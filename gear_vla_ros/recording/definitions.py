"""Message definitions as rosbag2 embeds them, so that a bag can be read with nothing else installed.

The text of a type is its .msg file, followed by those of every type it uses, each after a line of 80 `=` and a
line `MSG: package/Type` (https://mcap.dev/spec/registry#ros2msg).
"""

import json
import os
import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rosbags.typesys import get_types_from_msg
from rosbags.typesys.store import Typestore

from gear_vla_ros.settings.paths import PACKAGE, share_dir

_SEPARATOR = "\n" + "=" * 80 + "\nMSG: {}\n"
_FIELD = re.compile(r"^\s*(?P<type>[A-Za-z][A-Za-z0-9_/]*)(?:<=\d+)?(?:\[[^\]]*\])?\s+[a-zA-Z]")
_EMBEDDED = {
    ("foxglove_msgs", "CompressedVideo"): (
        "builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format\n"
    )
}
"""Definitions of what we write without its package: https://docs.foxglove.dev/docs/sdk/schemas/compressed-video."""
_INTEGERS = frozenset(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
_PRIMITIVES = _INTEGERS | {"bool", "byte", "char", "float32", "float64", "string", "wstring"}


@dataclass(frozen=True)
class Definition:
    """text: the embedded definition. type_hash: RIHS01 of REP 2016, empty where the distribution has none."""

    text: str
    type_hash: str


@lru_cache(maxsize=256)
def definition(type_name: str) -> Definition:
    """Definition of `package/msg/Type`. Raises LookupError naming the type and the places that were searched."""
    package, name = _split(type_name)
    text = _text(package, name)
    seen = {(package, name)}
    pending = _uses(package, text)
    while pending:
        used = pending.pop(0)
        if used in seen:
            continue
        seen.add(used)
        inner = _text(*used)
        text += _SEPARATOR.format("/".join(used)) + inner
        pending += _uses(used[0], inner)
    return Definition(text, _type_hash(package, name))


def typestore(*type_names: str) -> Typestore:
    """Knows these types and what they use. Raises LookupError."""
    store = Typestore()
    for type_name in type_names:
        register(store, type_name, definition(type_name).text)
    return store


def register(store: Typestore, type_name: str, text: str) -> None:
    """Add a type by its definition; what the store knows already stays."""
    types = get_types_from_msg(text, type_name)
    store.register({name: fields for name, fields in types.items() if name not in store.fielddefs})


def _split(type_name: str) -> tuple[str, str]:
    parts = type_name.split("/")
    if len(parts) != 3 or parts[1] != "msg":
        raise LookupError(f"message type '{type_name}': allowed is package/msg/Type, as sensor_msgs/msg/Image")
    return parts[0], parts[2]


def _uses(package: str, text: str) -> list[tuple[str, str]]:
    """Types of the fields of one .msg text that are messages themselves."""
    types = [match["type"] for line in text.splitlines() if (match := _FIELD.match(line))]
    named = [name for name in dict.fromkeys(types) if name not in _PRIMITIVES]
    return [(name.split("/")[0], name.split("/")[-1]) if "/" in name else (package, name) for name in named]


def _folders(package: str) -> list[Path]:
    """Where the package's messages may be, installed ones first."""
    prefixes = [p for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    folders = [Path(prefix) / "share" / package / "msg" for prefix in [*prefixes, sys.prefix]]
    return [*folders, share_dir() / "msg"] if package == PACKAGE else folders


def _text(package: str, name: str) -> str:
    folders = _folders(package)
    for folder in folders:
        if (file := folder / f"{name}.msg").is_file():
            return file.read_text(encoding="utf-8")
    if (package, name) in _EMBEDDED:
        return _EMBEDDED[package, name]
    tried = ", ".join(str(folder) for folder in folders)
    raise LookupError(f"message type {package}/msg/{name}: no definition {name}.msg in {tried}; source the workspace")


def _type_hash(package: str, name: str) -> str:
    for folder in _folders(package):
        if (file := folder / f"{name}.json").is_file():
            hashes = json.loads(file.read_text(encoding="utf-8")).get("type_hashes", [])
            return next((str(h["hash_string"]) for h in hashes if h["type_name"] == f"{package}/msg/{name}"), "")
    return ""
