"""Does a backend compute what PyTorch in float32 does? On recorded inputs that travel in the bundle."""

import sys
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.engines.bundle import PARITY, Bundle, BundleError, ParityRecord
from gear_vla_ros.engines.parts import Parts, Value

Arrays = dict[str, NDArray[Any]]
Call = tuple[Arrays, Arrays]
"""Inputs and outputs of one run of a part."""

LEAST_COSINE = {"float32": 0.99999, "bfloat16": 0.99, "int8": 0.99}
MOST_ERROR = {"float32": 1e-3, "bfloat16": float("inf"), "int8": float("inf")}
"""By precision. The error counts as a share of the reference's root mean square where that is over one."""


class Recorder:
    """Parts that remember one run of each part: the last one, or the last up to number `until`, counted from 0."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._runs: Counter[str] = Counter()
        self._until = sys.maxsize
        self.calls: dict[str, Call] = {}

    def begin(self, until: int = sys.maxsize) -> None:
        """Forget all runs."""
        self.calls.clear()
        self._runs.clear()
        self._until = until

    @property
    def about(self) -> str:
        """Of the parts that are recorded."""
        return self._parts.about

    def run(self, part: str, inputs: Mapping[str, Value], kept: Collection[str] = ()) -> dict[str, Value]:
        """Run and remember; nothing is kept on a device."""
        outputs = self._parts.run(part, inputs)
        if self._runs[part] <= self._until:
            self.calls[part] = ({name: np.array(value) for name, value in inputs.items()}, dict(outputs))
        self._runs[part] += 1
        return outputs

    def put(self, value: NDArray[Any]) -> Value:
        """Stays where it is."""
        return value

    def close(self) -> None:
        """Close the parts."""
        self._parts.close()


def store(calls: Mapping[str, Sequence[Call]]) -> Arrays:
    """Calls by part as named arrays for an .npz."""
    return {
        f"{part}/{index}/{way}/{name}": value
        for part, several in calls.items()
        for index, call in enumerate(several)
        for way, arrays in zip(("in", "out"), call, strict=True)
        for name, value in arrays.items()
    }


def read(bundle: Bundle, parts: Collection[str]) -> dict[str, list[Call]]:
    """Recorded calls of these parts. Raises BundleError where one has none."""
    calls: dict[str, dict[str, Call]] = {part: {} for part in parts}
    with np.load(bundle.folder / PARITY, allow_pickle=False) as stored:
        for key in stored.files:
            part, index, way, name = key.split("/")
            if part in calls:
                calls[part].setdefault(index, ({}, {}))[0 if way == "in" else 1][name] = stored[key]
    if missing := [part for part, found in calls.items() if not found]:
        raise BundleError(f"{bundle.folder / PARITY}: no recorded inputs of {', '.join(missing)}")
    return {part: list(found.values()) for part, found in calls.items()}


def measure(parts: Parts, calls: Mapping[str, Sequence[Call]]) -> dict[str, dict[str, ParityRecord]]:
    """Worst cosine and error by part and output."""
    found: dict[str, dict[str, ParityRecord]] = {}
    for part, several in calls.items():
        outputs = found.setdefault(part, {})
        for inputs, wanted in several:
            made = parts.run(part, inputs)
            for name, reference in wanted.items():
                outputs[name] = _worse(outputs.get(name), _compare(made[name], reference))
    return found


def check(
    parts: Parts, bundle: Bundle, names: Collection[str], say: Callable[[str], None] = lambda _: None
) -> dict[str, dict[str, ParityRecord]]:
    """As `measure`, on the recorded inputs. Raises BundleError naming part, output and both figures when one is off."""
    found = measure(parts, read(bundle, names))
    for part, outputs in found.items():
        least, most = LEAST_COSINE[bundle.precision(part)], MOST_ERROR[bundle.precision(part)]
        for name, parity in outputs.items():
            line = f"{part}.{name}: cosine {parity.cosine:.6f}, max error {parity.max_error:.2g}"
            if not (parity.cosine >= least and parity.max_error <= most):
                raise BundleError(f"parity on {parts.about}: {line}, allowed from {least} and up to {most:g}")
            say(line)
    return found


def _compare(made: NDArray[Any], reference: NDArray[Any]) -> ParityRecord:
    if made.shape != reference.shape or not np.isfinite(made).all():
        return ParityRecord(cosine=-1.0, max_error=1e30)
    a, b = made.astype(np.float64).ravel(), reference.astype(np.float64).ravel()
    scale = max(1.0, float(np.sqrt(np.mean(b * b))))
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    cosine = float(a @ b) / norms if norms else float(not (a.any() or b.any()))
    return ParityRecord(cosine=min(cosine, 1.0), max_error=float(np.abs(a - b).max()) / scale)


def _worse(a: ParityRecord | None, b: ParityRecord) -> ParityRecord:
    if a is None:
        return b
    return ParityRecord(cosine=min(a.cosine, b.cosine), max_error=max(a.max_error, b.max_error))
