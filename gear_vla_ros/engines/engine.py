"""The network as two calls on numpy arrays."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts import KvCache
from gear_vla_ros.settings.model import ModelSpec

THREADS = 1
"""On a CPU: two network processes and the simulator share few cores."""


@dataclass(frozen=True)
class StateInput:
    """Proprioception in the bimanual format. state: float32 `[2, numbers]`, left and right; present: bool `[2]`."""

    embodiment: str
    state: NDArray[np.float32]
    present: NDArray[np.bool_]


@dataclass(frozen=True)
class SlowInput:
    """views: uint8 `[3, S, S, 3]` RGB (head, left wrist, right wrist); present: bool `[3]`."""

    views: NDArray[np.uint8]
    present: NDArray[np.bool_]
    state: StateInput
    text: str


@dataclass(frozen=True)
class SlowOutput:
    """ids: int64 `[N]`; cache: K/V of these N positions; latency_ns: by part."""

    ids: NDArray[np.int64]
    cache: KvCache
    latency_ns: dict[str, int]


class Engine(Protocol):
    """One network on one device. One instance is called from one thread."""

    @property
    def spec(self) -> ModelSpec:
        """Its sizes."""
        ...

    @property
    def fingerprint(self) -> str:
        """Of weights and sizes: equal for equal results."""
        ...

    @property
    def about(self) -> str:
        """Backend, its version and device, for people."""
        ...

    def accepts(self, text: str) -> None:
        """Raise ValueError for a sentence that `think` would refuse. May come from another thread."""
        ...

    def think(self, given: SlowInput) -> SlowOutput:
        """Latent action tokens. Raises ValueError naming what does not fit."""
        ...

    def act(
        self,
        cache: KvCache,
        state: StateInput,
        noise: NDArray[np.float32],
        prefix: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Actions `[K, 20]` in m, rot6d and gripper from `noise` `[K, 20]`.

        prefix: `[d, 20]`, the first steps, given clean; they come back as they are. Numbers of an arm that is not
        present are without meaning. Raises ValueError as `think`.
        """
        ...

    def close(self) -> None:
        """Release what was acquired."""
        ...


def check_cache(spec: ModelSpec, cache: KvCache) -> None:
    """Raise ValueError unless `cache` is K/V of this network's latent tokens, float32."""
    wanted = (spec.language.depth, spec.language.kv_heads, spec.latents.tokens, spec.language.head_dim)
    if cache.keys.shape != wanted or cache.dtype != "float32":
        raise ValueError(f"cache: {cache.dtype} {list(cache.keys.shape)}, allowed float32 {list(wanted)}")
