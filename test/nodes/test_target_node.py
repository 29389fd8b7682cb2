import time

import numpy as np
import pytest
import yaml
from peer import Peer, joint_state
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Bool
from support import NodeProcess

from gear_vla_ros.contracts import ActionChunk, ArmChunk, Grade, Instruction
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.ros import convert, qos
from gear_vla_ros.ros.interface import Topic
from gear_vla_ros.ros.stamps import to_msg, to_ns
from gear_vla_ros.ros.topics import CHUNK, GRIPPER, INSTRUCTION, JOINT_STATES, RESET, STATUS, STOP, TARGET, TARGET_POSE
from gear_vla_ros.settings import load_robot
from gear_vla_ros.srv import Reset

SPEC = load_robot("franka")
HOME = RobotModel(SPEC).fk("right", np.array(SPEC.arms[0].home))
SPEED = 0.08


class Graph(Peer):
    """The robot at home, and whoever makes chunks."""

    def __init__(self):
        super().__init__("target_node")
        self.targets, self.status = self.hear(TARGET), self.hear(STATUS)
        self.poses = self.hear(TARGET_POSE, "/right/target_pose")
        self.hear_diagnostics()
        self.sequence = 0

    def robot_runs(self):
        self.every(0.005, lambda: self.say(JOINT_STATES, joint_state(SPEC), SPEC.joint_states_topic))

    def instruct(self, number):
        """Say it, and wait until it is in force: chunks come on another topic and may overtake it."""
        self.say(INSTRUCTION, convert.instruction_to_msg(Instruction(number, "go right"), self.now_ns()))
        self.until(lambda: self.targets and self.status, "targets")
        self.until(lambda: "no_instruction" not in self.status[-1].causes, "the instruction in force")

    def chunk(self, number=1):
        self.say(CHUNK, self.chunk_message(number))

    def chunk_message(self, number=1):
        """One second to the left (base y) at 0.08 m/s, from now."""
        self.sequence += 1
        steps = np.tile(np.eye(4), (30, 1, 1))
        steps[:, :3, 3] = HOME[:3, :3].T @ np.array([0.0, SPEED, 0.0]) * (np.arange(1, 31) / 30)[:, None]
        chunk = ActionChunk(
            self.now_ns(), self.sequence, "test", number, 1, {"right": ArmChunk(HOME, steps, np.ones(30))}
        )
        return convert.chunk_to_msg(chunk, SPEC)

    def wait_grade(self, grade):
        self.until(lambda: self.status and self.status[-1].grade == grade, f"grade {grade.name}")
        return self.status[-1]


