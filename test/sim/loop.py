"""The closed loop in one process, without ROS: world, expert, chunks by time, inverse kinematics."""

from collections import deque

import numpy as np

from gear_vla_ros.contracts import ArmState, Instruction, Observation, RobotState
from gear_vla_ros.geometry import se3
from gear_vla_ros.kinematics.differential_ik import DifferentialIk
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.sim.task import task_of
from gear_vla_ros.sim.world import World

TICK_S, THINK_S = 0.01, 0.2
PIXELS = np.zeros((8, 8, 3), np.uint8)


def state_of(world: World, model: RobotModel, stamp_ns: int) -> RobotState:
    names, positions, velocities = world.joints()
    at = {name: i for i, name in enumerate(names)}
    arms = {}
    for arm in world.spec.arms:
        index = [at[name] for name in arm.joints]
        opening = model.gripper_to_unit(arm.name, positions[at[arm.gripper.joint]])
        q = positions[index]
        arms[arm.name] = ArmState(model.fk(arm.name, q), q, velocities[index], opening)
    return RobotState(stamp_ns, arms)


def run(world: World, policy, text: str, limit_s: float = 20.0, latency_s: float = 0.1) -> str | None:
    """What the success predicate said, or None when the time is over. Chunks arrive `latency_s` late."""
    model = RobotModel(world.spec)
    ik, instruction = DifferentialIk(model), Instruction(1, text)
    task = task_of(instruction, world)
    q = {arm.name: np.array(arm.home) for arm in world.spec.arms}
    chunk, coming = None, deque()
    for tick in range(round(limit_s / TICK_S)):
        now_ns = 1_000_000_000 + round(tick * TICK_S * 1e9)
        if tick % round(THINK_S / TICK_S) == 0:
            state = state_of(world, model, now_ns)
            observation = Observation(now_ns, {"head": PIXELS}, state, instruction, scene=world.objects())
            coming.append(policy.act(policy.think(observation), state))
        if coming and now_ns - coming[0].stamp_ns >= latency_s * 1e9:
            chunk = coming.popleft()
        if chunk is not None:
            targets, grippers = sample(chunk, now_ns)
            q = dict(ik.step(q, targets, TICK_S).q)
            for arm, joints in q.items():
                world.command(arm, joints, grippers[arm])
        world.step(TICK_S)
        if (told := task.done(world)) is not None:
            return told
    return None


def sample(chunk, now_ns: int):
    """Poses and grippers by arm at a time within the chunk."""
    position = min((now_ns - chunk.stamp_ns) * 1e-9 * chunk.rate_hz, chunk.steps - 1e-6)
    step, poses, grippers = int(position), {}, {}
    for arm, part in chunk.arms.items():
        tools = np.concatenate([part.base_T_anchor[None], part.base_T_tcp()])
        poses[arm] = se3.interpolate(tools[step], tools[step + 1], position - step)
        grippers[arm] = float(part.gripper[step])
    return poses, grippers
