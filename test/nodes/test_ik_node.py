import time

import numpy as np
import pytest
from peer import Peer, joint_state
from support import NodeProcess

from gear_vla_ros.contracts import ArmTarget, CartesianTarget, Grade
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.ros import convert
from gear_vla_ros.ros.commands import CommandDecoder
from gear_vla_ros.ros.topics import COMMANDS, GRIPPER, JOINT_STATES, TARGET
from gear_vla_ros.settings import load_robot, robot_names


class Graph(Peer):
    """A robot that does at once what it is told, and targets at 30 Hz."""

    def __init__(self, spec):
        super().__init__("ik_node")
        self.spec, self.model = spec, RobotModel(spec)
        self.decoder = CommandDecoder(spec)
        self.q = {arm.name: np.array(arm.home) for arm in spec.arms}
        self.offset, self.sequence = np.zeros(3), 0
        self.goals = {name: self.model.fk(name, q) for name, q in self.q.items()}
        for arm in spec.arms:
            self.hear(COMMANDS[arm.command.interface], arm.command.topic)
            if arm.gripper.topic is not None:
                self.hear(GRIPPER, arm.gripper.topic)
        self.hear_diagnostics()

    def commands(self):
        return sum(len(self.received[arm.command.topic]) for arm in self.spec.arms)

    def joints(self, follow=True):
        self.every(0.005, lambda: self._be_robot(follow))

    def _be_robot(self, follow):
        for arm in self.spec.arms:
            if follow and self.received[arm.command.topic]:
                newest = self.received[arm.command.topic][-1]
                self.q[arm.name] = self.decoder.decode(arm.command.topic, newest)[arm.name].q
        self.say(JOINT_STATES, joint_state(self.spec, self.q), self.spec.joint_states_topic)

    def targets(self):
        self.every(1 / 30, lambda: self.say(TARGET, self.target_message()))

    def target_message(self):
        self.sequence += 1
        arms = {}
        for name, goal in self.goals.items():
            pose = goal.copy()
            pose[:3, 3] += self.offset
            arms[name] = ArmTarget(pose, np.zeros(6), 0.5)
        target = CartesianTarget(self.now_ns(), self.sequence, arms, Grade.FULL)
        return convert.target_to_msg(target, self.spec)

    def errors_m(self):
        return [
            float(np.linalg.norm(self.model.fk(name, self.q[name])[:3, 3] - goal[:3, 3] - self.offset))
            for name, goal in self.goals.items()
        ]


@pytest.mark.parametrize("robot", robot_names())
def test_commands_bring_the_tools_to_their_targets_at_the_rate_of_the_yaml(robot):
    spec = load_robot(robot)
    with NodeProcess("ik_node", robot=robot), Graph(spec) as graph:
        graph.joints()
        graph.targets()
        graph.until(lambda: graph.commands() > 20, "commands")
        graph.offset = np.array([0.02, 0.0, -0.02])
        graph.until(lambda: max(graph.errors_m()) < 0.002, "the tools at their targets")
        before, begun = graph.commands(), time.monotonic()
        graph.spin(1.0)
        rate = (graph.commands() - before) / len(spec.arms) / (time.monotonic() - begun)
        assert 0.5 * spec.rates.ik_hz < rate < 1.2 * spec.rates.ik_hz


def test_nothing_is_commanded_without_joint_states_or_without_a_target():
    spec = load_robot("franka")
    with NodeProcess("ik_node", robot="franka"), Graph(spec) as graph:
        graph.targets()
        graph.until(lambda: graph.refused().get("stale_joint_states"), "the cause")
        assert graph.commands() == 0, "commanded before the first joint state"
        graph.still()
        graph.spin(0.3)
        graph.joints()
        graph.spin(0.3)
        assert graph.commands() == 0, "commanded without a target"
        graph.targets()
        graph.until(lambda: graph.commands() > 20, "commands")
        graph.still()
        graph.joints()
        graph.spin(1.0)
        stopped = graph.commands()
        graph.spin(0.3)
        assert graph.commands() == stopped, "commanded after the last target was stale"


def test_an_arm_that_does_not_follow_is_commanded_from_where_it_is():
    spec = load_robot("franka")
    with NodeProcess("ik_node", robot="franka"), Graph(spec) as graph:
        graph.joints(follow=False)
        graph.targets()
        graph.offset = np.array([0.0, 0.3, 0.0])
        graph.until(lambda: graph.refused().get("far_from_command"), "the cause")
        arm = spec.arms[0]
        told = [graph.decoder.decode(arm.command.topic, m)[arm.name].q for m in graph.received[arm.command.topic]]
        assert 0.1 < max(abs(q - graph.q[arm.name]).max() for q in told) < 0.35
