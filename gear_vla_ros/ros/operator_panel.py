"""What an operator may tell the target_node: stop, reset, hold-to-run, and that he gives the robot back."""

from typing import Any

from sensor_msgs.msg import Joy
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from gear_vla_ros.contracts import ContractError
from gear_vla_ros.msg import EpisodeEvent
from gear_vla_ros.ros import qos
from gear_vla_ros.ros.interface import Service, Topic
from gear_vla_ros.ros.node import GearNode
from gear_vla_ros.ros.stamps import to_ns
from gear_vla_ros.ros.topics import EVENTS, RESET, STOP
from gear_vla_ros.runtime.follower import Follower
from gear_vla_ros.settings.operator import ButtonSpec

HOLD_JOY = Topic("<operator.topic>", Joy, qos.STATE, "hold-to-run, kind joy: the button that must stay pressed")
HOLD_BOOL = Topic("<operator.topic>", Bool, qos.STATE, "hold-to-run, kind bool: true while it may move")
STOP_NOW = Service("/gear_vla/stop_now", Trigger, "as /gear_vla/stop, with an answer")
RELEASED = "released; following goes on with the next chunk"


class OperatorPanel:
    """For the executor's thread, as the follower."""

    def __init__(self, node: GearNode[Any], follower: Follower, hold_to_run: bool) -> None:
        self._node, self._follower, self._spec = node, follower, node.robot.operator
        node.listen(STOP, self._on_stop)
        node.listen(EVENTS, self._on_event)
        node.serve(STOP_NOW, self._on_stop_now)
        node.serve(RESET, self._on_reset)
        if hold_to_run:
            topic = HOLD_JOY if self._spec.kind == "joy" else HOLD_BOOL
            node.listen(topic, lambda message: follower.on_hold(pressed(message, self._spec)), self._spec.topic)

    def _on_stop(self, message: Any) -> None:
        if message.data:
            self._stop()

    def _on_event(self, message: Any) -> None:
        if message.kind == EpisodeEvent.RELEASE:
            self._follower.on_release(message.source, to_ns(message.header.stamp))

    def _on_stop_now(self, request: Any, response: Any) -> Any:
        self._stop()
        response.success, response.message = True, "stopping; /gear_vla/reset releases it"
        return response

    def _stop(self) -> None:
        self._follower.stop("operator")
        self._node.get_logger().warning("stopped by the operator; /gear_vla/reset releases it")

    def _on_reset(self, request: Any, response: Any) -> Any:
        self._follower.reset()
        response.accepted, response.message = True, RELEASED
        return response


def pressed(message: Any, spec: ButtonSpec) -> bool:
    """Whether the button is pressed. Raises ContractError when the message has other buttons only.

    None at all is none pressed: spacenav_node sends an empty list before the first press.
    """
    if spec.kind == "bool":
        return bool(message.data)
    if not message.buttons:
        return False
    if len(message.buttons) <= spec.button:
        raise ContractError(f"{spec.topic}: {len(message.buttons)} buttons, the YAML asks for button {spec.button}")
    return bool(message.buttons[spec.button])
