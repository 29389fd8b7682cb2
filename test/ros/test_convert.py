"""Contracts survive the wire; what is wrong on the wire does not become a contract."""

import dataclasses
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from values import TEXTS, chunks, latents, scenes, targets

from gear_vla_ros.contracts import ContractError, Instruction, KvCache
from gear_vla_ros.contracts.latent import MAX_KV_BYTES
from gear_vla_ros.ros import convert
from gear_vla_ros.settings import load_robot

SPEC = load_robot("agilex")
ARMS = ("left", "right")
FAST = settings(max_examples=40, deadline=None)


def over_the_wire(message):
    return deserialize_message(serialize_message(message), type(message))


def assert_same(a, b):
    """Every field of two contract values is equal; poses to what a quaternion keeps of them."""
    if dataclasses.is_dataclass(a):
        for field in dataclasses.fields(a):
            assert_same(getattr(a, field.name), getattr(b, field.name))
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, atol=1e-12)
    elif hasattr(a, "items"):
        assert list(a) == list(b)
        for key in a:
            assert_same(a[key], b[key])
    else:
        assert a == b


@FAST
@given(chunks(ARMS))
def test_chunks(chunk):
    assert_same(convert.chunk_from_msg(over_the_wire(convert.chunk_to_msg(chunk, SPEC)), SPEC), chunk)


@FAST
@given(targets(ARMS))
def test_targets(target):
    assert_same(convert.target_from_msg(over_the_wire(convert.target_to_msg(target, SPEC)), SPEC), target)


@FAST
@given(latents(ARMS))
def test_latents(latent):
    assert_same(convert.latents_from_msg(over_the_wire(convert.latents_to_msg(latent, SPEC)), SPEC), latent)


@FAST
@given(scenes())
def test_scenes(scene):
    assert_same(convert.scene_from_msg(over_the_wire(convert.scene_to_msg(scene, SPEC, 7)), SPEC), scene)


@FAST
@given(st.integers(0, 2**63), TEXTS.filter(str.strip))
def test_instructions(number, text):
    instruction = Instruction(number, text, "mask_guided")
    assert convert.instruction_from_msg(over_the_wire(convert.instruction_to_msg(instruction, 7))) == instruction


@pytest.fixture
def chunk_message():
    return convert.chunk_to_msg(example(chunks(ARMS)), SPEC)


@pytest.fixture
def latents_message():
    return convert.latents_to_msg(example(latents(ARMS)), SPEC)


def example(strategy):
    """The same value at every run."""
    found = []

    @settings(max_examples=1, derandomize=True, database=None)
    @given(strategy)
    def take(value):
        found.append(value)

    take()
    return found[0]


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (lambda m: m.arms.pop(), "chunk.arms: left, allowed is each of left, right once"),
        (lambda m: m.arms.append(m.arms[0]), "chunk.arms: left, right, left"),
        (lambda m: setattr(m.arms[0], "arm", "middle"), "chunk.arms: middle, right"),
        (lambda m: setattr(m.arms[0].anchor.header, "frame_id", "world"), "'world', allowed 'left_base_link'"),
        (
            lambda m: setattr(m.arms[1].anchor.pose.position, "x", float("nan")),
            "chunk.arms.right.anchor.pose: holds NaN",
        ),
        (lambda m: setattr(m.arms[0].anchor_t_tcp[0].orientation, "w", 9.0), "anchor_t_tcp: quaternion of length 9"),
        (lambda m: setattr(m.arms[0], "anchor_t_tcp", []), "chunk.arms.left.anchor_t_tcp: empty"),
        (lambda m: setattr(m.arms[0], "gripper", [2.0] * len(m.arms[0].gripper)), "chunk.gripper: values from 2"),
        (lambda m: setattr(m.header.stamp, "sec", 0) or setattr(m.header.stamp, "nanosec", 0), "stamp 0 ns"),
        (lambda m: setattr(m, "rate_hz", float("inf")), "chunk.rate_hz: inf"),
    ],
)
def test_a_wrong_chunk_is_refused_with_one_line(chunk_message, spoil, line):
    spoil(chunk_message)
    with pytest.raises(ContractError) as refused:
        convert.chunk_from_msg(chunk_message, SPEC)
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (lambda m: setattr(m.cache, "dtype", "float8"), "latent.cache.dtype: 'float8', allowed float32"),
        (lambda m: setattr(m.cache, "shape", [2**31, 2**31, 2, 2]), f"allowed 1 to {MAX_KV_BYTES}"),
        (lambda m: setattr(m.cache, "shape", [0, 1, 1, 1]), "takes 0 bytes"),
        (lambda m: m.cache.keys.append(0), "latent.cache.keys:"),
        (lambda m: m.cache.values.pop(), "latent.cache.values:"),
        (lambda m: m.ids.append(3), "latent.ids: shape"),
        (lambda m: m.anchors.pop(), "allowed left, right with anchors"),
        (lambda m: m.latency_names.append("more"), "latent.latency_names"),
        (lambda m: setattr(m.anchors[0].pose.orientation, "x", float("inf")), "latent.anchors"),
    ],
)
def test_wrong_latents_are_refused_before_anything_is_allocated(latents_message, spoil, line):
    spoil(latents_message)
    with pytest.raises(ContractError) as refused:
        convert.latents_from_msg(latents_message, SPEC)
    assert line in str(refused.value)


def test_a_cache_is_not_copied_on_its_way_in(latents_message):
    first = convert.latents_from_msg(latents_message, SPEC).cache.keys
    assert np.shares_memory(first, np.frombuffer(latents_message.cache.keys, np.uint8))


def test_a_large_cache_passes_quickly():
    """Half a MB each way: the slow path of rclpy's byte sequences would take tens of milliseconds."""
    value = example(latents(ARMS))
    numbers = np.ones((8, 2, 20, 400), np.float32)
    big = dataclasses.replace(value, cache=KvCache(numbers, numbers), ids=np.zeros(20, np.int64))
    took = []
    for _ in range(20):
        begun = time.perf_counter()
        convert.latents_from_msg(convert.latents_to_msg(big, SPEC), SPEC)
        took.append(time.perf_counter() - begun)
    assert np.median(took) < 0.01


def test_unknown_grades_are_refused():
    message = convert.target_to_msg(example(targets(ARMS)), SPEC)
    message.grade = 9
    with pytest.raises(ContractError, match=r"target\.grade: 9, allowed 0 FULL, 1 SLOW"):
        convert.target_from_msg(message, SPEC)
