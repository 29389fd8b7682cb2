"""Base of the two nodes that run a policy: its parameters, its life, and one worker thread."""

import abc
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from pydantic import Field
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

from gear_vla_ros.contracts import Policy
from gear_vla_ros.engines.bundle import Paths
from gear_vla_ros.policies.options import PolicyOptions
from gear_vla_ros.policies.registry import make_policy
from gear_vla_ros.ros.clocks import RosClock
from gear_vla_ros.ros.health import Health
from gear_vla_ros.ros.interface import Interface
from gear_vla_ros.ros.node import GearLifecycleNode
from gear_vla_ros.ros.parameters import RobotParams
from gear_vla_ros.ros.running import StartError
from gear_vla_ros.ros.workers import NewestOnly
from gear_vla_ros.runtime.latency import Percentiles

CLOSE_LIMIT_S = 5.0


class PolicyParams(RobotParams):
    """What both nodes take."""

    policy: str = Field(default="expert", description="policy by name: expert or gear_vla")
    checkpoint: str = Field(
        default="", description="engine bundle or checkpoint folder of gear_vla; empty: random tiny weights"
    )
    backend: Literal["auto", "tensorrt", "onnxruntime", "torch"] = Field(
        default="auto", description="of a bundle, the first to try; auto: the fastest that is installed"
    )
    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="seed of random weights and of the flow's noise")
    autostart: bool = Field(default=True, description="configure and activate at start")


P = TypeVar("P", bound=PolicyParams)


class LatencyFigures:
    """p50 and p99 of a latency, in the node's diagnostics. For one thread."""

    def __init__(self, health: Health, name: str, window: int = 100) -> None:
        self._health, self._name, self._ms = health, name, Percentiles(window)

    def add(self, latency_ns: int) -> None:
        """One more measurement."""
        self._ms.add(latency_ns * 1e-6)
        for percent in (50, 99):
            self._health.set(f"{self._name} p{percent} [ms]", self._ms.p(percent))

    def p(self, percent: float) -> float:
        """The latency [ms] that `percent` of the last ones do not exceed; 0 before the first."""
        return self._ms.p(percent)


class PolicyNode(GearLifecycleNode[P], abc.ABC):
    """configure makes the policy for its `path`, activate warms it up and starts the worker, deactivate ends it.

    Callbacks run in the executor's thread; `think` and `act` run in the worker, on the newest input.
    """

    policy: Policy | None = None
    worker: NewestOnly[Any, Any] | None = None

    def __init__(self, name: str, params: type[P], interface: Interface, path: Literal["slow", "fast"]) -> None:
        super().__init__(name, params, interface)
        self._paths: Paths = frozenset({path})
        self.clock = RosClock(self)
        self._why = ""

    def autostart(self) -> None:
        """Configure and activate, if the parameter says so. Raises StartError."""
        success = TransitionCallbackReturn.SUCCESS
        if not self.params.autostart:
            return
        if self.trigger_configure() != success or self.trigger_activate() != success:
            raise StartError(self._why or "did not become active; the log says why")

    @abc.abstractmethod
    def make_worker(self, policy: Policy) -> NewestOnly[Any, Any]:
        """The thread that calls `policy`."""

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Make the policy."""
        return self._attempt(self._configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Warm up and begin."""
        done = self._attempt(self._activate)
        return done if done != TransitionCallbackReturn.SUCCESS else super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End the worker; what it was working on is dropped."""
        self._end_worker()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release the policy."""
        self.close()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As cleanup, from any state."""
        self.close()
        return TransitionCallbackReturn.SUCCESS

    def refused(self, error: Exception) -> None:
        """Count what the policy could not do; a ValueError is about the input, everything else about the policy."""
        line = " ".join(str(error).split())
        if isinstance(error, ValueError):
            self.health.refuse("policy_refused", line)
        else:
            self.health.refuse("policy_error", f"{type(error).__name__}: {line}")

    def close(self) -> None:
        """End the worker, release the policy."""
        ended = self._end_worker()
        if self.policy is not None and ended:
            self.policy.close()
        self.policy = None

    def _configure(self) -> None:
        params: PolicyParams = self.params
        options = PolicyOptions(params.checkpoint, params.seed, params.backend, self._paths)
        self.policy = make_policy(params.policy, self.robot, options)
        self.health.set("model", self.policy.model_id)
        for name, fact in self.policy.about.items():
            self.health.set(name, fact)
            self.get_logger().info(f"{name}: {fact}")

    def _activate(self) -> None:
        assert self.policy is not None
        self.policy.warm_up()
        self.worker = self.make_worker(self.policy)

    def _attempt(self, step: Callable[[], None]) -> TransitionCallbackReturn:
        try:
            step()
        except (ValueError, LookupError, OSError, ImportError, RuntimeError) as error:
            self._why = " ".join(str(error).split())
            self.get_logger().error(self._why)
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS

    def _end_worker(self) -> bool:
        worker, self.worker = self.worker, None
        if worker is None or worker.close(CLOSE_LIMIT_S):
            return True
        self.get_logger().error(f"the policy did not end its work within {CLOSE_LIMIT_S:.0f} s; its result is dropped")
        return False
