"""The expert lifts the named cube in physics, whatever the robot, from wherever the cube lies."""

import dataclasses

import numpy as np
import pytest
from loop import run

from gear_vla_ros.policies.expert import ExpertPolicy
from gear_vla_ros.settings import load_robot, robot_names
from gear_vla_ros.sim.world import World

SEEDS = range(100, 103)


class NeverCloses(ExpertPolicy):
    """The same motion with open fingers."""

    def act(self, latents, state):
        chunk = super().act(latents, state)
        arms = {arm: dataclasses.replace(part, gripper=np.ones(chunk.steps)) for arm, part in chunk.arms.items()}
        return dataclasses.replace(chunk, arms=arms)


@pytest.mark.parametrize("robot", robot_names())
def test_lifts_the_named_cube(robot):
    spec = load_robot(robot)
    world = World(spec)
    for seed, colour in zip(SEEDS, ("red", "green", "blue"), strict=True):
        world.reset(seed)
        told = run(world, ExpertPolicy(spec), f"pick up the {colour} cube", limit_s=10.0)
        assert told is not None, f"seed {seed}: {colour} cube not lifted in 10 s"
        heights = {name: one.world_T_object[2, 3] for name, one in world.objects().items()}
        assert max(heights, key=lambda name: heights[name]) == f"{colour}_cube"
        assert sum(height > 0.06 for height in heights.values()) == 1


@pytest.mark.parametrize("robot", robot_names())
def test_lifts_with_chunks_that_are_half_a_second_late(robot):
    spec = load_robot(robot)
    world = World(spec, seed=100)
    assert run(world, ExpertPolicy(spec), "pick up the red cube", limit_s=8.0, latency_s=0.5) is not None


@pytest.mark.parametrize("robot", robot_names())
def test_the_cube_is_held_by_the_fingers_and_nothing_else(robot):
    spec = load_robot(robot)
    world = World(spec, seed=100)
    assert run(world, NeverCloses(spec), "pick up the red cube", limit_s=5.0) is None
    assert world.objects()["red_cube"].world_T_object[2, 3] == pytest.approx(0.02, abs=0.005)


@pytest.mark.parametrize("robot", robot_names())
def test_a_held_cube_is_as_wide_as_it_is_and_does_not_slip(robot):
    spec = load_robot(robot)
    world = World(spec, seed=100)
    assert run(world, ExpertPolicy(spec), "pick up the red cube", limit_s=10.0) is not None
    opening = world.arms()[1]
    arm = spec.arm(min(opening, key=lambda name: opening[name]))
    fingers = 1 + len(arm.gripper.mimic)
    assert opening[arm.name] * fingers * abs(arm.gripper.open - arm.gripper.closed) == pytest.approx(0.04, abs=1e-3)

    def tool_to_cube():
        return world.data.body(arm.tcp_frame).xpos - world.data.body("red_cube").xpos

    before = tool_to_cube()
    world.step(3.0)
    np.testing.assert_allclose(tool_to_cube(), before, atol=2e-3)


def test_both_arms_of_a_pair_are_used_and_the_other_stays():
    spec = load_robot("agilex")
    world, used = World(spec), set()
    for seed in range(100, 105):
        world.reset(seed)
        y = world.objects()["red_cube"].world_T_object[1, 3]
        near, far = ("left", "right") if y > 0 else ("right", "left")
        before = world.arms()[0]
        assert run(world, ExpertPolicy(spec), "pick up the red cube", limit_s=10.0) is not None
        np.testing.assert_allclose(world.arms()[0][far], before[far], atol=0.02)
        used.add(near)
    assert used == {"left", "right"}


def test_a_cube_that_is_moved_while_the_arm_comes_is_followed():
    spec = load_robot("franka")
    world = World(spec, seed=100)

    class Moved(ExpertPolicy):
        thoughts = 0

        def think(self, observation):
            self.thoughts += 1
            if self.thoughts == 5:
                at = world.model.joint("red_cube_joint").qposadr[0]
                world.data.qpos[at : at + 2] += [0.03, -0.02]
            return super().think(observation)

    assert run(world, Moved(spec), "pick up the red cube", limit_s=12.0) is not None


def test_a_cube_that_is_dropped_is_lifted_again():
    spec = load_robot("franka")
    world, drops = World(spec, seed=100), []

    class Dropping(ExpertPolicy):
        def think(self, observation):
            cube = observation.scene["red_cube"].world_T_object
            if cube[2, 3] > 0.05 and not drops:
                drops.append(cube[2, 3])
                joint = world.model.joint("red_cube_joint")
                world.data.qpos[joint.qposadr[0] :][:3] = [0.45, -0.1, 0.02]
                world.data.qvel[joint.dofadr[0] :][:6] = 0.0
            return super().think(observation)

    assert run(world, Dropping(spec), "pick up the red cube", limit_s=15.0) is not None
    assert len(drops) == 1
