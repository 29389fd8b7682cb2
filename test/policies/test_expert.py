"""The scripted expert keeps the contract of every policy, and its chunks can be followed."""

import dataclasses
import functools

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from gear_vla_ros.contracts import ArmState, Instruction, KvCache, Observation, RobotState, SceneObject
from gear_vla_ros.contracts.conformance import PolicyConformance
from gear_vla_ros.contracts.naming import spoken
from gear_vla_ros.geometry import se3
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.policies.expert import ExpertPolicy
from gear_vla_ros.settings import load_robot, robot_names

STAMP_NS = 5_000_000_000


def cube(colour, x, y, z=0.02, yaw=0.3):
    pose = se3.from_xyz_rpy(np.array([x, y, z]), np.array([0.0, 0.0, yaw]))
    return SceneObject(f"{colour}_cube", pose, np.full(3, 0.04), colour)


def state(spec, opening=1.0):
    model = RobotModel(spec)
    arms = {}
    for arm in spec.arms:
        q = np.array(arm.home)
        arms[arm.name] = ArmState(model.fk(arm.name, q), q, np.zeros_like(q), opening)
    return RobotState(STAMP_NS, arms)


def observation(spec, text="pick up the red cube", scene=None, **changes):
    x, y = spec.sim.table_center
    cubes = [cube("red", x, y + 0.08), cube("green", x, y - 0.1), cube("blue", x + 0.04, y)]
    scene = {one.name: one for one in cubes} if scene is None else scene
    image = np.zeros((8, 8, 3), np.uint8)
    made = Observation(STAMP_NS, {"head": image}, state(spec), Instruction(1, text), scene=scene)
    return dataclasses.replace(made, **changes)


class TestFranka(PolicyConformance):
    spec = load_robot("franka")

    def make_policy(self):
        return ExpertPolicy(self.spec)

    def make_observation(self):
        return observation(self.spec)


class TestAgilex(TestFranka):
    spec = load_robot("agilex")


class TestLdt01(TestFranka):
    spec = load_robot("ldt01")


@pytest.mark.parametrize("robot", robot_names())
def test_chunks_keep_to_speeds_that_safety_allows(robot):
    spec = load_robot(robot)
    seen, policy = observation(spec), ExpertPolicy(spec)
    chunk = policy.act(policy.think(seen), seen.state)
    for name, part in chunk.arms.items():
        poses = np.concatenate([part.base_T_anchor[None], part.base_T_tcp()])
        speed = se3.difference(poses[:-1], poses[1:]) * chunk.rate_hz
        assert np.linalg.norm(speed[:, :3], axis=1).max() <= spec.arm(name).safety.max_linear_speed
        assert np.linalg.norm(speed[:, 3:], axis=1).max() <= spec.arm(name).safety.max_angular_speed


@pytest.mark.parametrize("robot", robot_names())
def test_followed_without_error_it_comes_down_straight_on_the_cube_and_closes_across_its_faces(robot):
    """An ideal robot: each chunk's last pose is where the next one begins."""
    spec = load_robot(robot)
    policy, seen = ExpertPolicy(spec), observation(spec)
    latents = policy.think(seen)
    model, target = RobotModel(spec), seen.scene["red_cube"].world_T_object
    arm = spec.arms[int(latents.ids[0])].name
    now = seen.state
    for _ in range(10):
        chunk = policy.act(latents, now)
        arms = {
            name: ArmState(part.base_T_tcp()[-1], now.arms[name].q, now.arms[name].dq, float(part.gripper[-1]))
            for name, part in chunk.arms.items()
        }
        steps = np.flatnonzero(chunk.arms[arm].gripper < 0.999)
        if len(steps):
            at = chunk.arms[arm].base_T_tcp()[steps[0]]
            break
        now = RobotState(now.stamp_ns + 1_000_000_000, arms)
    else:
        pytest.fail("the gripper is never closed")
    closing = model.world_T_base(arm) @ at
    np.testing.assert_allclose(closing[:3, 3], target[:3, 3], atol=0.012)
    np.testing.assert_allclose(closing[:3, 2], [0.0, 0.0, -1.0], atol=0.05)
    faces = abs(target[:3, :2].T @ closing[:3, 1])
    assert faces.max() > np.cos(0.25)


def test_a_chunk_that_begins_with_the_cube_held_lifts_it_and_never_opens():
    """To its last step: the chunk may be followed to its end when the next one is late."""
    spec = load_robot("franka")
    policy, seen = ExpertPolicy(spec), observation(spec)
    arm = seen.state.arms["right"]
    base_T_tcp = arm.base_T_tcp.copy()
    base_T_tcp[:3, 3] = seen.scene["red_cube"].world_T_object[:3, 3]
    held = RobotState(STAMP_NS, {"right": ArmState(base_T_tcp, arm.q, arm.dq, 0.5)})
    part = policy.act(policy.think(seen), held).arms["right"]
    assert part.gripper.max() == 0.0
    assert part.base_T_tcp()[-1, 2, 3] > base_T_tcp[2, 3] + 0.1


