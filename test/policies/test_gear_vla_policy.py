"""The network as a policy: the conformance kit on every robot, and what it refuses."""

import dataclasses

import numpy as np
import pytest

from gear_vla_ros.contracts import ArmState, Instruction, Observation, RobotState
from gear_vla_ros.contracts.conformance import PolicyConformance
from gear_vla_ros.engines.arrays import letterbox
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.policies.gear_vla import GearVlaPolicy
from gear_vla_ros.policies.options import PolicyOptions
from gear_vla_ros.settings import load_robot


def observation(robot):
    spec = load_robot(robot)
    model, random = RobotModel(spec), np.random.default_rng(0)
    arms = {
        arm.name: ArmState(model.fk(arm.name, np.array(arm.home)), np.array(arm.home), np.zeros(len(arm.home)), 1.0)
        for arm in spec.arms
    }
    images = {c.role: random.integers(0, 255, (240, 320, 3), np.uint8) for c in spec.cameras}
    return Observation(10**9, images, RobotState(10**9, arms), Instruction(3, "pick up the red cube"))


class OnRobot(PolicyConformance):
    robot = ""

    def make_policy(self):
        return GearVlaPolicy(load_robot(self.robot), PolicyOptions(seed=1))

    def make_observation(self):
        return observation(self.robot)


class TestFranka(OnRobot):
    robot = "franka"


class TestAgilex(OnRobot):
    robot = "agilex"


@pytest.fixture(scope="module")
def policy():
    return GearVlaPolicy(load_robot("franka"))


def test_seeds_are_other_models(policy):
    assert policy.model_id != GearVlaPolicy(load_robot("franka"), PolicyOptions(seed=5)).model_id
    assert policy.model_id != GearVlaPolicy(load_robot("agilex")).model_id


def test_what_is_missing_or_wrong_is_named(policy):
    seen = observation("franka")
    blind = dataclasses.replace(seen, images={"right_wrist": seen.images["right_wrist"]})
    with pytest.raises(ValueError, match="the head view is needed"):
        policy.think(blind)
    with pytest.raises(ValueError, match=r"state\.arms: left, right, allowed right"):
        policy.think(dataclasses.replace(seen, state=observation("agilex").state))
    with pytest.raises(ValueError, match="300 tokens, allowed 1 to 127"):
        policy.accepts(Instruction(1, "x" * 300))
    with pytest.raises(FileNotFoundError, match=r"no spec\.yaml"):
        GearVlaPolicy(load_robot("franka"), PolicyOptions(checkpoint="/nowhere"))


def test_random_weights_move_a_little(policy):
    seen = observation("franka")
    chunk = policy.act(policy.think(seen), seen.state)
    assert np.linalg.norm(chunk.arms["right"].anchor_T_tcp[:, :3, 3], axis=1).max() < 0.3


def test_the_letterbox_keeps_the_shape():
    tall = np.full((20, 10, 3), 255, np.uint8)
    boxed = letterbox(tall, 8)
    assert boxed.shape == (8, 8, 3)
    np.testing.assert_array_equal(boxed[0, :, 0], [0, 0, 255, 255, 255, 255, 0, 0])


def test_noise_is_the_same_for_the_same_input_and_another_for_another_instruction(policy):
    seen = observation("franka")
    latents = policy.think(seen)
    again, other = latents, dataclasses.replace(latents, instruction_id=latents.instruction_id + 1)
    first, second, third = (policy.act(each, seen.state).arms["right"].anchor_T_tcp for each in (latents, again, other))
    np.testing.assert_array_equal(first, second)
    assert not np.allclose(first, third)
