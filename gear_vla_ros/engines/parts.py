"""What a backend is to an engine: a bundle's graphs by name, on one device."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from gear_vla_ros.engines.bundle import PartRecord, TensorRecord

Value = Any
"""A numpy array, or an array of the backend's own that an earlier `run` kept on the device."""


@dataclass(frozen=True)
class Described:
    """Shape and type of an array of the backend's own, as numpy names them, for `check_inputs`."""

    shape: tuple[int, ...]
    dtype: str


class Parts(Protocol):
    """Graphs of one bundle. For one thread."""

    @property
    def about(self) -> str:
        """Backend, its version and device, for people."""
        ...

    def run(self, part: str, inputs: Mapping[str, Value], kept: Collection[str] = ()) -> dict[str, Value]:
        """Outputs by name. Those in `kept` stay on the device and fit as inputs of another run until the next run of
        the same part; the others are numpy arrays. Raises ValueError on an input of another name, shape or type."""
        ...

    def put(self, value: NDArray[Any]) -> Value:
        """`value` on the device, for several runs; valid until `close`."""
        ...

    def close(self) -> None:
        """Release memory."""
        ...


def record_of(records: Mapping[str, PartRecord], part: str) -> PartRecord:
    """The part's record. Raises ValueError when this process does not run it."""
    if part not in records:
        raise ValueError(f"{part}: not loaded here, only {', '.join(sorted(records))}")
    return records[part]


def check_inputs(part: str, wanted: Mapping[str, TensorRecord], given: Mapping[str, Value]) -> None:
    """Raise ValueError unless numpy inputs are what the manifest's TensorRecords `wanted` say."""
    if wanted.keys() != given.keys():
        raise ValueError(f"{part}: inputs {', '.join(sorted(given))}, allowed {', '.join(sorted(wanted))}")
    for name, record in wanted.items():
        value: NDArray[Any] = given[name]
        shape, dtype = tuple(getattr(value, "shape", record.shape)), getattr(value, "dtype", record.dtype)
        if shape != record.shape or str(dtype) != record.dtype:
            raise ValueError(f"{part}.{name}: {dtype} {list(shape)}, allowed {record.dtype} {list(record.shape)}")