def test_lifting_waits_for_fingers_that_are_only_foreseen_to_hold():
    spec = load_robot("franka")
    policy, seen = ExpertPolicy(spec), observation(spec)
    arm = seen.state.arms["right"]
    base_T_tcp = arm.base_T_tcp.copy()
    base_T_tcp[:3, 3] = seen.scene["red_cube"].world_T_object[:3, 3]
    yaw = se3.from_xyz_rpy(np.zeros(3), np.array([np.pi, 0.0, 0.3]))
    base_T_tcp[:3, :3] = yaw[:3, :3]
    still_open = RobotState(STAMP_NS, {"right": ArmState(base_T_tcp, arm.q, arm.dq, 1.0)})
    part = policy.act(policy.think(seen), still_open).arms["right"]
    assert part.gripper.max() == 0.0
    np.testing.assert_allclose(part.base_T_tcp()[:, :3, 3], np.tile(base_T_tcp[:3, 3], (30, 1)), atol=5e-3)


def test_the_other_arm_stands_still():
    spec = load_robot("agilex")
    policy, seen = ExpertPolicy(spec), observation(spec)
    chunk = policy.act(policy.think(seen), seen.state)
    np.testing.assert_array_equal(chunk.arms["right"].anchor_T_tcp, np.tile(np.eye(4), (30, 1, 1)))
    assert np.linalg.norm(chunk.arms["left"].anchor_T_tcp[-1, :3, 3]) > 0.02


def test_the_arm_is_kept_for_one_instruction_and_chosen_anew_for_the_next():
    spec = load_robot("agilex")
    policy, x = ExpertPolicy(spec), spec.sim.table_center[0]
    left, right = {"red_cube": cube("red", x, 0.02)}, {"red_cube": cube("red", x, -0.02)}
    chosen = [int(policy.think(observation(spec, scene=scene)).ids[0]) for scene in (left, right)]
    assert chosen == [0, 0], "a cube that crosses the middle must not change hands"
    again = observation(spec, scene=right, instruction=Instruction(2, "pick up the red cube"))
    assert int(policy.think(again).ids[0]) == 1


def test_without_ground_truth_it_refuses():
    spec = load_robot("franka")
    with pytest.raises(ValueError, match=r"observation\.scene"):
        ExpertPolicy(spec).think(dataclasses.replace(observation(spec), scene=None))


def test_an_object_that_is_not_there_is_refused():
    spec = load_robot("franka")
    only_blue = {"blue_cube": cube("blue", 0.5, 0.0)}
    with pytest.raises(ValueError, match="'pick up the blue cube'"):
        ExpertPolicy(spec).think(observation(spec, scene=only_blue))


@pytest.mark.parametrize("text", ["sing", "pick up the cube", "pick up the red and the blue cube"])
def test_accepts_says_what_can_be_said(text):
    with pytest.raises(ValueError, match="'pick up the red cube'"):
        ExpertPolicy(load_robot("franka")).accepts(Instruction(1, text))


def test_where_the_scene_is_known_only_what_is_there_is_accepted():
    spec = load_robot("franka")
    policy, scene = ExpertPolicy(spec), observation(spec).scene
    policy.accepts(Instruction(1, "pick up the yellow ball"))
    policy.accepts(Instruction(1, "pick up the red cube"), scene)
    with pytest.raises(ValueError, match="'pick up the yellow ball' is not understood here"):
        policy.accepts(Instruction(1, "pick up the yellow ball"), scene)


def test_a_handover_is_not_for_one_arm():
    with pytest.raises(ValueError, match="two arms, robot franka has one"):
        ExpertPolicy(load_robot("franka")).accepts(
            Instruction(1, "hand the red bar from the left arm to the right arm")
        )


@pytest.mark.parametrize("width", [1, 12, 14])
def test_latents_of_another_shape_are_refused(width):
    spec = load_robot("franka")
    policy, seen = ExpertPolicy(spec), observation(spec)
    wrong = np.zeros((1, 1, 1, width), np.float32)
    latents = dataclasses.replace(policy.think(seen), cache=KvCache(wrong, wrong))
    with pytest.raises(ValueError, match=r"latents\.cache"):
        policy.act(latents, seen.state)


def bar(spec):
    x, y = spec.sim.table_center
    pose = se3.from_xyz_rpy(np.array([x, y + 0.1, 0.015]), np.array([0.0, 0.0, 0.1]))
    return {"red_bar": SceneObject("red_bar", pose, np.array([0.03, 0.24, 0.03]), "red")}


def test_a_handover_needs_two_arms():
    spec = load_robot("franka")
    with pytest.raises(ValueError, match="a handover needs two arms, robot franka has one"):
        ExpertPolicy(spec).think(
            observation(spec, scene=bar(spec), instruction=Instruction(1, "hand the red bar to the right arm"))
        )


