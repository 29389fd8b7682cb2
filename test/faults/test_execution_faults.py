"""Faults in front of the target_node, while the arm moves: each ends in standstill."""

import math
import time

import numpy as np
import pytest
from aftermath import Aftermath
from peer import joint_state
from sensor_msgs.msg import JointState, Joy
from std_msgs.msg import Bool
from std_srvs.srv import Trigger
from support import NodeProcess
from test_target_node import HOME, SPEC
from test_target_node import Graph as TargetGraph

from gear_vla_ros.contracts import ActionChunk, ArmChunk, Grade
from gear_vla_ros.geometry import se3
from gear_vla_ros.msg import ActionChunk as ChunkMessage
from gear_vla_ros.msg import Instruction as InstructionMessage
from gear_vla_ros.ros import convert
from gear_vla_ros.ros.operator_panel import HOLD_JOY, STOP_NOW
from gear_vla_ros.ros.topics import CHUNK, INSTRUCTION, JOINT_STATES, RESET, STOP
from gear_vla_ros.srv import Reset

WAY_M, TURNS_PER_S = 0.04, 4.0
"""To and fro along y at up to 0.16 m/s."""
CHUNKS_HZ = 5.0


class Moving(TargetGraph):
    """The target_node with a robot at home, a policy that swings the tool, and an operator who holds the button."""

    def __init__(self):
        super().__init__()
        self.ahead_ns = 0

    def now_ns(self):
        return time.time_ns() + self.ahead_ns

    def swing(self):
        """One chunk of the swing, by absolute time."""
        self.sequence += 1
        stamp_ns = self.now_ns()
        times = (stamp_ns % 10**12) * 1e-9 + np.arange(0, 31) / 30
        poses = np.tile(HOME, (31, 1, 1))
        poses[:, 1, 3] += WAY_M * np.sin(TURNS_PER_S * times)
        steps = se3.inverse(HOME) @ poses[1:]
        chunk = ActionChunk(stamp_ns, self.sequence, "test", 1, 1, {"right": ArmChunk(HOME, steps, np.ones(30))})
        return convert.chunk_to_msg(chunk, SPEC)

    def robot(self):
        self.every(0.01, lambda: self.say(JOINT_STATES, joint_state(SPEC, stamp_ns=self.now_ns()), "/joint_states"))

    def policy(self):
        self.every(1 / CHUNKS_HZ, lambda: self.say(CHUNK, self.swing()))

    def button(self, pressed=True):
        message = Joy(buttons=[0, 0, 0, 0, int(pressed)])
        self.every(0.05, lambda: self.say(HOLD_JOY, message, SPEC.operator.topic))

    def run(self, tell=None):
        """Everything is well, and the tool moves; `tell` the time where it is simulated."""
        self.still()
        if tell is not None:
            self.every(0.004, tell)
        self.robot()
        self.policy()
        self.button()
        self.instruct(1)
        self.until(self.moves, "motion")

    def moves(self):
        if not self.targets:
            return False
        target = convert.target_from_msg(self.targets[-1], SPEC)
        return target.grade == Grade.FULL and np.linalg.norm(target.arms["right"].twist[:3]) > 0.08

    def fault(self, name):
        return Aftermath(self, self.targets, SPEC, name)


@pytest.fixture(scope="module")
def moving():
    with NodeProcess("target_node", robot="franka", hold_to_run=True), Moving() as made:
        yield made


@pytest.fixture
def graph(moving):
    moving.run()
    return moving


def test_joint_states_end(graph):
    graph.still()
    graph.policy()
    graph.button()
    graph.fault("joint states stopped").until_it_stands()


def test_chunks_end(graph):
    graph.still()
    graph.robot()
    graph.button()
    graph.fault("chunks stopped").until_it_stands()


def test_the_button_is_let_go(graph):
    graph.still()
    graph.robot()
    graph.policy()
    graph.button(False)
    graph.fault("hold-to-run released").until_it_stands()


def test_the_pad_is_switched_off(graph):
    graph.still()
    graph.robot()
    graph.policy()
    graph.fault("hold-to-run silent").until_it_stands()


@pytest.mark.parametrize("by", ["topic", "service"])
def test_stop_in_motion(graph, by):
    after = graph.fault(f"stop by {by}")
    if by == "topic":
        graph.say(STOP, Bool(data=True))
    else:
        assert graph.call(STOP_NOW, Trigger.Request()).success
    after.until_it_stands(Grade.STOP)
    graph.spin(0.5)
    assert not graph.moves(), "it moved again without a reset"
    assert graph.call(RESET, Reset.Request()).accepted
    graph.until(graph.moves, "motion after the reset")


def test_chunks_become_nan(graph):
    graph.still()
    graph.robot()
    graph.button()

    def spoilt():
        message = graph.swing()
        message.arms[0].anchor_t_tcp[3].position.x = math.nan
        graph.say(CHUNK, message)

    before = graph.refused().get(f"bad_message {CHUNK.name}", 0)
    graph.every(1 / CHUNKS_HZ, spoilt)
    graph.fault("every chunk has NaN").until_it_stands()
    graph.until(lambda: graph.refused().get(f"bad_message {CHUNK.name}", 0) > before, "the count")


@pytest.mark.parametrize(
    ("topic", "name", "make"),
    [
        (CHUNK, CHUNK.name, ChunkMessage),
        (INSTRUCTION, INSTRUCTION.name, InstructionMessage),
        (JOINT_STATES, SPEC.joint_states_topic, lambda: JointState(name=["x"] * 3, position=[math.inf])),
        (HOLD_JOY, SPEC.operator.topic, lambda: Joy(buttons=[1])),
    ],
)
def test_a_hundred_malformed_messages_are_counted_and_nothing_ends(graph, topic, name, make):
    key = f"bad_message {name}"
    before = graph.settled_refused().get(key, 0)
    for _ in range(100):
        graph.say(topic, make(), name)
        graph.spin(0.012)
    graph.until(lambda: graph.refused().get(key, 0) > before, "the count")
    graph.run()
