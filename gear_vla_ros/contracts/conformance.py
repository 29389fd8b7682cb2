"""Conformance kits: a new implementation's whole test is a subclass that says how to build it (as dm_env's)."""

from abc import ABC, abstractmethod

import numpy as np
import pytest

from gear_vla_ros.contracts.action import ActionChunk, ArmChunk
from gear_vla_ros.contracts.clock import Clock
from gear_vla_ros.contracts.latent import LatentAction
from gear_vla_ros.contracts.observation import Observation
from gear_vla_ros.contracts.policy import Policy
from gear_vla_ros.geometry import se3


class PolicyConformance(ABC):
    """Subclass in a test as `class TestMine(PolicyConformance)` and return a policy and an observation it can use."""

    @abstractmethod
    def make_policy(self) -> Policy:
        """A fresh instance."""

    @abstractmethod
    def make_observation(self) -> Observation:
        """An observation that the policy accepts."""

    def run(self) -> tuple[Observation, LatentAction, ActionChunk]:
        """One slow and one fast pass, in two instances as in two processes."""
        observation = self.make_observation()
        slow, fast = self.make_policy(), self.make_policy()
        slow.warm_up()
        fast.warm_up()
        latents = slow.think(observation)
        chunk = fast.act(latents, observation.state)
        slow.close()
        fast.close()
        return observation, latents, chunk

    def test_is_a_policy(self) -> None:
        assert isinstance(self.make_policy(), Policy)

    def test_what_it_says_of_itself_is_text(self) -> None:
        assert all(isinstance(part, str) for pair in self.make_policy().about.items() for part in pair)

    def test_two_instances_have_one_identity(self) -> None:
        assert self.make_policy().model_id == self.make_policy().model_id

    def test_latents_carry_capture_time_identity_and_anchors(self) -> None:
        observation, latents, _ = self.run()
        assert latents.stamp_ns == observation.stamp_ns
        assert latents.instruction_id == observation.instruction.id
        assert latents.model_id == self.make_policy().model_id
        assert set(latents.anchors) == set(observation.state.arms)
        for arm, state in observation.state.arms.items():
            np.testing.assert_allclose(latents.anchors[arm], state.base_T_tcp, atol=1e-12)

    def test_chunk_is_anchored_at_the_state_it_was_made_from(self) -> None:
        observation, latents, chunk = self.run()
        assert chunk.stamp_ns == observation.state.stamp_ns
        assert chunk.latent_sequence == latents.sequence
        assert chunk.instruction_id == latents.instruction_id
        assert set(chunk.arms) == set(observation.state.arms)
        for arm, state in observation.state.arms.items():
            np.testing.assert_allclose(chunk.arms[arm].base_T_anchor, state.base_T_tcp, atol=1e-12)

    def test_chunk_is_one_second_at_thirty_hertz(self) -> None:
        _, _, chunk = self.run()
        assert (chunk.steps, chunk.rate_hz) == (30, 30.0)
        assert all(se3.is_transform(arm.anchor_T_tcp) for arm in chunk.arms.values())

    def test_what_is_under_way_is_kept_or_ignored(self) -> None:
        observation, latents, chunk = self.run()
        held = {
            arm: ArmChunk(one.base_T_anchor, one.anchor_T_tcp[:4], one.gripper[:4]) for arm, one in chunk.arms.items()
        }
        policy = self.make_policy()
        policy.warm_up()
        again = policy.act(latents, observation.state, held)
        assert again.steps == chunk.steps
        for arm, steps in held.items():
            np.testing.assert_allclose(again.arms[arm].anchor_T_tcp[:4], steps.anchor_T_tcp, atol=1e-5)

    def test_sequences_grow(self) -> None:
        observation, policy = self.make_observation(), self.make_policy()
        policy.warm_up()
        first, second = policy.think(observation), policy.think(observation)
        assert second.sequence > first.sequence
        assert policy.act(first, observation.state).sequence < policy.act(second, observation.state).sequence

    def test_latents_of_another_model_are_refused(self) -> None:
        observation, latents, _ = self.run()
        foreign = LatentAction(
            latents.stamp_ns, latents.sequence, "another-model", latents.instruction_id,
            latents.ids, latents.cache, latents.anchors,
        )  # fmt: skip
        with pytest.raises(ValueError, match="another-model"):
            self.make_policy().act(foreign, observation.state)


class ClockConformance(ABC):
    """Every clock gives integer nanoseconds."""

    @abstractmethod
    def make_clock(self) -> Clock:
        """A fresh instance."""

    def test_nanoseconds(self) -> None:
        now = self.make_clock().now_ns()
        assert isinstance(now, int)
        assert now > 0
