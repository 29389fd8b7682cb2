"""What the slow path hands to the fast one: the K/V cache of the latent action tokens (paper, 3.1)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts import checks
from gear_vla_ros.contracts.checks import ContractError

KV_DTYPES: Mapping[str, type[np.generic]] = {"float32": np.float32, "float16": np.float16, "bfloat16": np.uint16}
"""Name on the wire -> numpy type that carries it; bfloat16 travels as its raw 16 bits."""

MAX_KV_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class KvCache:
    """Keys and values `[layers, kv_heads, tokens, head_dim]` of exactly the latent action positions."""

    keys: NDArray[np.generic]
    values: NDArray[np.generic]
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.dtype not in KV_DTYPES:
            raise ContractError(f"cache.dtype: '{self.dtype}', allowed {', '.join(KV_DTYPES)}")
        for name, value in (("keys", self.keys), ("values", self.values)):
            if value.ndim != 4 or value.dtype != KV_DTYPES[self.dtype]:
                carrier = np.dtype(KV_DTYPES[self.dtype]).name
                raise ContractError(
                    f"cache.{name}: {value.dtype} {list(value.shape)}, "
                    f"allowed {carrier} [layers, kv_heads, tokens, head_dim]"
                )
        if self.keys.shape != self.values.shape:
            raise ContractError(f"cache: keys {list(self.keys.shape)} and values {list(self.values.shape)} differ")
        if self.keys.nbytes > MAX_KV_BYTES:
            raise ContractError(f"cache.keys: {self.keys.nbytes} bytes, allowed {MAX_KV_BYTES}")
        if self.dtype != "bfloat16" and not (np.isfinite(self.keys).all() and np.isfinite(self.values).all()):
            raise ContractError("cache: holds NaN or infinity, allowed are finite numbers")


@dataclass(frozen=True)
class LatentAction:
    """One result of the slow path.

    stamp_ns: capture time of the observation it was made from. model_id, instruction_id: refused when foreign.
    ids: latent action ids `[tokens]`. anchors: base_T_tcp `[4, 4]` by arm at `stamp_ns`.
    latency_ns: time spent by part, for diagnostics.
    """

    stamp_ns: int
    sequence: int
    model_id: str
    instruction_id: int
    ids: NDArray[np.int64]
    cache: KvCache
    anchors: Mapping[str, NDArray[np.float64]]
    latency_ns: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checks.positive_stamp("latent.stamp_ns", self.stamp_ns)
        if self.ids.ndim != 1 or len(self.ids) != self.cache.keys.shape[2]:
            raise ContractError(
                f"latent.ids: shape {list(self.ids.shape)}, allowed [{self.cache.keys.shape[2]}], one a cached token"
            )
        anchors = {arm: checks.transform(f"latent.anchors.{arm}", pose) for arm, pose in self.anchors.items()}
        object.__setattr__(self, "anchors", checks.frozen("latent.anchors", anchors))
