"""Bad input of every kind is refused whole, counted with its cause, and the node goes on."""

import math

import pytest
from peer import Peer, image, joint_state
from support import NodeProcess
from test_ik_node import Graph as IkGraph
from test_target_node import SPEC
from test_target_node import Graph as TargetGraph
from test_vlm_node import PIXELS, TEXT
from test_vlm_node import Graph as VlmGraph

from gear_vla_ros.contracts import Grade
from gear_vla_ros.msg import Instruction
from gear_vla_ros.ros.stamps import to_msg, to_ns
from gear_vla_ros.ros.topics import CAMERA, CHUNK, INSTRUCTION, JOINT_STATES, TARGET

FUTURE_S = 5


def without_a_joint(message):
    del message.name[0]
    message.position, message.velocity = message.position[1:], message.velocity[1:]


def with_nan(message):
    message.position[0] = math.nan


def with_too_few_positions(message):
    message.position = message.position[:-1]


def with_a_name_twice(message):
    message.name[1] = message.name[0]


def with_zero_stamp(message):
    message.header.stamp = to_msg(0)


def from_the_future(message):
    message.header.stamp = to_msg(to_ns(message.header.stamp) + FUTURE_S * 10**9)


def with_a_stretched_rotation(message):
    message.arms[0].anchor.pose.orientation.w = 3.0


def with_a_zero_rotation(message):
    message.arms[0].anchor_t_tcp[3].orientation.w = 0.0


def with_a_nan_position(message):
    message.arms[0].anchor_t_tcp[3].position.x = math.nan


def of_a_wrong_arm(message):
    message.arms[0].arm = "left"


def in_a_wrong_frame(message):
    message.arms[0].anchor.header.frame_id = "map"


def with_uneven_lengths(message):
    message.arms[0].gripper = message.arms[0].gripper[:-1]


def with_a_gripper_beyond_open(message):
    message.arms[0].gripper[0] = 7.0


def without_steps(message):
    message.arms[0].anchor_t_tcp, message.arms[0].gripper = [], []


def without_arms(message):
    message.arms = []


def at_no_rate(message):
    message.rate_hz = 0.0


BAD_STATES = [without_a_joint, with_nan, with_too_few_positions, with_a_name_twice, with_zero_stamp]
BAD_CHUNKS = [
    with_a_stretched_rotation, with_a_zero_rotation, with_a_nan_position, of_a_wrong_arm, in_a_wrong_frame,
    with_uneven_lengths, with_a_gripper_beyond_open, without_steps, without_arms, at_no_rate, with_zero_stamp,
    from_the_future,
]  # fmt: skip


def say_spoilt(graph, spoil):
    message = joint_state(SPEC)
    spoil(message)
    graph.say(JOINT_STATES, message, SPEC.joint_states_topic)


def with_joints_reversed(message):
    message.name.reverse()
    message.position, message.velocity = message.position[::-1], message.velocity[::-1]


class TestTargetNode:
    @pytest.fixture(scope="class")
    def graph(self):
        with NodeProcess("target_node", robot="franka", hold_to_run=False), TargetGraph() as made:
            made.robot_runs()
            made.instruct(1)
            made.until(lambda: made.targets and made.status, "targets")
            yield made

    def follows(self, graph):
        graph.chunk()
        graph.wait_grade(Grade.FULL)

    @pytest.mark.parametrize("spoil", [*BAD_STATES, from_the_future])
    def test_a_bad_state_is_none_so_it_holds(self, graph, spoil):
        before = graph.refused().get("bad_message /joint_states", 0)
        graph.still()
        graph.every(0.02, lambda: say_spoilt(graph, spoil))
        graph.until(lambda: "joint_states_stale" in graph.status[-1].causes, "the cause")
        assert graph.status[-1].grade > Grade.FULL
        graph.until(lambda: graph.refused().get("bad_message /joint_states", 0) > before, "the count")
        graph.still()
        graph.robot_runs()
        self.follows(graph)

    def test_reordered_joints_are_put_in_order_by_name(self, graph):
        graph.still()
        graph.every(0.01, lambda: say_spoilt(graph, with_joints_reversed))
        before = graph.settled_refused()
        graph.spin(1.5)
        self.follows(graph)
        assert graph.refused() == before
        graph.still()
        graph.robot_runs()

    def test_bad_chunks(self, graph):
        graph.until(lambda: graph.status[-1].grade == Grade.HOLD, "the end of the chunk before")
        before = graph.total_refused()
        for spoil in BAD_CHUNKS:
            message = graph.chunk_message()
            spoil(message)
            graph.say(CHUNK, message)
            graph.spin(0.05)
            assert graph.status[-1].grade == Grade.HOLD, spoil.__name__
        graph.until(lambda: graph.total_refused() >= before + len(BAD_CHUNKS), "all of them in the count")
        assert graph.total_refused() == before + len(BAD_CHUNKS)
        self.follows(graph)

    def test_an_instruction_of_an_unknown_kind_does_not_replace_the_one_in_force(self, graph):
        before = graph.total_refused()
        graph.say(INSTRUCTION, Instruction(id=99, text="go", kind="song"))
        graph.until(lambda: graph.total_refused() > before, "the count")
        self.follows(graph)


