import numpy as np
import pytest

from gear_vla_ros.contracts import (
    ActionChunk,
    ArmChunk,
    ArmState,
    ContractError,
    Instruction,
    KvCache,
    LatentAction,
    ManualClock,
    Observation,
    RobotState,
    SystemClock,
)
from gear_vla_ros.contracts.conformance import ClockConformance
from gear_vla_ros.geometry import se3

MIRROR = np.diag([1.0, 1.0, -1.0, 1.0])


def arm_chunk(steps=30, **changes):
    fields = {
        "base_T_anchor": np.eye(4),
        "anchor_T_tcp": np.tile(np.eye(4), (steps, 1, 1)),
        "gripper": np.full(steps, 0.5),
    }
    return ArmChunk(**{**fields, **changes})


def arm_state(**changes):
    return ArmState(**{"base_T_tcp": np.eye(4), "q": np.zeros(7), "dq": np.zeros(7), "gripper": 1.0, **changes})


class TestSystemClock(ClockConformance):
    def make_clock(self):
        return SystemClock()


class TestManualClock(ClockConformance):
    def make_clock(self):
        return ManualClock()

    def test_moves_only_when_told_to(self):
        clock = self.make_clock()
        before = clock.now_ns()
        clock.advance(0.5)
        assert clock.now_ns() - before == 500_000_000
        clock.advance(-1.0)
        assert clock.now_ns() < before


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: arm_state(q=np.array([0.0, np.nan])), r"arm\.q: element \[1\] is nan"),
        (lambda: arm_state(dq=np.zeros(6)), r"arm\.dq: shape \[6\], allowed \[7\]"),
        (lambda: arm_state(gripper=1.2), r"arm\.gripper: values from 1\.2 to 1\.2, allowed 0"),
        (lambda: arm_state(base_T_tcp=MIRROR), r"arm\.base_T_tcp: rotation part is not orthonormal"),
        (lambda: RobotState(0, {"right": arm_state()}), r"state\.stamp_ns: stamp 0"),
        (lambda: RobotState(1, {}), r"state\.arms: empty"),
        (lambda: arm_chunk(gripper=np.zeros(29)), r"chunk\.gripper: shape \[29\], allowed \[30\]"),
        (lambda: arm_chunk(anchor_T_tcp=np.full((30, 4, 4), np.nan)), r"chunk\.anchor_T_tcp: element \[0, 0, 0\]"),
        (lambda: ActionChunk(5, 0, "m", 1, 0, {"left": arm_chunk(3), "right": arm_chunk(4)}), r"chunk\.arms: steps"),
        (lambda: ActionChunk(5, 0, "m", 1, 0, {"left": arm_chunk(0)}), r"allowed is one length"),
        (lambda: ActionChunk(5, 0, "m", 1, 0, {"left": arm_chunk()}, rate_hz=float("nan")), r"chunk\.rate_hz: nan"),
        (lambda: Instruction(1, "  "), r"instruction\.text: empty"),
        (lambda: Instruction(1, "x" * 501), r"501 characters, allowed 500"),
        (lambda: Instruction(1, "x", kind="dance"), r"instruction\.kind: 'dance', allowed language, mask_guided"),
        (lambda: KvCache(np.zeros((1, 2, 3)), np.zeros((1, 2, 3))), r"cache\.keys: float64 \[1, 2, 3\]"),
        (lambda: KvCache(np.zeros((1,) * 4), np.zeros((1,) * 4), "int8"), r"cache\.dtype: 'int8'"),
        (lambda: KvCache(*[np.full((1,) * 4, np.nan, np.float32)] * 2), r"NaN or infinity"),
    ],
)
def test_refusals_name_field_value_and_what_is_allowed(make, message):
    with pytest.raises(ContractError, match=message):
        make()


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 4), np.uint8)]
)
def test_images_must_be_uint8_rgb(image):
    state = RobotState(5, {"right": arm_state()})
    with pytest.raises(ContractError, match=r"observation\.images\.head"):
        Observation(5, {"head": image}, state, Instruction(1, "go"))
    with pytest.raises(ContractError, match="role 'chest', allowed head"):
        Observation(5, {"chest": np.zeros((4, 4, 3), np.uint8)}, state, Instruction(1, "go"))


def test_values_are_copies_and_read_only():
    source = np.zeros(7)
    state = arm_state(q=source)
    source[0] = 1.0
    assert state.q[0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        state.q[0] = 1.0
    with pytest.raises(TypeError):
        RobotState(5, {"right": state}).arms["left"] = state


def test_chunk_times_and_poses():
    lift = np.tile(np.eye(4), (30, 1, 1))
    lift[:, 2, 3] = np.linspace(0.01, 0.3, 30)
    base_T_anchor = se3.exp(np.array([0.4, 0.0, 0.2, np.pi, 0.0, 0.0]))
    chunk = ActionChunk(10, 1, "m", 1, 1, {"right": arm_chunk(base_T_anchor=base_T_anchor, anchor_T_tcp=lift)})
    assert chunk.end_ns == 10 + 1_000_000_000
    expected = base_T_anchor @ lift[-1]
    np.testing.assert_allclose(chunk.arms["right"].base_T_tcp()[-1], expected, atol=1e-12)


def test_latents_need_one_id_a_cached_token():
    cache = KvCache(*[np.zeros((2, 2, 20, 4), np.float32)] * 2)
    with pytest.raises(ContractError, match=r"latent\.ids: shape \[19\], allowed \[20\]"):
        LatentAction(5, 0, "m", 1, np.zeros(19, np.int64), cache, {"right": np.eye(4)})
