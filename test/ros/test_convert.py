"""Contracts survive the wire; what is wrong on the wire does not become a contract."""

import dataclasses
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from values import TEXTS, chunks, latents, scenes, targets

from gear_vla_ros.contracts import ContractError, Grade, Instruction, KvCache, SceneObject
from gear_vla_ros.contracts.latent import MAX_KV_BYTES
from gear_vla_ros.msg import Instruction as InstructionMsg
from gear_vla_ros.ros import convert
from gear_vla_ros.ros.stamps import to_msg, to_ns
from gear_vla_ros.runtime.status import FollowerStatus
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
        (
            lambda m: setattr(m.arms[0].anchor_t_tcp[0].position, "x", -2e3),
            "position 2000 m along an axis",
        ),
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


def test_a_flood_of_poses_is_refused_before_they_are_read(chunk_message):
    """200000 poses would take the 30 Hz loop a third of a second."""
    chunk_message.arms[0].anchor_t_tcp = [chunk_message.arms[0].anchor_t_tcp[0]] * 200_000
    begun = time.perf_counter()
    with pytest.raises(ContractError, match=r"anchor_t_tcp: 200000, allowed 1 to 1000 poses"):
        convert.chunk_from_msg(chunk_message, SPEC)
    assert time.perf_counter() - begun < 0.2


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (lambda m: m.markers.append(m.markers[0]), "scene.cube: more than once"),
        (lambda m: setattr(m.markers[0].header, "frame_id", "moon"), "scene.cube.header.frame_id: 'moon', allowed 'wo"),
        (lambda m: setattr(m.markers[0].scale, "y", -0.1), "scene.cube.scale: [0.05, -0.1, 0.05], allowed"),
        (lambda m: setattr(m.markers[0].scale, "x", float("nan")), "scene.cube.scale: [nan"),
        (lambda m: setattr(m.markers[0].pose.orientation, "w", 0.5), "scene.cube.pose: quaternion of length 0.5"),
        (lambda m: m.markers.extend(m.markers * 1000), "scene.markers: 1001, allowed 1000"),
    ],
)
def test_a_wrong_scene_is_refused_with_one_line(spoil, line):
    cube = SceneObject("cube", np.eye(4), np.full(3, 0.05), "red")
    message = convert.scene_to_msg({"cube": cube}, SPEC, 7)
    spoil(message)
    with pytest.raises(ContractError) as refused:
        convert.scene_from_msg(message, SPEC)
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
    assert min(took) < 0.005


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (lambda m: setattr(m, "grade", 9), "target.grade: 9, allowed 0 FULL, 1 SLOW"),
        (lambda m: setattr(m.header, "stamp", to_msg(0)), "target.stamp_ns: stamp 0 ns"),
        (lambda m: setattr(m.arms[0], "gripper", float("nan")), "target.arms.left.gripper: nan"),
        (lambda m: setattr(m.arms[1], "gripper", 1.5), "target.arms.right.gripper: 1.5, allowed 0"),
        (lambda m: setattr(m.arms[1].twist.angular, "z", float("inf")), "target.arms.right.twist: holds NaN"),
        (lambda m: setattr(m.arms[0].pose.header, "frame_id", "right_base_link"), "allowed 'left_base_link'"),
        (lambda m: m.arms.clear(), "target.arms: none, allowed is each of left, right once"),
    ],
)
def test_a_wrong_target_is_refused_with_one_line(spoil, line):
    message = convert.target_to_msg(example(targets(ARMS)), SPEC)
    spoil(message)
    with pytest.raises(ContractError) as refused:
        convert.target_from_msg(message, SPEC)
    assert line in str(refused.value)


@pytest.mark.parametrize(
    ("instruction", "line"),
    [
        (InstructionMsg(id=1, text="  ", kind="language"), "instruction.text: empty"),
        (InstructionMsg(id=1, text="x" * 501, kind="language"), "instruction.text: 501 characters, allowed 500"),
        (InstructionMsg(id=1, text="go", kind="song"), "instruction.kind: 'song', allowed language, mask_guided"),
    ],
)
def test_a_wrong_instruction_is_refused_with_one_line(instruction, line):
    with pytest.raises(ContractError) as refused:
        convert.instruction_from_msg(instruction)
    assert line in str(refused.value)


def test_a_status_says_grade_causes_and_counts():
    status = FollowerStatus(
        grade=Grade.HOLD, causes=("stale_joint_states", "chunk_end"), faults={"b": 2, "a": 1}, grades={Grade.HOLD: 3},
        driver="teleop/joy",
        instruction_id=4, chunk_sequence=5, chunk_age_s=0.5, remaining_s=0.25, capture_to_command_ms=80.0,
    )  # fmt: skip
    message = over_the_wire(convert.status_to_msg(status, 7, 1.5))
    assert (message.grade, message.causes) == (Grade.HOLD, ["stale_joint_states", "chunk_end"])
    assert [(fault.cause, fault.count) for fault in message.faults] == [("a", 1), ("b", 2)]
    assert (message.instruction_id, message.chunk_sequence, to_ns(message.header.stamp)) == (4, 5, 7)
    assert (message.chunk_age_s, message.remaining_s, message.capture_to_command_ms) == (0.5, 0.25, 80.0)
    assert (message.tick_jitter_p99_ms, message.driver) == (1.5, "teleop/joy")
