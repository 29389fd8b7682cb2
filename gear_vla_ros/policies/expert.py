"""The scripted expert: from the simulator's ground truth to the same latents and chunks as the network's."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts import (
    ActionChunk,
    ArmChunk,
    Instruction,
    KvCache,
    LatentAction,
    Observation,
    RobotState,
    SceneObject,
)
from gear_vla_ros.contracts.naming import KNOWN, check_arms, kind_of, understood
from gear_vla_ros.geometry import se3
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.policies.flip_label import FlipLabel, arm_behind
from gear_vla_ros.policies.handover import GIVER, Handover
from gear_vla_ros.policies.lift import Lift, Tool, towards
from gear_vla_ros.policies.options import PolicyOptions
from gear_vla_ros.policies.place import Bowl, Place
from gear_vla_ros.settings import ArmSpec, RobotSpec

Array = NDArray[np.float64]

STEPS, RATE_HZ = 30, 30.0
ASIDE_M_S = 0.15
_POSE, _SIZE, _GOAL_POSE, _GOAL_SIZE = slice(2, 11), slice(11, 14), slice(14, 23), slice(23, 26)
_PACKED = 26
TASKS = ("lift", "place", "handover", "flip_label")
ASIDE_TASKS = ("place", "flip_label")
"""In which the other arm makes room."""


@dataclass(frozen=True)
class Decision:
    """What a slow pass decided: which arm lifts what, or places what where. size: full extents `[3]` in m.

    bowl: where to; the object itself, unused, where there is none.
    """

    task: str
    arm: str
    world_T_object: Array
    size: Array
    bowl: Bowl


class ExpertPolicy:
    """Lifts the object that the instruction names, puts it into the bowl that it names, or passes it on.

    `think` looks up the object and chooses the arm; its decision travels inside the `LatentAction`, packed where the
    network's keys and values would be. `act` rolls one second out from the present state alone.
    """

    def __init__(self, spec: RobotSpec, options: PolicyOptions | None = None) -> None:
        """`options` mean nothing here; all policies are made alike."""
        self._spec = spec
        model = RobotModel(spec)
        self._arms: list[str] = [arm.name for arm in spec.arms]
        self._world_T_base: dict[str, Array] = {arm: model.world_T_base(arm) for arm in self._arms}
        self._lift: dict[str, Lift] = {
            arm.name: Lift(arm.gripper.stroke, self._closing(arm, model)) for arm in spec.arms
        }
        self._handover = Handover(self._lift, np.array(spec.sim.table_center))
        self._thoughts = self._acts = 0
        self._chosen: tuple[int, str] = (0, "")

    @property
    def model_id(self) -> str:
        """One per robot."""
        return f"expert-5-{self._spec.name}"

    @property
    def about(self) -> Mapping[str, str]:
        """Nothing beyond its name."""
        return {}

    def accepts(self, instruction: Instruction, scene: Mapping[str, SceneObject] | None = None) -> None:
        """Raises ValueError unless something can be done with an object that is there, or that may be there."""
        check_arms(understood(instruction.text, KNOWN if scene is None else scene), self._spec.name, len(self._arms))

    def think(self, observation: Observation) -> LatentAction:
        """Find the object, choose the arm. Raises ValueError without ground truth or without the object."""
        if observation.scene is None:
            raise ValueError("observation.scene: none; the expert needs the simulator's ground truth")
        begun = time.perf_counter_ns()
        request = understood(observation.instruction.text, observation.scene)
        target = observation.scene[request.object]
        goal = observation.scene[request.goal or request.object]
        check_arms(request, self._spec.name, len(self._arms))
        arm = self._choose(observation.instruction.id, request.task, target.world_T_object)
        world_T_object = self._lift[arm].facing(target.world_T_object, kind_of(target.name))
        decision = Decision(request.task, arm, world_T_object, target.size, Bowl(goal.world_T_object, goal.size))
        self._thoughts += 1
        packed = _pack(self._arms.index(arm), decision)
        return LatentAction(
            stamp_ns=observation.stamp_ns,
            sequence=self._thoughts,
            model_id=self.model_id,
            instruction_id=observation.instruction.id,
            ids=np.array([self._arms.index(arm)]),
            cache=KvCache(packed, packed),
            anchors={arm: state.base_T_tcp for arm, state in observation.state.arms.items()},
            latency_ns={"plan": time.perf_counter_ns() - begun},
        )

    def act(
        self, latents: LatentAction, state: RobotState, under_way: Mapping[str, ArmChunk] | None = None
    ) -> ActionChunk:
        """One second from the present state; arms without work stand still. Raises ValueError on foreign latents."""
        if latents.model_id != self.model_id:
            raise ValueError(f"latents.model_id: '{latents.model_id}', allowed '{self.model_id}'")
        decision = self._unpack(latents)
        if decision.arm not in state.arms:
            raise ValueError(f"state.arms: {', '.join(state.arms)}; the latents are for '{decision.arm}'")
        self._acts += 1
        return ActionChunk(
            stamp_ns=state.stamp_ns,
            sequence=self._acts,
            model_id=self.model_id,
            instruction_id=latents.instruction_id,
            latent_sequence=latents.sequence,
            arms=self._passing(state, decision)
            if decision.task == "handover"
            else {arm: self._arm_chunk(arm, state, decision) for arm in state.arms},
            rate_hz=RATE_HZ,
        )

    def warm_up(self) -> None:
        """Nothing is slow the first time."""

    def close(self) -> None:
        """Nothing is held."""

    def _closing(self, arm: ArmSpec, model: RobotModel) -> Array:
        """Which way the arm's fingers close at home, in the world."""
        world_T_home: Array = self._world_T_base[arm.name] @ model.fk(arm.name, np.array(arm.home))
        return world_T_home[:3, 1]

    def _choose(self, instruction_id: int, task: str, world_T_object: Array) -> str:
        """The arm whose base is nearest, or behind the label; it keeps the work until the next instruction."""
        if task == "handover":
            return GIVER
        if self._chosen[0] != instruction_id:
            distance = {
                arm: float(np.linalg.norm((world_T_object - b)[:2, 3])) for arm, b in self._world_T_base.items()
            }
            nearest = min(distance, key=lambda arm: distance[arm])
            self._chosen = instruction_id, arm_behind(world_T_object) if task == "flip_label" else nearest
        return self._chosen[1]

    def _arm_chunk(self, arm: str, state: RobotState, decision: Decision) -> ArmChunk:
        base_T_anchor, gripper = state.arms[arm].base_T_tcp, state.arms[arm].gripper
        world_T_anchor = self._world_T_base[arm] @ base_T_anchor
        if arm != decision.arm:
            anchor_T_tcp = self._waiting(arm, world_T_anchor) if decision.task in ASIDE_TASKS else np.eye(4)[None]
            return ArmChunk(base_T_anchor, np.broadcast_to(anchor_T_tcp, (STEPS, 4, 4)), np.full(STEPS, gripper))
        lift, tool, world_T_object = self._lift[arm], Tool(world_T_anchor, gripper), decision.world_T_object
        holder = FlipLabel(lift) if decision.task == "flip_label" else lift
        holds, poses, commands = holder.holds(tool, world_T_object, decision.size), [], []
        is_open = Place(lift).is_open(tool, decision.size)
        for _ in range(STEPS):
            before = tool.world_T_tcp
            tool, command = self._step(arm, tool, world_T_object, decision, holds, is_open)
            holds = holds and command < 0.5
            if holds:
                world_T_object = tool.world_T_tcp @ se3.inverse(before) @ world_T_object
            poses.append(tool.world_T_tcp)
            commands.append(command)
        anchor_T_tcp = se3.inverse(world_T_anchor) @ np.stack(poses)
        return ArmChunk(base_T_anchor, anchor_T_tcp, np.array(commands))

    def _waiting(self, arm: str, world_T_anchor: Array) -> Array:
        """`[STEPS, 4, 4]`: outwards to the arm's own shoulder, so that the other one has room in the middle."""
        shoulder_y = float(self._world_T_base[arm][1, 3])
        goal, pose, poses = world_T_anchor.copy(), world_T_anchor, []
        if abs(goal[1, 3]) < abs(shoulder_y):
            goal[1, 3] = shoulder_y
        for _ in range(STEPS):
            pose = towards(pose, goal, ASIDE_M_S, 1 / RATE_HZ)
            poses.append(pose)
        anchor_T_tcp: Array = se3.inverse(world_T_anchor) @ np.stack(poses)
        return anchor_T_tcp

    def _passing(self, state: RobotState, decision: Decision) -> dict[str, ArmChunk]:
        """Both arms together; the bar goes with whoever holds it."""
        tools = {arm: Tool(self._world_T_base[arm] @ one.base_T_tcp, one.gripper) for arm, one in state.arms.items()}
        world_T_bar, size = decision.world_T_object, decision.size
        grips = self._handover.grips(tools, world_T_bar, size)
        holder = "right" if grips.taker else GIVER if grips.giver else None
        anchors = {arm: tool.world_T_tcp for arm, tool in tools.items()}
        poses: dict[str, list[Array]] = {arm: [] for arm in tools}
        commands: dict[str, list[float]] = {arm: [] for arm in tools}
        for _ in range(STEPS):
            stepped = self._handover.step(tools, world_T_bar, size, grips, 1 / RATE_HZ)
            if holder is not None:
                moved = stepped[holder][0].world_T_tcp @ se3.inverse(tools[holder].world_T_tcp)
                world_T_bar = moved @ world_T_bar
            tools = {arm: tool for arm, (tool, _) in stepped.items()}
            for arm, (tool, command) in stepped.items():
                poses[arm].append(tool.world_T_tcp)
                commands[arm].append(command)
        return {
            arm: ArmChunk(
                state.arms[arm].base_T_tcp, se3.inverse(anchors[arm]) @ np.stack(poses[arm]), np.array(commands[arm])
            )
            for arm in state.arms
        }

    def _step(
        self, arm: str, tool: Tool, world_T_object: Array, decision: Decision, may_lift: bool, may_leave: bool
    ) -> tuple[Tool, float]:
        """One step of the task, 1 / RATE_HZ long."""
        lift, size, dt = self._lift[arm], decision.size, 1 / RATE_HZ
        if decision.task == "place":
            return Place(lift).step(tool, world_T_object, size, decision.bowl, dt, may_lift, may_leave)
        if decision.task == "flip_label":
            return FlipLabel(lift).step(tool, world_T_object, size, dt, may_lift, may_leave)
        return lift.step(tool, world_T_object, size, dt, may_lift)

    def _unpack(self, latents: LatentAction) -> Decision:
        values = latents.cache.keys.astype(np.float64).ravel()
        indices = [round(value) for value in values[:2]]
        if len(values) != _PACKED or not (0 <= indices[0] < len(TASKS) and 0 <= indices[1] < len(self._arms)):
            raise ValueError(f"latents.cache: {list(latents.cache.keys.shape)}, allowed [1, 1, 1, {_PACKED}]")
        bowl = Bowl(se3.from_xyz_rot6d(values[_GOAL_POSE]), values[_GOAL_SIZE])
        pose = se3.from_xyz_rot6d(values[_POSE])
        return Decision(TASKS[indices[0]], self._arms[indices[1]], pose, values[_SIZE], bowl)


def _pack(arm: int, decision: Decision) -> NDArray[np.float32]:
    """`[1, 1, 1, 26]`: task and arm index; xyz, rot6d and size of the object; the same of the bowl."""
    object_pose, bowl = se3.to_xyz_rot6d(decision.world_T_object), decision.bowl
    goal = [se3.to_xyz_rot6d(bowl.world_T_bowl), bowl.size]
    values = np.concatenate([[TASKS.index(decision.task), arm], object_pose, decision.size, *goal])
    return values.astype(np.float32).reshape(1, 1, 1, _PACKED)
