"""The simulated robot from outside: its drivers' topics, commands, ground truth, reset and success."""

import numpy as np
import pytest
from peer import Peer
from support import NodeProcess

from gear_vla_ros.contracts import Instruction
from gear_vla_ros.geometry import se3
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.ros import convert, images
from gear_vla_ros.ros.commands import CommandEncoder
from gear_vla_ros.ros.joint_states import JointStateReader
from gear_vla_ros.ros.sim_topics import CAMERA_INFO, CLOCK, DESCRIPTION, SIM_RESET, TF
from gear_vla_ros.ros.stamps import to_ns
from gear_vla_ros.ros.topics import CAMERA, COMMANDS, EVENTS, GRIPPER, INSTRUCTION, JOINT_STATES, SCENE
from gear_vla_ros.settings import load_robot, robot_names
from gear_vla_ros.sim.randomise import random_scene
from gear_vla_ros.sim.world import World
from gear_vla_ros.srv import Reset


class Graph(Peer):
    """Hears everything that a simulated robot says."""

    def __init__(self, robot):
        super().__init__("sim_node")
        self.spec = load_robot(robot)
        self.reader = JointStateReader(self.spec, RobotModel(self.spec))
        self.joints = self.hear(JOINT_STATES, self.spec.joint_states_topic)
        self.scenes, self.events = self.hear(SCENE), self.hear(EVENTS)
        self.hear_diagnostics()

    def state(self):
        return self.reader.read(self.joints[-1])

    def scene(self):
        return {name: one.world_T_object for name, one in convert.scene_from_msg(self.scenes[-1], self.spec).items()}

    def ready(self):
        self.until(lambda: self.joints and self.scenes, "joint states and objects")

    def command(self, q, opening):
        """Say the set points of all arms."""
        arms = {arm.command.topic: COMMANDS[arm.command.interface] for arm in self.spec.arms}
        for topic, message in CommandEncoder(self.spec).encode(q, opening):
            self.say(arms.get(topic, GRIPPER), message, topic)

    def fresh(self, messages):
        """The next message that comes."""
        messages.clear()
        self.until(lambda: messages, "another message")
        return messages[-1]


@pytest.fixture
def graph(request):
    robot = request.param
    with NodeProcess("sim_node", robot=robot, seed=5), Graph(robot) as graph:
        yield graph


every_robot = pytest.mark.parametrize("graph", robot_names(), indirect=True)
franka = pytest.mark.parametrize("graph", ["franka"], indirect=True)


@every_robot
def test_a_robot_that_obeys_its_own_commands(graph):
    graph.ready()
    q = {arm.name: np.array(arm.home) for arm in graph.spec.arms}
    for arm, state in graph.state().arms.items():
        np.testing.assert_allclose(state.q, q[arm], atol=3e-3)
        assert state.gripper == pytest.approx(1.0, abs=0.02)
    for joints in q.values():
        joints[0] += 0.15
    graph.command(q, dict.fromkeys(q, 0.3))

    def there():
        arms = graph.state().arms
        return all(abs(arms[arm].q - q[arm]).max() < 0.01 and abs(arms[arm].gripper - 0.3) < 0.05 for arm in q)

    graph.until(there, "the joints at their set points")


@every_robot
def test_pictures_with_their_intrinsics(graph):
    pictures = {camera.role: graph.hear(CAMERA, camera.topic) for camera in graph.spec.cameras}
    infos = {camera.role: graph.hear(CAMERA_INFO, camera.info_topic) for camera in graph.spec.cameras}
    graph.until(lambda: all(map(len, pictures.values())) and all(map(len, infos.values())), "every camera")
    sim = graph.spec.sim
    for camera in graph.spec.cameras:
        message, info = pictures[camera.role][-1], infos[camera.role][-1]
        pixels = images.view(message, sim.camera_width, sim.camera_height)
        assert pixels.std() > 10
        assert message.header.frame_id == info.header.frame_id == camera.frame
        assert (info.width, info.height) == (sim.camera_width, sim.camera_height)
        assert info.k[4] == pytest.approx(camera.fy * sim.camera_height / camera.height)
    captured_ns = to_ns(graph.fresh(pictures["head"]).header.stamp)
    assert 0.0 < (graph.now_ns() - captured_ns) * 1e-9 < 2.0


