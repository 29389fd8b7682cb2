"""Action server: one instruction, until simulator or operator say that it is done, or the time is over."""

import sys
import threading
import time

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import MultiThreadedExecutor

from gear_vla_ros.action import ExecuteTask
from gear_vla_ros.contracts import ContractError, Instruction
from gear_vla_ros.msg import EpisodeEvent
from gear_vla_ros.ros.interface import Interface
from gear_vla_ros.ros.node import GearNode, run
from gear_vla_ros.ros.parameters import RobotParams
from gear_vla_ros.ros.polling import Polled
from gear_vla_ros.ros.topics import EVENTS, EXECUTE_TASK, SET_INSTRUCTION, STATUS
from gear_vla_ros.srv import SetInstruction

INTERFACE = Interface(
    publishes=(EVENTS,), subscribes=(STATUS, EVENTS), calls=(SET_INSTRUCTION,), actions=(EXECUTE_TASK,)
)
FEEDBACK_S = 0.5
POLL_S = 0.1
ANSWER_LIMIT_S = 5.0
TIME_LIMITS_S = (0.1, 3600.0)
ENDINGS = {EpisodeEvent.SUCCESS: True, EpisodeEvent.FAILURE: False}


THREADS = 4
OWN_SOURCE = "task"


class Params(RobotParams):
    """Parameters of the task_node."""


class TaskError(RuntimeError):
    """A task could not begin; one line says why."""


class TaskNode(GearNode[Params]):
    """A goal is executed in a thread of the executor; what it waits for comes in by others, and every wait is bounded.

    The time limit counts real seconds, so that it also ends a task in a simulation that stands still.
    """

    def __init__(self) -> None:
        super().__init__("task_node", Params, INTERFACE)
        self._busy = threading.Lock()
        self._ending: EpisodeEvent | None = None
        self._events = self.advertise(EVENTS)
        self._status = Polled(self, INTERFACE, STATUS)
        self.listen(EVENTS, self._on_event)
        self._instructions = self.client(SET_INSTRUCTION)
        self._server = ActionServer(
            self, ExecuteTask, EXECUTE_TASK.name, self._execute, goal_callback=self._on_goal,
            cancel_callback=lambda _: CancelResponse.ACCEPT, callback_group=ReentrantCallbackGroup(),
        )  # fmt: skip

    def _on_event(self, message: EpisodeEvent) -> None:
        if message.kind in ENDINGS and message.source != OWN_SOURCE:
            self._ending = message

    def _on_goal(self, request: ExecuteTask.Goal) -> GoalResponse:
        try:
            Instruction(1, request.instruction)
            if not TIME_LIMITS_S[0] <= request.time_limit_s <= TIME_LIMITS_S[1]:
                raise ContractError(f"goal.time_limit_s: {request.time_limit_s}, allowed {TIME_LIMITS_S}")
            if not self._busy.acquire(blocking=False):
                raise ContractError("goal: another task is being executed; cancel it or wait for its end")
        except ContractError as error:
            self.health.refuse("goal_refused", str(error))
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    def _execute(self, goal: ServerGoalHandle) -> ExecuteTask.Result:
        begun_s, self._ending = time.monotonic(), None
        result = ExecuteTask.Result()
        try:
            instruction_id = self._set_instruction(goal.request.instruction)
            self._tell(EpisodeEvent.START, instruction_id, goal.request.instruction)
            result.success, result.reason = self._follow(goal, instruction_id, begun_s)
            self._tell(EpisodeEvent.SUCCESS if result.success else EpisodeEvent.STOP, instruction_id, result.reason)
        except TaskError as error:
            result.reason = str(error)
        finally:
            self._busy.release()
        result.duration_s = time.monotonic() - begun_s
        self.get_logger().info(f"{'success' if result.success else 'no success'}: {result.reason}")
        if goal.is_cancel_requested:
            goal.canceled()
        else:
            (goal.succeed if result.success else goal.abort)()
        return result

    def _set_instruction(self, text: str) -> int:
        """Id of the instruction, now in force. Raises TaskError."""
        if not self._instructions.wait_for_service(timeout_sec=ANSWER_LIMIT_S):
            raise TaskError(f"no service {SET_INSTRUCTION.name} within {ANSWER_LIMIT_S:.0f} s; is vlm_node running?")
        answered = threading.Event()
        asking = self._instructions.call_async(SetInstruction.Request(text=text))
        asking.add_done_callback(lambda _: answered.set())
        if not answered.wait(ANSWER_LIMIT_S):
            asking.cancel()
            raise TaskError(f"no answer of {SET_INSTRUCTION.name} within {ANSWER_LIMIT_S:.0f} s")
        response = asking.result()
        if not response.accepted:
            raise TaskError(f"instruction refused: {response.message}")
        return int(response.id)

    def _follow(self, goal: ServerGoalHandle, instruction_id: int, begun_s: float) -> tuple[bool, str]:
        """Feedback until the end; success and reason."""
        feedback, first_chunk, told_s = ExecuteTask.Feedback(), None, 0.0
        while not self.ended.done():
            elapsed_s = time.monotonic() - begun_s
            if self._ending is not None and self._ending.instruction_id == instruction_id:
                return ENDINGS[self._ending.kind], f"{self._ending.source}: {self._ending.message}"
            if goal.is_cancel_requested:
                return False, "cancelled"
            if elapsed_s >= goal.request.time_limit_s:
                return False, f"time limit of {goal.request.time_limit_s:g} s reached"
            if elapsed_s - told_s >= FEEDBACK_S and (status := self._status.newest()) is not None:
                first_chunk = status.chunk_sequence if first_chunk is None else first_chunk
                feedback.chunks = max(0, status.chunk_sequence - first_chunk)
                feedback.elapsed_s, feedback.grade, told_s = elapsed_s, status.grade, elapsed_s
                goal.publish_feedback(feedback)
            time.sleep(POLL_S)
        return False, "task_node was ended"

    def _tell(self, kind: int, instruction_id: int, line: str) -> None:
        event = EpisodeEvent(kind=kind, source=OWN_SOURCE, instruction_id=instruction_id, message=line)
        event.header.stamp = self.get_clock().now().to_msg()
        self._events.publish(event)

    def close(self) -> None:
        """Take the action server down before the node."""
        self._server.destroy()


def main() -> int:
    """Entry point."""
    return run(TaskNode, lambda: MultiThreadedExecutor(num_threads=THREADS))


if __name__ == "__main__":
    sys.exit(main())
