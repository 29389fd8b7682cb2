"""What a recorded run shows: rates, tick jitter and latencies, from stamps alone."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rich.table import Table

MS = 1e-6
TARGET, CHUNK, LATENTS = "/gear_vla/target", "/gear_vla/chunk", "/gear_vla/latents"


@dataclass(frozen=True)
class Spread:
    """Percentiles of some values."""

    p50: float
    p99: float
    worst: float
    count: int

    @staticmethod
    def of(values: Iterable[float]) -> "Spread | None":
        """None of no values."""
        data = np.fromiter(values, dtype=np.float64)
        if not data.size:
            return None
        return Spread(float(np.percentile(data, 50)), float(np.percentile(data, 99)), float(data.max()), data.size)


@dataclass
class RunReport:
    """rates_hz: messages a second by topic. spreads: milliseconds by what they measure."""

    rates_hz: dict[str, float] = field(default_factory=dict)
    spreads: dict[str, Spread] = field(default_factory=dict)


def measure(messages: Iterable[tuple[str, int, Any]], camera_topics: Iterable[str]) -> RunReport:
    """Figures of a run from (topic, receive time [ns], message), in any order.

    Latencies count from the capture stamp that travels with each message, so nothing is paired by arrival.
    """
    received: dict[str, list[int]] = defaultdict(list)
    kept: dict[str, list[tuple[int, Any]]] = defaultdict(list)
    transport: dict[str, list[float]] = defaultdict(list)
    cameras = set(camera_topics)
    for topic, log_ns, message in messages:
        received[topic].append(log_ns)
        if topic in cameras:
            stamp = message.timestamp if hasattr(message, "timestamp") else message.header.stamp
            transport[topic].append((log_ns - _ns(stamp)) * MS)
        elif topic in (TARGET, CHUNK, LATENTS):
            kept[topic].append((log_ns, message))
    report = RunReport({topic: _rate(times) for topic, times in sorted(received.items()) if len(times) > 1})
    spreads = {
        "target tick |dt - period|": _jitter(kept[TARGET]),
        "camera capture -> recorder": [v for values in transport.values() for v in values],
        "camera capture -> latents": [(log - _ns(m.header.stamp)) * MS for log, m in kept[LATENTS]],
        "state capture -> chunk": [(_ns(m.produced) - _ns(m.header.stamp)) * MS for _, m in kept[CHUNK]],
        **_to_command(kept),
    }
    report.spreads = {name: spread for name, values in spreads.items() if (spread := Spread.of(values)) is not None}
    return report


def _jitter(targets: list[tuple[int, Any]]) -> list[float]:
    stamps = np.array([_ns(message.header.stamp) for _, message in targets], dtype=np.int64)
    if len(stamps) < 3:
        return []
    periods = np.diff(stamps)
    return list(np.abs(periods - np.median(periods)) * MS)


def _to_command(kept: Mapping[str, list[tuple[int, Any]]]) -> dict[str, list[float]]:
    """From the state's and the camera's capture to the first target that follows from them."""
    latents = {message.sequence: _ns(message.header.stamp) for _, message in kept[LATENTS]}
    chunks = {_ns(m.header.stamp): latents.get(m.latent_sequence) for _, m in kept[CHUNK]}
    from_state, from_camera, seen = [], [], set()
    for _, target in kept[TARGET]:
        source = _ns(target.source)
        if source not in chunks or source in seen:
            continue
        seen.add(source)
        stamp = _ns(target.header.stamp)
        from_state.append((stamp - source) * MS)
        if (capture := chunks[source]) is not None:
            from_camera.append((stamp - capture) * MS)
    return {"state capture -> first command": from_state, "camera capture -> first command": from_camera}


def _rate(times: list[int]) -> float:
    return (len(times) - 1) / max((max(times) - min(times)) * 1e-9, 1e-9)


def _ns(stamp: Any) -> int:
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def rates_table(report: RunReport) -> Table:
    """Rates for the terminal."""
    table = Table("topic", "Hz", title="rates", title_justify="left")
    for topic, rate in report.rates_hz.items():
        table.add_row(topic, f"{rate:.1f}")
    return table


def spreads_table(report: RunReport) -> Table:
    """Latencies and jitter for the terminal."""
    table = Table("milliseconds", "p50", "p99", "max", "count", title="latency and jitter", title_justify="left")
    for name, spread in report.spreads.items():
        table.add_row(name, *(f"{v:.1f}" for v in (spread.p50, spread.p99, spread.worst)), str(spread.count))
    return table


def cpu_table(share: Mapping[str, float]) -> Table:
    """CPU by process, in percent of one core."""
    table = Table("process", "% of one core", title="CPU during the task", title_justify="left")
    for name, percent in share.items():
        table.add_row(name, f"{percent:.0f}")
    others = sum(percent for name, percent in share.items() if name not in ("sim_node", "vlm_node", "action_node"))
    table.add_row("all but sim and policy", f"{others:.0f}")
    return table
