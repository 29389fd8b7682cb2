"""Drivers that must be asked before their arm moves."""

import time
from collections.abc import Callable
from typing import Any

from rclpy.task import Future
from std_srvs.srv import SetBool, Trigger

from gear_vla_ros.ros.interface import Service, declared
from gear_vla_ros.ros.node import GearNode
from gear_vla_ros.ros.optional import PIPER_ENABLE
from gear_vla_ros.settings import ArmSpec

ENABLE_PIPER = Service("<arms.command.enable.service>", PIPER_ENABLE.shown, "enable an arm, kind piper")
ENABLE_BOOL = Service("<arms.command.enable.service>", SetBool, "enable an arm, kind set_bool")
ENABLE_TRIGGER = Service("<arms.command.enable.service>", Trigger, "enable an arm, kind trigger")
ENABLES = {"piper": ENABLE_PIPER, "set_bool": ENABLE_BOOL, "trigger": ENABLE_TRIGGER}


class Enabling:
    """Asks each arm's driver until it says yes; `done` is looked at with every tick. For the executor's thread.

    Each wait, for the service and for its answer, has the limit of the YAML. A refusal and a limit that has passed are
    counted as `enable_<arm>`, and it is asked again.
    """

    def __init__(self, node: GearNode[Any], now_s: Callable[[], float] = time.monotonic) -> None:
        """Raises StartError when a service's package is not installed."""
        self._asked = [_Asked(node, arm, now_s) for arm in node.robot.arms if arm.command.enable is not None]

    def done(self) -> bool:
        """Whether every arm is enabled; asks where it is time."""
        return all([one.enabled() for one in self._asked])

    @property
    def missing(self) -> str:
        """Names of arms that are not enabled yet."""
        return ", ".join(one.arm for one in self._asked if not one.yes)


class _Asked:
    """One arm's driver."""

    def __init__(self, node: GearNode[Any], arm: ArmSpec, now_s: Callable[[], float]) -> None:
        spec = arm.command.enable
        assert spec is not None
        declared(ENABLES[spec.kind], node.interface.calls)
        key = f"robot {node.robot.name}: arms.{arm.name}.command.enable"
        self._type: Any = PIPER_ENABLE.load(key) if spec.kind == "piper" else ENABLES[spec.kind].type
        self._node, self._spec, self._now_s = node, spec, now_s
        self._client = node.create_client(self._type, spec.service)
        self._asking: Future | None = None
        self._since_s = now_s()
        self._next_s = self._since_s
        self.arm, self.yes = arm.name, False

    def enabled(self) -> bool:
        if not self.yes:
            self._look(self._now_s())
        return self.yes

    def _look(self, now_s: float) -> None:
        late = now_s - self._since_s > self._spec.limit_s
        if self._asking is not None:
            if self._asking.done():
                self._take(self._asking.result(), now_s)
            elif late:
                self._client.remove_pending_request(self._asking)
                self._again("no answer", now_s)
        elif now_s >= self._next_s and self._client.service_is_ready():
            self._asking, self._since_s = self._client.call_async(self._request()), now_s
        elif late:
            self._again("it is not there; start the driver, or correct the YAML", now_s)

    def _request(self) -> Any:
        request = self._type.Request()
        if self._spec.kind == "piper":
            request.enable_request = True
        elif self._spec.kind == "set_bool":
            request.data = True
        return request

    def _take(self, answer: Any, now_s: float) -> None:
        if self._spec.kind == "piper":
            self.yes, why = bool(answer.enable_response), "the driver's motors did not report to be on"
        else:
            self.yes, why = bool(answer.success), answer.message or "no reason given"
        self._asking = None
        if self.yes:
            self._node.get_logger().info(f"{self.arm}: enabled by {self._spec.service}")
        else:
            self._again(f"refused: {why}", now_s)
            self._next_s = now_s + 1.0

    def _again(self, why: str, now_s: float) -> None:
        self._asking, self._since_s = None, now_s
        line = f"{self._spec.service}: {why} (limit {self._spec.limit_s:g} s); not commanding, asking again"
        self._node.health.refuse(f"enable_{self.arm}", line)
