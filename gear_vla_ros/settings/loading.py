"""YAML -> validated model."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from gear_vla_ros.settings.errors import SettingsError, describe

M = TypeVar("M", bound=BaseModel)


class Spec(BaseModel):
    """Base of every specification: immutable, unknown keys refused, no NaN or infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


def parse(model: type[M], data: Any, source: str) -> M:
    """`data` as a `model`. Raises `SettingsError` with one line a finding."""
    if not isinstance(data, dict):
        raise SettingsError(f"{source}: found {type(data).__name__}, allowed is a mapping of keys")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise describe(source, model, error) from None


def read(path: Path) -> Any:
    """The YAML file's content. Raises `SettingsError` naming file, line and column when it is not YAML."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        what = " ".join(str(error).split())
        raise SettingsError(f"{path.name}: not readable as YAML: {what}") from None


def load(model: type[M], path: Path) -> M:
    """The file as a `model`. Raises `SettingsError`."""
    return parse(model, read(path), path.name)
