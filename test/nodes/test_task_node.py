import pytest
from action_msgs.msg import GoalStatus
from peer import Peer
from rclpy.action import ActionClient
from support import NodeProcess

from gear_vla_ros.action import ExecuteTask
from gear_vla_ros.msg import EpisodeEvent, PolicyStatus
from gear_vla_ros.ros.topics import EVENTS, EXECUTE_TASK, SET_INSTRUCTION, STATUS


class Graph(Peer):
    """Stands in for vlm_node (instructions), target_node (status) and the simulator (events)."""

    def __init__(self):
        super().__init__("task_node")
        self.hear(EVENTS)
        self.asked, self.feedback = [], []
        self.node.create_service(SET_INSTRUCTION.type, SET_INSTRUCTION.name, self._set_instruction)
        self.tasks = ActionClient(self.node, ExecuteTask, EXECUTE_TASK.name)
        self.until(self.tasks.server_is_ready, "the action server")
        self.every(0.1, lambda: self.say(STATUS, PolicyStatus(grade=1, chunk_sequence=len(self.feedback))))

    def _set_instruction(self, request, response):
        self.asked.append(request.text)
        response.accepted, response.id = "cube" in request.text, len(self.asked)
        response.message = "" if response.accepted else "allowed is a cube"
        return response

    def send(self, instruction="pick up the red cube", time_limit_s=30.0):
        sending = self.tasks.send_goal_async(
            ExecuteTask.Goal(instruction=instruction, time_limit_s=time_limit_s),
            feedback_callback=lambda message: self.feedback.append(message.feedback),
        )
        self.until(sending.done, "an answer to the goal")
        return sending.result()

    def result(self, handle):
        getting = handle.get_result_async()
        self.until(getting.done, "the result")
        return getting.result()

    def event(self, kind, instruction_id, source="sim", message="red cube lifted"):
        self.say(EVENTS, EpisodeEvent(kind=kind, source=source, instruction_id=instruction_id, message=message))

    def started(self, instruction_id):
        return [e for e in self.received[EVENTS.name] if e.source == "task" and e.instruction_id == instruction_id]

    def begin(self):
        task = len(self.asked) + 1
        handle = self.send()
        assert handle.accepted
        self.until(lambda: self.started(task), "the task's start")
        return handle


@pytest.fixture(scope="module")
def graph():
    with NodeProcess("task_node", robot="franka"), Graph() as made:
        yield made


def test_success_is_what_the_simulator_says_about_this_instruction(graph):
    handle = graph.begin()
    mine = len(graph.asked)
    graph.event(EpisodeEvent.SUCCESS, mine + 7, message="another one's")
    graph.event(EpisodeEvent.SUCCESS, mine, source="task", message="its own")
    graph.until(lambda: len(graph.feedback) >= 2, "feedback")
    graph.event(EpisodeEvent.SUCCESS, mine)
    answer = graph.result(handle)
    assert answer.status == GoalStatus.STATUS_SUCCEEDED
    assert (answer.result.success, answer.result.reason) == (True, "sim: red cube lifted")
    assert answer.result.duration_s > 0.5
    assert graph.feedback[-1].grade == 1
    assert graph.feedback[-1].elapsed_s - graph.feedback[-2].elapsed_s > 0.3


def test_failure_comes_from_the_operator_too(graph):
    handle = graph.begin()
    graph.event(EpisodeEvent.FAILURE, len(graph.asked), source="operator", message="dropped")
    answer = graph.result(handle)
    assert answer.status == GoalStatus.STATUS_ABORTED
    assert (answer.result.success, answer.result.reason) == (False, "operator: dropped")


def test_time_limit_ends_a_task(graph):
    answer = graph.result(graph.send(time_limit_s=0.3))
    assert answer.status == GoalStatus.STATUS_ABORTED
    assert answer.result.reason == "time limit of 0.3 s reached"
    assert 0.3 <= answer.result.duration_s < 5.0


def test_cancelled_and_only_one_at_a_time(graph):
    handle = graph.begin()
    assert not graph.send().accepted
    cancelling = handle.cancel_goal_async()
    graph.until(cancelling.done, "an answer to the cancellation")
    answer = graph.result(handle)
    assert answer.status == GoalStatus.STATUS_CANCELED
    assert answer.result.reason == "cancelled"
    assert graph.result(graph.send(time_limit_s=0.1)).result.reason.startswith("time limit")


def test_an_instruction_that_is_refused_ends_the_task_with_the_reason(graph):
    answer = graph.result(graph.send("sing a song"))
    assert answer.status == GoalStatus.STATUS_ABORTED
    assert answer.result.reason == "instruction refused: allowed is a cube"


@pytest.mark.parametrize(("text", "limit_s"), [("", 10.0), ("x" * 501, 10.0), ("pick", 0.0), ("pick", float("nan"))])
def test_goals_that_make_no_sense_are_refused(graph, text, limit_s):
    asked = len(graph.asked)
    assert not graph.send(text, limit_s).accepted
    assert len(graph.asked) == asked