class TestIkNode:
    @pytest.fixture(scope="class")
    def graph(self):
        with NodeProcess("ik_node", robot="franka"), IkGraph(SPEC) as made:
            made.joints()
            made.targets()
            made.until(lambda: made.commands() > 5, "commands")
            yield made

    @pytest.mark.parametrize("spoil", BAD_STATES)
    def test_it_stops_commanding_on_bad_states_and_goes_on_with_good_ones(self, graph, spoil):
        graph.still()
        graph.targets()
        graph.every(0.02, lambda: say_spoilt(graph, spoil))
        graph.spin(0.4)
        count = graph.commands()
        graph.spin(0.2)
        assert graph.commands() == count
        graph.joints()
        graph.until(lambda: graph.commands() > count + 20, "commands")

    def test_a_target_that_is_not_a_pose(self, graph):
        before = graph.refused().get("bad_message /gear_vla/target", 0)
        target = graph.target_message()
        target.arms[0].pose.pose.orientation.w = 9.0
        graph.still()
        graph.joints()
        graph.every(0.05, lambda: graph.say(TARGET, target))
        graph.until(lambda: graph.refused().get("bad_message /gear_vla/target", 0) > before, "the count")


HEAD = SPEC.cameras[0]


def cut(message):
    message.data = message.data[:-7]
    return message


HEAD_CAUSE = f"bad_message {HEAD.topic}"
BAD_IMAGES = {
    "size": lambda: image(PIXELS[:-2], HEAD.frame),
    "encoding": lambda: image(PIXELS, HEAD.frame, encoding="mono8"),
    "zero stamp": lambda: image(PIXELS, HEAD.frame, stamp_ns=0),
    "from the future": lambda: image(PIXELS, HEAD.frame, stamp_ns=Peer.now_ns() + 100 * FUTURE_S * 10**9),
    "cut": lambda: cut(image(PIXELS, HEAD.frame)),
    "frozen": lambda: image(PIXELS, HEAD.frame),
}


class TestVlmNode:
    @pytest.fixture(scope="class")
    def graph(self):
        parameters = {"policy": "expert", "use_scene": True, "instruction": TEXT}
        with NodeProcess("vlm_node", robot="franka", **parameters), VlmGraph() as made:
            made.robot_runs()
            made.until(lambda: made.latents, "latents")
            yield made

    def still_thinks(self, graph):
        count = len(graph.latents)
        graph.until(lambda: len(graph.latents) > count, "latents")

    @pytest.mark.parametrize("kind", BAD_IMAGES)
    def test_bad_images(self, graph, kind):
        before, message = graph.refused().get(HEAD_CAUSE, 0), BAD_IMAGES[kind]()
        graph.still()
        graph.every(0.03, lambda: graph.say(CAMERA, message, HEAD.topic))
        graph.until(lambda: graph.refused().get(HEAD_CAUSE, 0) > before + 2, "the count")
        graph.still()
        graph.robot_runs()
        self.still_thinks(graph)

    def test_bad_states(self, graph):
        before = graph.refused().get("bad_message /joint_states", 0)
        for spoil in (*BAD_STATES, from_the_future):
            say_spoilt(graph, spoil)
            graph.spin(0.03)
        wanted = before + len(BAD_STATES) + 1
        graph.until(lambda: graph.refused().get("bad_message /joint_states", 0) >= wanted, "the count")
        self.still_thinks(graph)


@pytest.mark.parametrize(
    ("executable", "parameters", "line"),
    [
        ("target_node", {"robot": "frnka"}, "did you mean 'franka'"),
        ("target_node", {"slow_factor": 3.0}, "slow_factor: found 3.0"),
        ("teleop_node", {"device": "joi"}, "did you mean 'joy'"),
        ("vlm_node", {"policy": "exprt"}, "did you mean 'expert'"),
        ("vlm_node", {"max_rate_hz": 0.0}, "max_rate_hz: found 0.0"),
        ("vlm_node", {"instruction": "compose a symphony", "use_scene": True}, "compose a symphony"),
        ("action_node", {"policy": "gear_vla", "checkpoint": "/nowhere"}, "/nowhere: no spec.yaml"),
    ],
)
def test_a_node_that_cannot_do_what_it_is_told_ends_with_one_line_and_code_2(executable, parameters, line):
    with NodeProcess(executable, **parameters) as process:
        assert process.wait_end(20.0) == 2
        assert line in process.output()
        assert "Traceback" not in process.output()
