"""LatentAction <-> message: two large payloads that are neither copied nor believed."""

import array
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts import ContractError, KvCache, LatentAction
from gear_vla_ros.contracts.latent import KV_DTYPES, MAX_KV_BYTES
from gear_vla_ros.msg import KvCache as KvCacheMsg
from gear_vla_ros.msg import LatentAction as LatentActionMsg
from gear_vla_ros.ros.poses import stamped_from_msg, stamped_to_msg
from gear_vla_ros.ros.stamps import to_msg, to_ns
from gear_vla_ros.settings import RobotSpec


def latents_to_msg(latents: LatentAction, spec: RobotSpec) -> LatentActionMsg:
    """`spec` names the frames of the anchors."""
    cache = latents.cache
    message = LatentActionMsg(
        sequence=latents.sequence,
        model_id=latents.model_id,
        instruction_id=latents.instruction_id,
        ids=latents.ids.tolist(),
        cache=KvCacheMsg(dtype=cache.dtype, shape=cache.keys.shape),
        arms=list(latents.anchors),
        anchors=[
            stamped_to_msg(pose, spec.arm(arm).base_frame, latents.stamp_ns) for arm, pose in latents.anchors.items()
        ],
        latency_names=list(latents.latency_ns),
        latency_ns=list(latents.latency_ns.values()),
    )
    message.cache.keys, message.cache.values = _payload(cache.keys), _payload(cache.values)
    message.header.stamp = to_msg(latents.stamp_ns)
    return message


def latents_from_msg(message: LatentActionMsg, spec: RobotSpec) -> LatentAction:
    """Raises ContractError. The cache shares the message's memory."""
    allowed = [arm.name for arm in spec.arms]
    if sorted(message.arms) != sorted(allowed) or len(message.anchors) != len(message.arms):
        raise ContractError(
            f"latent.arms: {', '.join(message.arms) or 'none'}, allowed {', '.join(allowed)} with anchors"
        )
    if len(message.latency_names) != len(message.latency_ns):
        found = f"{len(message.latency_names)} names, {len(message.latency_ns)} values"
        raise ContractError(f"latent.latency_names: {found}, allowed as many of one as of the other")
    anchors = {
        arm: stamped_from_msg(f"latent.anchors.{arm}", anchor, spec.arm(arm).base_frame)
        for arm, anchor in zip(message.arms, message.anchors, strict=True)
    }
    return LatentAction(
        stamp_ns=to_ns(message.header.stamp),
        sequence=message.sequence,
        model_id=message.model_id,
        instruction_id=message.instruction_id,
        ids=np.array(message.ids, dtype=np.int64),
        cache=_cache(message.cache),
        anchors=anchors,
        latency_ns=dict(zip(message.latency_names, message.latency_ns, strict=True)),
    )


def _payload(values: NDArray[Any]) -> "array.array[int]":
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(values).view(np.uint8).data)
    return data


def _cache(message: KvCacheMsg) -> KvCache:
    if message.dtype not in KV_DTYPES:
        raise ContractError(f"latent.cache.dtype: '{message.dtype}', allowed {', '.join(KV_DTYPES)}")
    shape, carrier = [int(n) for n in message.shape], np.dtype(KV_DTYPES[message.dtype])
    size = math.prod(shape) * carrier.itemsize
    if not 0 < size <= MAX_KV_BYTES:
        raise ContractError(f"latent.cache.shape: {shape} takes {size} bytes, allowed 1 to {MAX_KV_BYTES}")
    for name, data in (("keys", message.keys), ("values", message.values)):
        if len(data) != size:
            raise ContractError(f"latent.cache.{name}: {len(data)} bytes, allowed {size} for shape {shape}")
    keys, values = (np.frombuffer(data, carrier).reshape(shape) for data in (message.keys, message.values))
    return KvCache(keys, values, message.dtype)
