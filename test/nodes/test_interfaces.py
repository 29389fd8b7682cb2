"""Each command interface in front of a stand-in for its controller: everything is taken, and leads to the target."""

import numpy as np
import pytest
import yaml
from controllers import CartesianController, ForwardCommandController, JointTrajectoryController, PiperDriver
from support import NodeProcess
from test_ik_node import Graph as IkGraph
from test_target_node import Graph as TargetGraph

from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.ros.topics import COMMANDS, GRIPPER, TARGET_POSE
from gear_vla_ros.settings import load_robot

OFFSET = np.array([0.02, 0.01, -0.02])
MADE = {
    "joint_trajectory": lambda arm: JointTrajectoryController(arm.joints),
    "joint_position": lambda arm: ForwardCommandController(arm.joints),
    "joint_state": lambda arm: PiperDriver(),
}


@pytest.mark.parametrize(
    ("robot", "interface"), [("franka", "joint_trajectory"), ("ldt01", "joint_position"), ("agilex", "joint_state")]
)
def test_joint_commands_are_taken_and_lead_there(robot, interface):
    spec, model = load_robot(robot), RobotModel(load_robot(robot))
    controllers = {arm.name: MADE[interface](arm) for arm in spec.arms}
    with NodeProcess("ik_node", robot=robot), IkGraph(spec) as graph:
        heard, hand = {}, {}
        for arm in spec.arms:
            heard[arm.name] = graph.hear(COMMANDS[interface], arm.command.topic)
            if arm.gripper.topic is not None:
                hand[arm.name] = graph.hear(GRIPPER, arm.gripper.topic)
            controllers[arm.name].enabled = True
        graph.joints()
        graph.targets()
        graph.until(lambda: graph.commands() > 20, "commands")
        graph.offset = OFFSET
        graph.until(lambda: max(graph.errors_m()) < 0.002, "the tools at their targets")
        for arm in spec.arms:
            for message in heard[arm.name]:
                controllers[arm.name].take(message)
            assert controllers[arm.name].refused == []
            reached = model.fk(arm.name, np.array(controllers[arm.name].q))[:3, 3]
            assert np.linalg.norm(reached - graph.goals[arm.name][:3, 3] - OFFSET) < 0.005
            low, high = sorted((arm.gripper.closed, arm.gripper.open))
            values = [m.data[0] for m in hand.get(arm.name, [])] or [controllers[arm.name].width / 2]
            assert all(low - 1e-9 <= value <= high + 1e-9 for value in values)


@pytest.mark.parametrize("topic", ["/target_frame", "/target_pose", "/pose_target_cmds"])
def test_poses_are_taken_by_cartesian_controllers(tmp_path, topic):
    data = load_robot("franka").model_dump(mode="json")
    data["arms"][0]["command"] = {"interface": "pose", "topic": topic}
    path = tmp_path / "poses.yaml"
    path.write_text(yaml.safe_dump(data))
    controller = CartesianController("fr3_link0")
    with NodeProcess("target_node", robot=str(path), hold_to_run=False), TargetGraph() as graph:
        poses = graph.hear(TARGET_POSE, topic)
        graph.robot_runs()
        graph.instruct(1)
        graph.chunk()
        graph.until(lambda: len(poses) > 45, "poses")
    for message in poses:
        controller.take(message)
    assert controller.refused == []
    assert controller.xyz is not None


def test_a_disabled_arm_moves_on_once_it_is_enabled():
    """What the driver does not take is said again: set points stream, none is waited for."""
    spec = load_robot("agilex")
    driver = PiperDriver()
    with NodeProcess("ik_node", robot="agilex"), IkGraph(spec) as graph:
        heard = graph.hear(COMMANDS["joint_state"], "/left/joint_ctrl_single")
        graph.joints()
        graph.targets()
        graph.until(lambda: len(heard) > 20, "commands")
        for message in heard:
            driver.take(message)
        assert driver.q is None
        driver.enabled = True
        count = len(heard)
        graph.until(lambda: len(heard) > count, "another command")
        driver.take(heard[-1])
        np.testing.assert_allclose(driver.q, spec.arm("left").home, atol=1e-3)
