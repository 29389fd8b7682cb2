"""A scripted person at a tracked hand: moves it along the expert's plan over real ROS topics, and watches the result.

The hand does what the plan does *from where it is*: where hand and tool are apart does not matter, as for a person, who
looks at the tool and not at the hand.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from geometry_msgs.msg import PoseStamped
from numpy.typing import NDArray
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Float64
from visualization_msgs.msg import MarkerArray

from gear_vla_ros.contracts import (
    ActionChunk,
    CartesianTarget,
    ContractError,
    Instruction,
    Observation,
    Policy,
    RobotState,
    SceneObject,
)
from gear_vla_ros.contracts.naming import understood
from gear_vla_ros.geometry import se3
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.msg import CartesianTarget as CartesianTargetMsg
from gear_vla_ros.ros import convert
from gear_vla_ros.ros.client import Client
from gear_vla_ros.ros.joint_states import JointStateReader
from gear_vla_ros.ros.poses import stamped_to_msg
from gear_vla_ros.ros.sim_topics import SIM_RESET
from gear_vla_ros.ros.teleop_devices import CLUTCH_BOOL, OPENING, POSE
from gear_vla_ros.ros.topics import JOINT_STATES, SCENE, TARGET
from gear_vla_ros.settings import RobotSpec
from gear_vla_ros.srv import Reset

HAND_HZ, REPLAN_S = 60.0, 0.3
MEET_LIMIT_S, REST_S = 60.0, 0.5
LIFTED_M, STILL = 0.08, 1e-6

Array = NDArray[np.float64]


class ScriptedOperator(Client):
    """For the calling thread."""

    def __init__(self, robot: RobotSpec, expert: Policy, check: Callable[[], None]) -> None:
        """check: as of `Client`."""
        super().__init__("scripted_operator", check)
        self._robot, self._expert = robot, expert
        self._reader = JointStateReader(robot, RobotModel(robot))
        self._state: RobotState | None = None
        self._scene: Mapping[str, SceneObject] = {}
        self._target: CartesianTarget | None = None
        self._at: dict[str, Array] = {arm.name: np.eye(4) for arm in robot.arms}
        self._clutched: dict[str, bool] = dict.fromkeys(self._at, False)
        self._tasks = 0

    def open(self) -> None:
        """Hands, clutches and grippers out; joint states, objects and targets in."""
        make, teleop, robot = self.node.create_publisher, self._robot.teleop, self._robot
        self.node.create_subscription(JOINT_STATES.type, robot.joint_states_topic, self._on_joints, JOINT_STATES.qos)
        self.node.create_subscription(SCENE.type, SCENE.name, self._on_scene, SCENE.qos)
        self.node.create_subscription(TARGET.type, TARGET.name, self._on_target, TARGET.qos)
        arms: list[str] = [arm.name for arm in robot.arms]
        self._hands = {arm: make(PoseStamped, teleop.vr.topic(arm), POSE.qos) for arm in arms}
        self._clutches = {arm: make(Bool, teleop.clutch(arm).topic, CLUTCH_BOOL.qos) for arm in arms}
        self._grippers = {arm: make(Float64, teleop.gripper(arm), OPENING.qos) for arm in arms}
        self._resets = self.node.create_client(SIM_RESET.type, SIM_RESET.name)

    def wait_ready(self) -> None:
        """Until the graph runs and teleop_node listens. Raises GraphError."""
        hands = list(self._hands.values())
        self.until(
            lambda: (
                self._state is not None
                and self._scene
                and self._target is not None
                and all(hand.get_subscription_count() > 0 for hand in hands)
            ),
            MEET_LIMIT_S,
            "joint states, objects, targets and teleop_node",
        )

    def reset(self, seed: int) -> None:
        """Arms at home, objects placed anew. Raises GraphError."""
        self.until(self._resets.service_is_ready, MEET_LIMIT_S, SIM_RESET.name)
        asking = self._resets.call_async(Reset.Request(seed=seed))
        self.until(asking.done, MEET_LIMIT_S, f"an answer of {SIM_RESET.name}")
        self._rest()

    def do(self, sentence: str, limit_s: float) -> bool:
        """Follow one instruction by hand; whether the object that it names is up. The clutch is open before and after.

        Raises ValueError for a sentence that names no object of the scene.
        """
        self._tasks += 1
        instruction, begun = Instruction(self._tasks, sentence), time.monotonic()
        name = understood(sentence, self._scene).object
        height = self._scene[name].world_T_object[2, 3]
        raised, planned_s, plan = 0.0, float("-inf"), None
        while raised < LIFTED_M and time.monotonic() - begun < limit_s:
            self._check()
            if plan is None or time.monotonic() - planned_s > REPLAN_S:
                plan, planned_s = self._plan(instruction), time.monotonic()
                begins = dict(self._at)
            self._move(plan, begins, time.monotonic() - planned_s)
            self.wait(0.5 / HAND_HZ)
            time.sleep(0.5 / HAND_HZ)
            raised = self._scene[name].world_T_object[2, 3] - height
        self._rest()
        return raised >= LIFTED_M

    def _plan(self, instruction: Instruction) -> ActionChunk:
        """The expert's next second from where the tools were sent."""
        assert self._state is not None and self._target is not None
        arms = {
            name: replace(arm, base_T_tcp=self._target.arms[name].base_T_tcp) for name, arm in self._state.arms.items()
        }
        state = RobotState(self._state.stamp_ns, arms)
        image = np.zeros((1, 1, 3), np.uint8)
        seen = Observation(state.stamp_ns, {"head": image}, state, instruction, scene=self._scene)
        return self._expert.act(self._expert.think(seen), state)

    def _move(self, plan: ActionChunk, begins: Mapping[str, Array], seconds: float) -> None:
        """The hands, from where they were when the plan began; an arm that has something to do is clutched."""
        step = int(np.clip(seconds * plan.rate_hz, 0, plan.steps - 1))
        for arm, chunk in plan.arms.items():
            moved = chunk.base_T_tcp()[step]
            turn = moved[:3, :3] @ chunk.base_T_anchor[:3, :3].T
            self._at[arm] = se3.from_rotation_translation(
                turn @ begins[arm][:3, :3], begins[arm][:3, 3] + moved[:3, 3] - chunk.base_T_anchor[:3, 3]
            )
            works = bool(np.abs(chunk.anchor_T_tcp - np.eye(4)).max() > STILL)
            self._say(arm, self._clutched[arm] or works, float(chunk.gripper[step]))
            self._clutched[arm] |= works

    def _say(self, arm: str, closed: bool, opening: float | None) -> None:
        now_ns = self.node.get_clock().now().nanoseconds
        self._hands[arm].publish(stamped_to_msg(self._at[arm], self._robot.arm(arm).base_frame, now_ns))
        self._clutches[arm].publish(Bool(data=closed))
        if opening is not None:
            self._grippers[arm].publish(Float64(data=opening))

    def _rest(self) -> None:
        """Let go, and let the robot come to rest."""
        until_s = time.monotonic() + REST_S
        while time.monotonic() < until_s:
            for arm in self._hands:
                self._clutched[arm] = False
                self._say(arm, False, None)
            self.wait(1.0 / HAND_HZ)

    def _on_joints(self, message: JointState) -> None:
        self._state = self._reader.read(message)

    def _on_scene(self, message: MarkerArray) -> None:
        try:
            self._scene = convert.scene_from_msg(message, self._robot)
        except ContractError as error:
            self.node.get_logger().warning(str(error))

    def _on_target(self, message: CartesianTargetMsg) -> None:
        self._target = convert.target_from_msg(message, self._robot)
