"""Starts and ends episodes for somebody who has a node already."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rclpy.node import Node

from gear_vla_ros.ros.client import GraphError
from gear_vla_ros.ros.recorder_client import CONTROL_NAME
from gear_vla_ros.srv import ControlEpisode

ANSWER_LIMIT_S = 20.0
Until = Callable[[Callable[[], Any], float, str], None]


class EpisodeControl:
    """until: spins the node until a condition holds; raises GraphError after its limit."""

    def __init__(self, node: Node, until: Until) -> None:
        self._client, self._until = node.create_client(ControlEpisode, CONTROL_NAME), until

    def start(self, instruction: str, operator: str) -> Path:
        """Begin an episode; its folder. Raises GraphError when the recorder refuses."""
        request = ControlEpisode.Request(instruction=instruction, operator_name=operator)
        return Path(self._ask(ControlEpisode.Request.START, request).path)

    def end(self, success: bool) -> str:
        """End it as a success or a failure; what the recorder says of it. Raises GraphError."""
        command = ControlEpisode.Request.SUCCESS if success else ControlEpisode.Request.FAILURE
        return str(self._ask(command, ControlEpisode.Request()).message)

    def _ask(self, command: int, request: Any) -> Any:
        request.command = command
        self._until(self._client.service_is_ready, ANSWER_LIMIT_S, CONTROL_NAME)
        asking = self._client.call_async(request)
        self._until(asking.done, ANSWER_LIMIT_S, f"an answer of {CONTROL_NAME}")
        answer = asking.result()
        if not answer.accepted:
            raise GraphError(f"recorder_node: {answer.message}")
        return answer
