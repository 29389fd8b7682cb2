"""Turns pydantic's findings into lines that name the file, the key path, the value and what is allowed."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError


class SettingsError(ValueError):
    """A configuration file that cannot be used; one line a finding."""


def did_you_mean(found: str, allowed: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the closest of `allowed`, or an empty string."""
    close = difflib.get_close_matches(found, list(allowed), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def describe(source: str, model: type[BaseModel], error: ValidationError) -> SettingsError:
    """One `SettingsError` for all findings of `error`."""
    findings = error.errors()
    return SettingsError("\n".join(_line(source, model, f) for f in findings if not _follows(f, findings)))


def _follows(finding: Any, findings: Sequence[Any]) -> bool:
    """Whether a `too_short` is only there because an item inside was refused."""
    location = finding["loc"]
    return finding["type"] == "too_short" and any(
        len(other["loc"]) > len(location) and other["loc"][: len(location)] == location for other in findings
    )


def _line(source: str, model: type[BaseModel], finding: Any) -> str:
    location: Sequence[str | int] = finding["loc"]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".") or "(top)"
    kind, value = finding["type"], finding["input"]
    if kind == "extra_forbidden":
        names = _keys_at(model, location[:-1])
        return f"{source}: {path}: unknown key{did_you_mean(str(location[-1]), names)}; allowed {', '.join(names)}"
    if kind == "missing":
        return f"{source}: {path}: missing, it is required"
    shown = repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:57]}..."
    message = str(finding["msg"]).removeprefix("Value error, ")
    hint = ""
    if kind == "literal_error":
        expected = str(finding["ctx"]["expected"])
        hint = did_you_mean(str(value), [word.strip("' ") for word in expected.replace(" or ", ",").split(",")])
    return f"{source}: {path}: found {shown}; {message[:1].lower()}{message[1:]}{hint}"


def _keys_at(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """Field names of the model that `location` leads to."""
    current: Any = model
    for part in location:
        if isinstance(part, str) and isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(part)
            current = field.annotation if field else None
        current = _inner_model(current)
    inner = _inner_model(current)
    return sorted(inner.model_fields) if inner is not None else []


def _inner_model(annotation: Any) -> Any:
    """The first pydantic model inside an annotation as `tuple[ArmSpec, ...]` or `X | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        if (found := _inner_model(argument)) is not None:
            return found
    return None
