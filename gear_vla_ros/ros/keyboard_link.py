"""A terminal's keyboard as a device: publishes what the keys say, hears what the robot does."""

from collections.abc import Callable

from geometry_msgs.msg import TwistStamped
from std_msgs.msg import Bool, Float64

from gear_vla_ros.contracts import ContractError
from gear_vla_ros.msg import CartesianTarget, PolicyStatus
from gear_vla_ros.ros import convert
from gear_vla_ros.ros.client import Client
from gear_vla_ros.ros.poses import twist_to_msg
from gear_vla_ros.ros.teleop_devices import CLUTCH_BOOL, OPENING, TWIST, keyboard_spec
from gear_vla_ros.ros.topics import STATUS, STOP, TARGET
from gear_vla_ros.runtime.keyboard import Keyboard, KeyState
from gear_vla_ros.settings import RobotSpec

TELEOP_NODE = "teleop_node"


class KeyboardLink(Client):
    """For the calling thread; Ctrl-C is left to it."""

    def __init__(
        self, robot: RobotSpec, keyboard: Keyboard, sim_time: bool = False, check: Callable[[], None] = lambda: None
    ) -> None:
        """sim_time: stamp by /clock, as nodes with use_sim_time do. check: as of `Client`."""
        super().__init__("gear_vla_keyboard", check, sim_time=sim_time, leave_ctrl_c=True)
        self._robot, self._keyboard = robot, keyboard
        self._spec = keyboard_spec(robot.teleop)
        self.status: PolicyStatus | None = None

    def open(self) -> None:
        """Motion, clutches, openings and stop out; status and targets in."""
        make, spec = self.node.create_publisher, self._spec
        arms: list[str] = [arm.name for arm in self._robot.arms]
        self._twists = {arm: make(TwistStamped, spec.twist.topic(arm), TWIST.qos) for arm in arms}
        self._clutches = {arm: make(Bool, spec.clutch(arm).topic, CLUTCH_BOOL.qos) for arm in arms}
        self._openings = {arm: make(Float64, spec.gripper(arm), OPENING.qos) for arm in arms}
        self._stop = make(Bool, STOP.name, STOP.qos)
        self.node.create_subscription(PolicyStatus, STATUS.name, self._on_status, STATUS.qos)
        self.node.create_subscription(CartesianTarget, TARGET.name, self._on_target, TARGET.qos)

    @property
    def node_runs(self) -> bool:
        """Whether a teleop_node is in the graph."""
        return TELEOP_NODE in self.node.get_node_names()

    @property
    def heard(self) -> bool:
        """Whether somebody listens to the keyboard's motion."""
        return all(publisher.get_subscription_count() > 0 for publisher in self._twists.values())

    def say(self, state: KeyState) -> None:
        """Publish: motion for the chosen arm, an open clutch for the others."""
        now = self.node.get_clock().now().to_msg()
        for arm in self._robot.arms:
            self._clutches[arm.name].publish(Bool(data=state.clutched and arm.name == state.arm))
        frames = self._robot.arm(state.arm)
        message = TwistStamped(twist=twist_to_msg(state.twist))
        message.header.stamp = now
        message.header.frame_id = frames.tcp_frame if state.in_tool else frames.base_frame
        self._twists[state.arm].publish(message)
        if state.opening is not None:
            self._openings[state.arm].publish(Float64(data=state.opening))

    def stop(self) -> None:
        """Stop the robot until a reset."""
        self._stop.publish(Bool(data=True))

    def _on_status(self, message: PolicyStatus) -> None:
        self.status = message

    def _on_target(self, message: CartesianTarget) -> None:
        try:
            target = convert.target_from_msg(message, self._robot)
        except ContractError:
            return
        for name, arm in target.arms.items():
            self._keyboard.robot_opening(name, float(arm.gripper))
