"""Where configuration and URDF files are, in a source tree, a colcon workspace or a pip installation."""

import os
import sys
from pathlib import Path

from gear_vla_ros.settings.errors import did_you_mean

PACKAGE = "gear_vla_ros"


def share_dir() -> Path:
    """The folder that holds `config/` and `urdf/`.

    First of: `$GEAR_VLA_SHARE`, the source tree, each prefix of `$AMENT_PREFIX_PATH`, the Python prefix.
    Raises FileNotFoundError naming the places that were tried.
    """
    prefixes = [p for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    candidates = [Path(__file__).resolve().parents[2]]
    candidates += [Path(prefix) / "share" / PACKAGE for prefix in [*prefixes, sys.prefix]]
    if chosen := os.environ.get("GEAR_VLA_SHARE"):
        candidates = [Path(chosen)]
    for candidate in candidates:
        if (candidate / "config" / "robots").is_dir():
            return candidate
    tried = ", ".join(str(c) for c in candidates)
    raise FileNotFoundError(f"no folder with config/robots found; tried {tried}; set GEAR_VLA_SHARE to it")


def policy_folder(name_or_path: str) -> Path:
    """The shipped policy of that name in config/policies, else the folder of that path, which may not be there."""
    shipped = share_dir() / "config" / "policies" / name_or_path
    if name_or_path and "/" not in name_or_path and shipped.is_dir():
        return shipped
    return Path(name_or_path).expanduser()


def named_file(folder: Path, name_or_path: str, suffix: str) -> Path:
    """The file of that name in `folder`, or of that path if it ends with `suffix`.

    Raises FileNotFoundError listing the names there are.
    """
    if name_or_path.endswith(suffix):
        path = Path(name_or_path).expanduser()
        if path.is_file():
            return path
        raise FileNotFoundError(f"no file {path}")
    path = folder / f"{name_or_path}{suffix}"
    if "/" not in name_or_path and path.is_file():
        return path
    names = sorted(p.name.removesuffix(suffix) for p in folder.glob(f"*{suffix}"))
    hint = did_you_mean(name_or_path, names)
    raise FileNotFoundError(f"'{name_or_path}' is not in {folder.name}/{hint}; there are {', '.join(names) or 'none'}")
