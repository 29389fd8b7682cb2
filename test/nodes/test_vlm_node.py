import numpy as np
import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from peer import Peer, image, joint_state
from support import NodeProcess

from gear_vla_ros.contracts import SceneObject
from gear_vla_ros.ros import convert
from gear_vla_ros.ros.interface import Service
from gear_vla_ros.ros.stamps import to_ns
from gear_vla_ros.ros.topics import CAMERA, INSTRUCTION, JOINT_STATES, LATENTS, SCENE, SET_INSTRUCTION
from gear_vla_ros.settings import load_robot
from gear_vla_ros.srv import SetInstruction

SPEC = load_robot("franka")
PIXELS = np.zeros((SPEC.sim.camera_height, SPEC.sim.camera_width, 3), np.uint8)
CHANGE_STATE = Service("/vlm_node/change_state", ChangeState, "lifecycle")
TEXT = "pick up the red cube"


def cube(colour, y):
    world_T_object = np.eye(4)
    world_T_object[:3, 3] = 0.5, y, SPEC.sim.table_height + 0.02
    return SceneObject(f"{colour}_cube", world_T_object, np.full(3, 0.04), colour)


class Graph(Peer):
    """Robot at home, cameras, ground truth."""

    def __init__(self):
        super().__init__("vlm_node")
        self.latents, self.instructions = self.hear(LATENTS), self.hear(INSTRUCTION)
        self.hear_diagnostics()

    def robot_runs(self, cameras=SPEC.cameras):
        self.every(0.005, lambda: self.say(JOINT_STATES, joint_state(SPEC), SPEC.joint_states_topic))
        self.every(1 / 15, lambda: self.see(cameras))

    def see(self, cameras):
        scene = {one.name: one for one in (cube("red", -0.1), cube("blue", 0.1))}
        self.say(SCENE, convert.scene_to_msg(scene, SPEC, self.now_ns()))
        stamp_ns = self.now_ns()
        for camera in cameras:
            self.say(CAMERA, image(PIXELS, camera.frame, stamp_ns), camera.topic)

    def instruct(self, text, kind=""):
        return self.call(SET_INSTRUCTION, SetInstruction.Request(text=text, kind=kind))

    def change_state(self, transition):
        return self.call(CHANGE_STATE, ChangeState.Request(transition=Transition(id=transition))).success


@pytest.fixture(scope="module")
def graph():
    with NodeProcess("vlm_node", robot="franka", policy="expert", use_scene=True), Graph() as made:
        made.robot_runs()
        yield made


def test_waits_for_an_instruction_and_then_thinks_at_the_cameras_rate_at_most(graph):
    graph.spin(0.7)
    assert graph.latents == []
    answer = graph.instruct(TEXT)
    assert (answer.accepted, answer.id, answer.message) == (True, 1, "")
    graph.until(lambda: graph.instructions, "the instruction in force")
    assert (graph.instructions[-1].text, graph.instructions[-1].kind) == (TEXT, "language")
    graph.until(lambda: len(graph.latents) >= 5, "latents")
    assert {latents.instruction_id for latents in graph.latents} == {1}
    sequences = [latents.sequence for latents in graph.latents]
    assert sequences == sorted(set(sequences))
    stamps = [to_ns(latents.header.stamp) for latents in graph.latents]
    assert stamps == sorted(set(stamps)), "one set of images was thought about twice"
    assert 0.0 < (graph.now_ns() - stamps[-1]) * 1e-9 < 2.0


def test_whoever_comes_later_gets_the_instruction_in_force(graph):
    late = []
    graph.node.create_subscription(INSTRUCTION.type, INSTRUCTION.name, late.append, INSTRUCTION.qos)
    graph.until(lambda: late, "the latched instruction")
    assert late[-1].id == graph.instructions[-1].id


@pytest.mark.parametrize(
    ("text", "kind", "line"),
    [
        ("", "", "instruction.text: empty"),
        ("x" * 501, "", "501 characters, allowed 500"),
        (TEXT, "langauge", "instruction.kind: 'langauge', allowed language, mask_guided"),
        ("compose a symphony", "", "compose a symphony"),
        ("pick up the green cube", "", "allowed 'pick up the red cube', 'pick up the blue cube'"),
    ],
)
def test_instructions_that_cannot_be_followed_are_refused_in_one_line(graph, text, kind, line):
    in_force = graph.instructions[-1].id
    answer = graph.instruct(text, kind)
    assert (answer.accepted, answer.id) == (False, in_force)
    assert line in answer.message
    assert len(answer.message.splitlines()) == 1


def test_the_next_instruction_has_the_next_id_and_its_latents_carry_it(graph):
    former = graph.instructions[-1].id
    assert graph.instruct("pick up the blue cube").id == former + 1
    graph.until(lambda: graph.latents[-1].instruction_id == former + 1, "latents of the new one")


def test_an_inactive_node_is_silent_and_goes_on_when_activated(graph):
    assert graph.change_state(Transition.TRANSITION_DEACTIVATE)
    graph.spin(0.3)
    count = len(graph.latents)
    graph.spin(0.5)
    assert len(graph.latents) == count
    assert graph.change_state(Transition.TRANSITION_ACTIVATE)
    graph.until(lambda: len(graph.latents) > count, "latents")
    assert graph.change_state(Transition.TRANSITION_DEACTIVATE)
    assert graph.change_state(Transition.TRANSITION_CLEANUP)
    refused = graph.instruct(TEXT)
    assert not refused.accepted
    assert "not configured" in refused.message
    assert graph.change_state(Transition.TRANSITION_CONFIGURE)
    assert graph.change_state(Transition.TRANSITION_ACTIVATE)
    count = len(graph.latents)
    graph.until(lambda: len(graph.latents) > count, "latents")


def test_a_camera_that_is_missing_stops_the_thinking(graph):
    graph.still()
    graph.robot_runs(SPEC.cameras[:1])
    graph.spin(0.5)
    count = len(graph.latents)
    graph.spin(0.7)
    assert len(graph.latents) == count
    graph.still()
    graph.robot_runs()
    graph.until(lambda: len(graph.latents) > count, "latents")