def test_in_a_handover_the_left_arm_begins_and_the_right_one_waits():
    spec = load_robot("agilex")
    policy = ExpertPolicy(spec)
    seen = observation(spec, scene=bar(spec), instruction=Instruction(1, "hand the red bar to the right arm"))
    chunk = policy.act(policy.think(seen), seen.state)
    assert np.linalg.norm(chunk.arms["left"].anchor_T_tcp[-1, :3, 3]) > 0.02
    np.testing.assert_allclose(chunk.arms["right"].anchor_T_tcp, np.tile(np.eye(4), (30, 1, 1)), atol=1e-9)


def bowl(spec, x, y):
    pose = se3.from_xyz_rpy(np.array([x, y, 0.025]), np.zeros(3))
    return SceneObject("blue_bowl", pose, np.array([0.14, 0.14, 0.05]), "blue")


def test_over_the_bowl_it_lets_go_and_leaves_only_with_open_fingers():
    spec = load_robot("franka")
    policy = ExpertPolicy(spec)
    x, y = spec.sim.table_center
    held = cube("red", x, y, z=0.075, yaw=0.0)
    scene = {"red_cube": held, "blue_bowl": bowl(spec, x, y)}
    instruction = Instruction(1, "put the red cube into the blue bowl")
    for opening, rises in ((0.5, False), (1.0, True)):
        arm = state(spec).arms["right"]
        base_T_tcp = arm.base_T_tcp.copy()
        base_T_tcp[:3, 3] = held.world_T_object[:3, 3]
        now = RobotState(STAMP_NS, {"right": ArmState(base_T_tcp, arm.q, arm.dq, opening)})
        latents = policy.think(observation(spec, scene=scene, instruction=instruction, state=now))
        part = policy.act(latents, now).arms["right"]
        assert part.gripper.min() == 1.0
        assert (part.base_T_tcp()[-1, 2, 3] > base_T_tcp[2, 3] + 0.05) == rises


@functools.cache
def at_home(robot):
    """The expert, and what it sees from home."""
    spec = load_robot(robot)
    return ExpertPolicy(spec), observation(spec)


def first_pose(robot, one, yaw=0.0):
    """Where the expert wants the working tool after a second, `base_T_tcp`, from home turned about the vertical."""
    policy, seen = at_home(robot)
    instruction = Instruction(1, f"pick up the {spoken(one.name)}")
    latents = policy.think(dataclasses.replace(seen, scene={one.name: one}, instruction=instruction))
    turn = se3.from_xyz_rpy(np.zeros(3), np.array([0.0, 0.0, yaw]))
    arms = {}
    for name, arm in seen.state.arms.items():
        turned = se3.from_rotation_translation(turn[:3, :3] @ arm.base_T_tcp[:3, :3], arm.base_T_tcp[:3, 3])
        arms[name] = dataclasses.replace(arm, base_T_tcp=turned)
    part = policy.act(latents, RobotState(STAMP_NS, arms)).arms[list(arms)[int(latents.ids[0])]]
    return part.base_T_tcp()[-1]


@pytest.mark.parametrize("robot", robot_names())
@given(rpy=st.tuples(*[st.floats(-np.pi, np.pi)] * 3))
@settings(max_examples=20, deadline=None, phases=[Phase.reuse, Phase.generate])  # no angle is simpler than another
def test_the_turn_of_a_ball_which_nobody_sees_changes_nothing(robot, rpy):
    x, y = load_robot(robot).sim.table_center
    poses = [se3.from_xyz_rpy(np.array([x, y + 0.08, 0.02]), np.array(turn)) for turn in (rpy, (0.0, 0.0, 0.0))]
    balls = [SceneObject("red_ball", pose, np.full(3, 0.03), "red") for pose in poses]
    np.testing.assert_allclose(first_pose(robot, balls[0]), first_pose(robot, balls[1]), atol=1e-6)


@pytest.mark.parametrize("yaw", [0.4, 0.9, -1.3])
def test_nor_does_that_of_a_standing_cylinder_but_it_does_when_it_lies(yaw):
    x, y = load_robot("agilex").sim.table_center

    def wanted(roll, yaw):
        pose = se3.from_xyz_rpy(np.array([x, y + 0.08, 0.02]), np.array([roll, 0.0, yaw]))
        return first_pose("agilex", SceneObject("red_cylinder", pose, np.array([0.03, 0.03, 0.065]), "red"))

    np.testing.assert_allclose(wanted(0.0, yaw), wanted(0.0, 0.0), atol=1e-6)
    assert np.abs(wanted(np.pi / 2, yaw) - wanted(np.pi / 2, 0.0)).max() > 0.2


@pytest.mark.parametrize("away", [0.9, -0.9])
def test_a_hand_that_has_turned_away_from_home_turns_back_rather_than_on(away):
    """The cube's sides are at 0 and 90 degrees of home; from 52 degrees the nearer way leads on, to a joint's limit."""
    x, y = load_robot("agilex").sim.table_center
    home = at_home("agilex")[1].state.arms["left"].base_T_tcp
    now, wanted = (first_pose("agilex", cube("red", x, y + 0.08, yaw=0.0), yaw=turn) for turn in (away, 0.0))
    np.testing.assert_allclose(wanted[:3, :3], home[:3, :3], atol=0.02)
    np.testing.assert_allclose(now[:3, :3], home[:3, :3], atol=0.02)
