"""How long engines take, and how much memory: several in turn, so that a noisy machine is noisy for all of them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gear_vla_ros.contracts import KvCache
from gear_vla_ros.engines.engine import Engine, SlowInput

SLOW, FAST = "slow path", "fast path"


@dataclass
class Times:
    """Of one engine, in ms. first: of the first call of both paths. steady: by part, one number a pass."""

    first: float
    steady: dict[str, list[float]] = field(default_factory=dict)

    def p(self, part: str, percent: float) -> float:
        """A percentile of a part."""
        return float(np.percentile(self.steady[part], percent))

    def end_to_end(self) -> float:
        """Median of slow path and fast path together."""
        return float(np.median(np.add(self.steady[SLOW], self.steady[FAST])))


def measure(
    engines: Mapping[str, Engine], given: SlowInput, passes: int, tick: Callable[[], None] = lambda: None
) -> dict[str, Times]:
    """`passes` rounds over all engines with one input. tick: called after every round."""
    noise = {name: noise_for(engine) for name, engine in engines.items()}
    times = {}
    for name, engine in engines.items():
        begun = time.perf_counter()
        both(engine, given, noise[name])
        times[name] = Times(_ms(begun))
    for _ in range(passes):
        for name, engine in engines.items():
            for part, spent in both(engine, given, noise[name]).items():
                times[name].steady.setdefault(part, []).append(spent)
        tick()
    return times


def noise_for(engine: Engine) -> np.ndarray:
    """The same noise for every engine of equal sizes, `[K, 20]`."""
    shape = engine.spec.expert.steps, engine.spec.action_numbers
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def both(engine: Engine, given: SlowInput, noise: np.ndarray) -> dict[str, float]:
    """One pass of both paths; ms by part."""
    begun = time.perf_counter()
    made = engine.think(given)
    slow = _ms(begun)
    begun = time.perf_counter()
    engine.act(KvCache(made.cache.keys, made.cache.values), given.state, noise)
    parts = {part: spent * 1e-6 for part, spent in made.latency_ns.items()}
    return {**parts, SLOW: slow, FAST: _ms(begun)}


def peak_mb() -> float:
    """The most memory that this process held since it was started (not what its parent held at a fork)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return float(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def _ms(begun: float) -> float:
    return (time.perf_counter() - begun) * 1e3
