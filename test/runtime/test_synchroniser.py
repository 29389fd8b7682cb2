import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_robot import state

from gear_vla_ros.contracts import ContractError, Instruction, ManualClock
from gear_vla_ros.runtime.synchroniser import Synchroniser
from gear_vla_ros.settings.robot import SyncSpec

S, MS = 1_000_000_000, 1_000_000
PICK = Instruction(1, "pick up the cube")
IMAGE = np.zeros((4, 4, 3), np.uint8)
ROLES = ("head", "left_wrist", "right_wrist")


@pytest.fixture
def clock():
    return ManualClock(10 * S)


def make(clock, roles=ROLES):
    return Synchroniser(roles, SyncSpec(max_skew_s=0.05, max_future_s=0.05), clock)


def fill(sync, now_ns, offsets=(0, 0, 0)):
    for role, offset in zip(ROLES, offsets, strict=True):
        sync.add_image(role, now_ns + offset, IMAGE)
    for i in range(-4, 3):
        sync.add_state(state(now_ns + i * 20 * MS))


def test_a_complete_set_is_given_once_at_the_heads_stamp(clock):
    sync = make(clock)
    fill(sync, 10 * S, (0, -30 * MS, 10 * MS))
    observation = sync.newest(PICK)
    assert observation.stamp_ns == observation.state.stamp_ns == 10 * S
    assert observation.skew_ns == sync.skew_ns == 30 * MS
    assert set(observation.images) == set(ROLES) and observation.instruction is PICK
    assert sync.newest(PICK) is None


def test_it_waits_for_a_state_after_the_image(clock):
    sync = make(clock, ("head",))
    sync.add_image("head", 10 * S, IMAGE)
    sync.add_state(state(10 * S - 5 * MS))
    assert sync.newest(PICK) is None
    sync.add_state(state(10 * S + 5 * MS))
    assert sync.newest(PICK).stamp_ns == 10 * S


def test_an_incomplete_newest_set_does_not_hide_a_complete_older_one(clock):
    sync = make(clock)
    fill(sync, 10 * S)
    clock.advance(0.1)
    sync.add_image("head", 10 * S + 100 * MS, IMAGE)
    assert sync.newest(PICK).stamp_ns == 10 * S


def test_views_further_apart_than_allowed_are_no_set(clock):
    sync = make(clock)
    fill(sync, 10 * S, (0, -51 * MS, 0))
    assert sync.newest(PICK) is None
    assert sync.missing() == ["left_wrist: 51 ms from head, allowed 50 ms"]


@given(st.lists(st.integers(-120, 40), min_size=1, max_size=12))
def test_every_observation_given_keeps_the_skew_and_goes_forward(offsets):
    clock = ManualClock(10 * S)
    sync = make(clock, ("head", "left_wrist"))
    last = 0
    for i, offset in enumerate(offsets):
        now_ns = 10 * S + i * 33 * MS
        clock.advance(0.033)
        sync.add_state(state(now_ns))
        sync.add_image("head", now_ns, IMAGE)
        try:
            sync.add_image("left_wrist", now_ns + offset * MS, IMAGE)
        except ContractError:
            continue
        observation = sync.newest(PICK)
        if observation is not None:
            assert observation.stamp_ns > last and observation.skew_ns <= 50 * MS
            last = observation.stamp_ns


@pytest.mark.parametrize(
    ("stamp_ns", "cause"),
    [(0, "zero_stamp"), (-3, "zero_stamp"), (10 * S + 51 * MS, "future"), (9 * S, "repeated"), (9 * S - 1, "back")],
)
def test_wrong_stamps_are_refused_counted_and_harmless(clock, stamp_ns, cause):
    sync = make(clock)
    sync.add_image("head", 9 * S, IMAGE)
    with pytest.raises(ContractError, match=cause):
        sync.add_image("head", stamp_ns, IMAGE)
    assert sync.counters == {"head": 1, f"head {cause}": 1}
    sync.add_image("head", 9 * S + 1, IMAGE)


@pytest.mark.parametrize(("stamp_ns", "cause"), [(11 * S, "future"), (9 * S, "repeated"), (8 * S, "back")])
def test_states_are_checked_alike(clock, stamp_ns, cause):
    sync = make(clock)
    sync.add_state(state(9 * S))
    with pytest.raises(ContractError, match=f"state: {cause}"):
        sync.add_state(state(stamp_ns))


def test_a_role_the_robot_lacks_is_refused(clock):
    with pytest.raises(ContractError, match="allowed head"):
        make(clock, ("head",)).add_image("left_wrist", 9 * S, IMAGE)


def test_after_the_clock_was_set_back_it_starts_anew(clock):
    sync = make(clock)
    fill(sync, 10 * S)
    assert sync.newest(PICK) is not None
    clock.advance(-8.0)
    fill(sync, 2 * S)
    assert sync.newest(PICK).stamp_ns == 2 * S
    assert sync.counters["clock set back"] == 1


def test_missing_says_what_is_absent_and_what_is_stale(clock):
    sync = make(clock)
    sync.add_image("head", 10 * S, IMAGE)
    assert sync.missing() == ["left_wrist: none yet", "right_wrist: none yet", "state: none yet"]
    fill_rest = [("left_wrist", 10 * S), ("right_wrist", 10 * S)]
    for role, stamp_ns in fill_rest:
        sync.add_image(role, stamp_ns, IMAGE)
    sync.add_state(state(10 * S))
    assert sync.missing() == []
    clock.advance(0.7)
    assert "head: newest is 0.70 s old, allowed 0.5 s" in sync.missing()
    assert sync.ages_s()["state"] == pytest.approx(0.7)


def test_memory_is_bounded(clock):
    sync = make(clock, ("head",))
    for i in range(1000):
        clock.advance(0.01)
        sync.add_image("head", 10 * S + i * 10 * MS, IMAGE)
    sync.add_state(state(10 * S))
    sync.add_state(state(10 * S + 50 * MS))
    assert sync.newest(PICK) is None
