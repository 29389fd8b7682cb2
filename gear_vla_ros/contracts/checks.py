"""Checks of arrays and numbers at the boundary; each failure is one line that names the field."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.geometry import se3

V = TypeVar("V")


class ContractError(ValueError):
    """A value that breaks a contract: which field, what was found, what is allowed."""


def array(field: str, value: NDArray[np.float64], shape: tuple[int | None, ...]) -> NDArray[np.float64]:
    """`value` as a read-only float64 array of `shape` (None: any length) with finite elements."""
    out = np.array(value, dtype=np.float64)
    if out.ndim != len(shape) or any(want not in (None, have) for want, have in zip(shape, out.shape, strict=True)):
        allowed = "[" + ", ".join("any" if n is None else str(n) for n in shape) + "]"
        raise ContractError(f"{field}: shape {list(out.shape)}, allowed {allowed}")
    if not np.all(np.isfinite(out)):
        where = [int(i) for i in np.argwhere(~np.isfinite(out))[0]]
        raise ContractError(f"{field}: element {where} is {out[tuple(where)]}, allowed are finite numbers")
    out.flags.writeable = False
    return out


def transform(field: str, value: NDArray[np.float64], batch: tuple[int | None, ...] = ()) -> NDArray[np.float64]:
    """`value` as read-only rigid transforms `[*batch, 4, 4]`, orthonormal to 1e-4."""
    out = array(field, value, (*batch, 4, 4))
    if not se3.is_transform(out, tolerance=1e-4):
        raise ContractError(f"{field}: rotation part is not orthonormal to 1e-4, allowed are rigid transforms")
    return out


def unit_interval(field: str, value: NDArray[np.float64], shape: tuple[int | None, ...]) -> NDArray[np.float64]:
    """`value` as a read-only array with elements in [0, 1] (grippers: 0 closed, 1 open), to 1e-6."""
    out = array(field, value, shape)
    if out.size and (out.min() < -1e-6 or out.max() > 1 + 1e-6):
        raise ContractError(f"{field}: values from {out.min():g} to {out.max():g}, allowed 0 (closed) to 1 (open)")
    return out


def positive_stamp(field: str, stamp_ns: int) -> int:
    """`stamp_ns`, refused when zero or negative: an unset stamp is a fault of the driver, not a time."""
    if stamp_ns <= 0:
        raise ContractError(f"{field}: stamp {stamp_ns} ns, allowed are capture times greater than zero")
    return stamp_ns


def frozen(field: str, items: Mapping[str, V]) -> Mapping[str, V]:
    """A read-only copy of a non-empty mapping."""
    if not items:
        raise ContractError(f"{field}: empty, at least one entry is needed")
    return MappingProxyType(dict(items))