@franka
def test_transforms_and_description_are_those_of_the_urdf(graph):
    transforms, description = graph.hear(TF), graph.hear(DESCRIPTION)
    graph.until(lambda: transforms and description and graph.joints, "transforms and description")
    assert description[-1].data == graph.spec.urdf_path().read_text(encoding="utf-8")
    tree = {one.child_frame_id: one for one in transforms[-1].transforms}
    frame, world_T_frame = graph.spec.arms[0].tcp_frame, np.eye(4)
    while frame in tree:
        t, r = tree[frame].transform.translation, tree[frame].transform.rotation
        parent_T_frame = se3.from_xyz_quat(np.array([t.x, t.y, t.z]), np.array([r.x, r.y, r.z, r.w]))
        world_T_frame, frame = parent_T_frame @ world_T_frame, tree[frame].header.frame_id
    assert frame == graph.spec.world_frame
    expected = RobotModel(graph.spec).world_T_base("right") @ graph.state().arms["right"].base_T_tcp
    np.testing.assert_allclose(world_T_frame, expected, atol=2e-3)


@franka
def test_stamps_are_evenly_spaced_capture_times(graph):
    graph.ready()
    graph.joints.clear()
    graph.until(lambda: len(graph.joints) > 150, "joint states")
    gaps_s = np.diff([to_ns(message.header.stamp) for message in graph.joints]) * 1e-9
    assert np.median(gaps_s) == pytest.approx(1 / graph.spec.rates.joint_states_hz, rel=0.02)
    assert gaps_s.min() > 0


@franka
def test_reset_places_the_objects_by_its_seed(graph):
    graph.ready()
    other = World(graph.spec, 77).objects()
    before = graph.scene()
    answer = graph.call(SIM_RESET, Reset.Request(seed=77))
    assert answer.accepted and "77" in answer.message
    graph.fresh(graph.scenes)
    assert np.linalg.norm(before["red_cube"][:3, 3] - graph.scene()["red_cube"][:3, 3]) > 5e-3
    for name, pose in graph.scene().items():
        np.testing.assert_allclose(pose[:3, 3], other[name].world_T_object[:3, 3], atol=1e-3)
    kept = graph.scene()["red_cube"]
    graph.call(SIM_RESET, Reset.Request(seed=0))
    graph.fresh(graph.scenes)
    np.testing.assert_allclose(graph.scene()["red_cube"], kept, atol=1e-3)


def test_a_scene_of_a_task_by_its_seed():
    scene = random_scene(load_robot("franka"), "place", 4)
    with NodeProcess("sim_node", robot="franka", task="place", seed=4) as node, Graph("franka") as graph:
        graph.ready()
        there = World(graph.spec, 4, scene).objects()
        assert set(graph.scene()) == set(there) == {thing.name for thing in scene.things}
        for name, pose in graph.scene().items():
            np.testing.assert_allclose(pose[:3, 3], there[name].world_T_object[:3, 3], atol=1e-3)
        other = graph.call(SIM_RESET, Reset.Request(seed=5))
        assert not other.accepted and "one seed, 4" in other.message
        assert graph.call(SIM_RESET, Reset.Request(seed=0)).accepted
        assert scene.instruction in node.output()


def test_a_task_that_there_is_not_or_that_needs_another_arm_ends_the_node_in_one_line():
    for task, said in (("plaec", "did you mean 'place'"), ("handover", "needs two arms")):
        with NodeProcess("sim_node", robot="franka", task=task) as node:
            assert node.wait_end(20.0) == 2
            assert said in node.output() and "Traceback" not in node.output()


@franka
def test_bad_commands_and_strange_instructions_are_refused_and_counted(graph):
    graph.ready()
    before = graph.state().arms["right"].q
    graph.command({"right": np.full(7, np.nan)}, {"right": 0.0})
    graph.say(INSTRUCTION, convert.instruction_to_msg(Instruction(1, "make coffee"), graph.now_ns()))
    arm = graph.spec.arms[0].command.topic
    causes = {f"bad_message {arm}", f"bad_message {INSTRUCTION.name}"}
    graph.until(lambda: causes <= set(graph.refused()), "both refusals")
    np.testing.assert_allclose(graph.state().arms["right"].q, before, atol=3e-3)
    assert not graph.events


def test_simulated_time_is_published_and_stamps_follow_it():
    with NodeProcess("sim_node", robot="franka", publish_clock=True), Graph("franka") as graph:
        clocks = graph.hear(CLOCK)
        graph.ready()
        graph.until(lambda: len(clocks) > 20, "the clock")
        assert abs(to_ns(clocks[-1].clock) - to_ns(graph.joints[-1].header.stamp)) < 50_000_000
        assert to_ns(clocks[0].clock) < 60_000_000_000


def test_an_unknown_robot_ends_the_node_in_one_line():
    with NodeProcess("sim_node", robot="frank") as node:
        assert node.wait_end(20.0) == 2
        assert "did you mean 'franka'" in node.output()


def test_without_opengl_the_node_ends_saying_what_to_install(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "disable")
    with NodeProcess("sim_node", robot="franka") as node:
        assert node.wait_end(20.0) == 2
        assert "install EGL" in node.output() and "Traceback" not in node.output()
