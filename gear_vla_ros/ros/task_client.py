"""A client of the running graph: give it one task, see how it goes, close the recording."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.action import ActionClient
from rclpy.task import Future

from gear_vla_ros.action import ExecuteTask
from gear_vla_ros.msg import PolicyStatus
from gear_vla_ros.ros.client import Client, GraphError
from gear_vla_ros.ros.qos import RESULT
from gear_vla_ros.srv import ControlEpisode, SetInstruction

ANSWER_LIMIT_S = 10.0


@dataclass(frozen=True)
class Outcome:
    """How a task ended."""

    success: bool
    reason: str
    duration_s: float


class TaskClient(Client):
    """Talks to task_node, recorder_node and target_node. For the calling thread."""

    def __init__(self, check: Callable[[], None]) -> None:
        """check: as of `Client`, called in every wait."""
        super().__init__("gear_vla_client", check)
        self.status: PolicyStatus | None = None

    def open(self) -> None:
        """Tasks, instructions and episodes out, status in."""
        self.node.create_subscription(PolicyStatus, "/gear_vla/status", self._on_status, RESULT)
        self._tasks = ActionClient(self.node, ExecuteTask, "/gear_vla/execute_task")
        self._instructions = self.node.create_client(SetInstruction, "/gear_vla/set_instruction")
        self._episodes = self.node.create_client(ControlEpisode, "/gear_vla/control_episode")

    def wait_ready(self, limit_s: float) -> None:
        """Until tasks and instructions are served and targets reported. Raises GraphError naming what is missing."""
        self.until(self._tasks.server_is_ready, limit_s, "the action server /gear_vla/execute_task (task_node)")
        self.until(self._instructions.service_is_ready, limit_s, "the service /gear_vla/set_instruction (vlm_node)")
        self.until(lambda: self.status is not None, limit_s, "a message on /gear_vla/status (target_node)")

    def execute(self, instruction: str, time_limit_s: float, show: Callable[[Any], None]) -> Outcome:
        """Run one task to its end; `show` gets each feedback message."""
        goal = ExecuteTask.Goal(instruction=instruction, time_limit_s=time_limit_s)
        sending = self._tasks.send_goal_async(goal, feedback_callback=lambda message: show(message.feedback))
        handle = self._answer(sending, ANSWER_LIMIT_S, "an answer of task_node to the goal")
        if not handle.accepted:
            return Outcome(False, "task_node refused the goal; its log says why", 0.0)
        try:
            result = self._answer(handle.get_result_async(), time_limit_s + ANSWER_LIMIT_S, "the task's result").result
        except KeyboardInterrupt:
            self._answer(handle.cancel_goal_async(), ANSWER_LIMIT_S, "an answer to the cancellation")
            raise
        return Outcome(result.success, result.reason, result.duration_s)

    def finish_episode(self, success: bool) -> str:
        """Close the recorded episode; its folder."""
        command = ControlEpisode.Request.SUCCESS if success else ControlEpisode.Request.FAILURE
        self.until(self._episodes.service_is_ready, ANSWER_LIMIT_S, "the service /gear_vla/control_episode")
        asking = self._episodes.call_async(ControlEpisode.Request(command=command))
        response = self._answer(asking, ANSWER_LIMIT_S, "an answer of recorder_node")
        if not response.accepted:
            raise GraphError(f"recorder_node: {response.message}")
        return str(response.path)

    def _on_status(self, message: PolicyStatus) -> None:
        self.status = message

    def _answer(self, future: Future, limit_s: float, what: str) -> Any:
        self.until(future.done, limit_s, what)
        return future.result()