class TestFollowing:
    @pytest.fixture(scope="class")
    def graph(self):
        with NodeProcess("target_node", robot="franka", hold_to_run=False), Graph() as made:
            made.until(lambda: made.status, "a status")
            made.spin(0.3)
            assert made.targets == [], "a target was published before the first joint state"
            made.robot_runs()
            yield made

    def test_holds_where_the_robot_is_until_there_is_a_chunk(self, graph):
        graph.until(lambda: len(graph.targets) > 10, "targets")
        assert graph.targets[-1].grade == Grade.HOLD
        position = graph.poses[-1].pose.position
        np.testing.assert_allclose([position.x, position.y, position.z], HOME[:3, 3], atol=1e-6)
        assert graph.poses[-1].header.frame_id == SPEC.arms[0].base_frame
        assert list(graph.status[-1].causes) == ["no_instruction"]

    def test_follows_a_chunk_by_its_stamp_at_thirty_hertz_and_holds_at_its_end(self, graph):
        graph.instruct(1)
        graph.targets.clear()
        graph.poses.clear()
        graph.chunk()
        status = graph.wait_grade(Grade.FULL)
        assert (status.instruction_id, status.chunk_sequence) == (1, graph.sequence)
        graph.wait_grade(Grade.HOLD)
        moved = graph.poses[-1].pose.position.y - HOME[1, 3]
        assert 0.8 * SPEED < moved < 1.2 * SPEED
        stamps = np.array([to_ns(target.header.stamp) for target in graph.targets]) * 1e-9
        assert np.median(np.diff(stamps)) == pytest.approx(1 / 30, abs=5e-3)
        assert list(graph.status[-1].causes) == ["timeline_end"]
        assert graph.status[-1].tick_jitter_p99_ms > 0.0

    def test_chunks_of_another_instruction_are_refused_and_counted(self, graph):
        def fault():
            return next((one for one in graph.status[-1].faults if one.cause == "chunk_instruction"), None)

        graph.chunk(number=7)
        found = graph.until(fault, "the fault in the status")
        assert found.count == 1
        assert "instruction 7, in force is 1" in found.last
        assert graph.status[-1].grade == Grade.HOLD
        assert graph.until(lambda: graph.refused().get("chunk_instruction"), "the count in the diagnostics") == 1

    def test_a_stop_latches_until_a_reset(self, graph):
        graph.chunk()
        graph.wait_grade(Grade.FULL)
        graph.say(STOP, Bool(data=True))
        graph.wait_grade(Grade.STOP)
        graph.say(STOP, Bool(data=False))
        graph.chunk()
        graph.spin(0.3)
        assert graph.status[-1].grade == Grade.STOP
        assert graph.call(RESET, Reset.Request()).accepted
        graph.wait_grade(Grade.HOLD)
        graph.chunk()
        graph.wait_grade(Grade.FULL)

    def test_holds_when_the_joint_states_end(self, graph):
        graph.still()
        status = graph.until(
            lambda: graph.status[-1] if "joint_states_stale" in graph.status[-1].causes else None, "the cause"
        )
        assert status.grade in (Grade.SLOW, Grade.HOLD)
        graph.robot_runs()
        graph.until(lambda: "joint_states_stale" not in graph.status[-1].causes, "the end of the cause")


def test_a_robot_that_takes_poses_gets_them_and_its_gripper_command_from_here(tmp_path):
    data = SPEC.model_dump(mode="json")
    data["arms"][0]["command"] = {"interface": "pose", "topic": "/cartesian_controller/target"}
    robot = tmp_path / "poses.yaml"
    robot.write_text(yaml.safe_dump(data))
    with NodeProcess("target_node", robot=str(robot), hold_to_run=False), Graph() as graph:
        poses = graph.hear(TARGET_POSE, "/cartesian_controller/target")
        hand = graph.hear(GRIPPER, SPEC.arms[0].gripper.topic)
        graph.robot_runs()
        graph.until(lambda: poses and hand and graph.poses, "poses and gripper commands")
        assert poses[-1].pose.position.x == pytest.approx(HOME[0, 3], abs=1e-6)
        assert hand[-1].data[0] == pytest.approx(SPEC.arms[0].gripper.open, abs=1e-6)
    with NodeProcess("ik_node", robot=str(robot)) as process:
        assert process.wait_end(20.0) == 2
        assert "takes poses; there is nothing to do" in process.output()


def test_simulated_time_is_the_time_of_everything():
    begun, clock = time.monotonic(), Topic("/clock", Clock, qos.STATE, "simulated time")

    def say_state(graph):
        now_ns = 1_000_000_000_000 + round((time.monotonic() - begun) * 1e9)
        graph.say(clock, Clock(clock=to_msg(now_ns)))
        graph.say(JOINT_STATES, joint_state(SPEC, stamp_ns=now_ns), SPEC.joint_states_topic)

    with NodeProcess("target_node", robot="franka", hold_to_run=False, use_sim_time=True), Graph() as graph:
        graph.every(0.005, lambda: say_state(graph))
        graph.until(lambda: len(graph.targets) > 15, "targets")
        assert 1000 <= graph.targets[-1].header.stamp.sec < 1100
        assert "joint_states_stale" not in graph.status[-1].causes
