"""Hypothesis strategies of contract values."""

import numpy as np
from hypothesis import strategies as st

from gear_vla_ros.contracts import (
    ActionChunk,
    ArmChunk,
    ArmTarget,
    CartesianTarget,
    Grade,
    KvCache,
    LatentAction,
    SceneObject,
)
from gear_vla_ros.contracts.latent import KV_DTYPES
from gear_vla_ros.geometry import se3, so3

STAMPS = st.integers(1, 2**31 * 10**9 - 1)
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)
COUNTS = st.integers(0, 2**63 - 1)


@st.composite
def generators(draw):
    return np.random.default_rng(draw(st.integers(0, 2**32)))


def poses(rng, *shape):
    return se3.from_rotation_translation(so3.exp(rng.uniform(-3, 3, (*shape, 3))), rng.uniform(-2, 2, (*shape, 3)))


@st.composite
def chunks(draw, arms):
    rng, steps = draw(generators()), draw(st.integers(1, 40))
    parts = {arm: ArmChunk(poses(rng), poses(rng, steps), rng.uniform(size=steps)) for arm in arms}
    return ActionChunk(
        draw(STAMPS), draw(COUNTS), draw(TEXTS), draw(COUNTS), draw(COUNTS), parts,
        rate_hz=draw(st.floats(1, 1000)), produced_ns=draw(STAMPS),
    )  # fmt: skip


@st.composite
def targets(draw, arms):
    rng = draw(generators())
    parts = {arm: ArmTarget(poses(rng), rng.normal(size=6), rng.uniform()) for arm in arms}
    source = draw(STAMPS), draw(COUNTS), draw(TEXTS)
    return CartesianTarget(draw(STAMPS), draw(COUNTS), parts, draw(st.sampled_from(Grade)), *source)


@st.composite
def latents(draw, arms):
    rng, dtype = draw(generators()), draw(st.sampled_from(sorted(KV_DTYPES)))
    shape = draw(st.tuples(*[st.integers(1, 5)] * 4))
    numbers = [rng.integers(0, 2**15, shape).astype(np.uint16) for _ in range(2)]
    if dtype != "bfloat16":
        numbers = [values.astype(KV_DTYPES[dtype]) for values in numbers]
    anchors = {arm: poses(rng) for arm in arms}
    ids = rng.integers(0, 16, shape[2])
    times = draw(st.dictionaries(TEXTS, st.integers(0, 2**40), max_size=4))
    return LatentAction(
        draw(STAMPS),
        draw(COUNTS),
        draw(TEXTS),
        draw(COUNTS),
        ids,
        KvCache(*numbers, dtype),
        anchors,
        times,
    )


@st.composite
def scenes(draw):
    rng, names = draw(generators()), draw(st.lists(TEXTS, unique=True, max_size=5))
    return {name: SceneObject(name, poses(rng), rng.uniform(0.01, 1, 3), draw(TEXTS)) for name in names}
