"""Contracts <-> messages. Whatever comes from the network is checked here, whole, before anything is made of it.

Every `*_from_msg` raises ContractError with one line. The K/V cache and its like pass without a copy on the way in and
through `array.array` on the way out (see `images`).
"""

from gear_vla_ros.contracts import (
    ActionChunk,
    ArmChunk,
    ArmTarget,
    CartesianTarget,
    ContractError,
    Grade,
    Instruction,
    checks,
)
from gear_vla_ros.msg import ActionChunk as ActionChunkMsg
from gear_vla_ros.msg import ArmChunk as ArmChunkMsg
from gear_vla_ros.msg import ArmTarget as ArmTargetMsg
from gear_vla_ros.msg import CartesianTarget as CartesianTargetMsg
from gear_vla_ros.msg import FaultCount, PolicyStatus
from gear_vla_ros.msg import Instruction as InstructionMsg
from gear_vla_ros.ros.convert_latents import latents_from_msg, latents_to_msg
from gear_vla_ros.ros.convert_scene import scene_from_msg, scene_to_msg
from gear_vla_ros.ros.poses import (
    pose_to_msg,
    poses_from_msgs,
    stamped_from_msg,
    stamped_to_msg,
    twist_from_msg,
    twist_to_msg,
)
from gear_vla_ros.ros.stamps import to_msg, to_ns
from gear_vla_ros.runtime.status import FollowerStatus
from gear_vla_ros.settings import RobotSpec

__all__ = [
    "chunk_from_msg",
    "chunk_to_msg",
    "instruction_from_msg",
    "instruction_to_msg",
    "latents_from_msg",
    "latents_to_msg",
    "scene_from_msg",
    "scene_to_msg",
    "status_to_msg",
    "target_from_msg",
    "target_to_msg",
]


def instruction_to_msg(instruction: Instruction, stamp_ns: int) -> InstructionMsg:
    """`stamp_ns`: when it was accepted."""
    message = InstructionMsg(id=instruction.id, text=instruction.text, kind=instruction.kind)
    message.header.stamp = to_msg(stamp_ns)
    return message


def instruction_from_msg(message: InstructionMsg) -> Instruction:
    """Raises ContractError."""
    return Instruction(message.id, message.text, message.kind)


def chunk_to_msg(chunk: ActionChunk, spec: RobotSpec) -> ActionChunkMsg:
    """`spec` names the frames of the anchors."""
    message = ActionChunkMsg(
        sequence=chunk.sequence,
        model_id=chunk.model_id,
        instruction_id=chunk.instruction_id,
        latent_sequence=chunk.latent_sequence,
        rate_hz=chunk.rate_hz,
        produced=to_msg(chunk.produced_ns),
    )
    message.header.stamp = to_msg(chunk.stamp_ns)
    for arm, part in chunk.arms.items():
        anchor = stamped_to_msg(part.base_T_anchor, spec.arm(arm).base_frame, chunk.stamp_ns)
        poses = [pose_to_msg(pose) for pose in part.anchor_T_tcp]
        message.arms.append(ArmChunkMsg(arm=arm, anchor=anchor, anchor_t_tcp=poses, gripper=part.gripper.tolist()))
    return message


def chunk_from_msg(message: ActionChunkMsg, spec: RobotSpec) -> ActionChunk:
    """Raises ContractError."""
    _once("chunk.arms", [part.arm for part in message.arms], spec)
    return ActionChunk(
        stamp_ns=to_ns(message.header.stamp),
        sequence=message.sequence,
        model_id=message.model_id,
        instruction_id=message.instruction_id,
        latent_sequence=message.latent_sequence,
        arms={part.arm: _arm_chunk(part, spec) for part in message.arms},
        rate_hz=message.rate_hz,
        produced_ns=to_ns(message.produced),
    )


def _arm_chunk(message: ArmChunkMsg, spec: RobotSpec) -> ArmChunk:
    field = f"chunk.arms.{message.arm}"
    return ArmChunk(
        base_T_anchor=stamped_from_msg(f"{field}.anchor", message.anchor, spec.arm(message.arm).base_frame),
        anchor_T_tcp=poses_from_msgs(f"{field}.anchor_t_tcp", message.anchor_t_tcp),
        gripper=message.gripper,
    )


def target_to_msg(target: CartesianTarget, spec: RobotSpec) -> CartesianTargetMsg:
    """`spec` names the frames of the poses."""
    message = CartesianTargetMsg(
        sequence=target.sequence,
        grade=int(target.grade),
        source=to_msg(target.source_stamp_ns),
        source_sequence=target.source_sequence,
        driver=target.driver,
    )
    message.header.stamp = to_msg(target.stamp_ns)
    for arm, part in target.arms.items():
        pose = stamped_to_msg(part.base_T_tcp, spec.arm(arm).base_frame, target.stamp_ns)
        twist = twist_to_msg(part.twist)
        message.arms.append(ArmTargetMsg(arm=arm, pose=pose, twist=twist, gripper=float(part.gripper)))
    return message


def target_from_msg(message: CartesianTargetMsg, spec: RobotSpec) -> CartesianTarget:
    """Raises ContractError."""
    _once("target.arms", [part.arm for part in message.arms], spec)
    if message.grade not in set(Grade):
        raise ContractError(f"target.grade: {message.grade}, allowed {', '.join(f'{g.value} {g.name}' for g in Grade)}")
    return CartesianTarget(
        stamp_ns=checks.positive_stamp("target.stamp_ns", to_ns(message.header.stamp)),
        sequence=message.sequence,
        arms={part.arm: _arm_target(part, spec) for part in message.arms},
        grade=Grade(message.grade),
        source_stamp_ns=to_ns(message.source),
        source_sequence=message.source_sequence,
        driver=message.driver,
    )


def _arm_target(message: ArmTargetMsg, spec: RobotSpec) -> ArmTarget:
    field = f"target.arms.{message.arm}"
    if not 0.0 <= message.gripper <= 1.0:
        raise ContractError(f"{field}.gripper: {message.gripper}, allowed 0 (closed) to 1 (open)")
    return ArmTarget(
        base_T_tcp=stamped_from_msg(f"{field}.pose", message.pose, spec.arm(message.arm).base_frame),
        twist=twist_from_msg(f"{field}.twist", message.twist),
        gripper=message.gripper,
    )


def status_to_msg(status: FollowerStatus, stamp_ns: int, tick_jitter_p99_ms: float) -> PolicyStatus:
    """`stamp_ns`: when it was true."""
    message = PolicyStatus(
        grade=int(status.grade),
        causes=list(status.causes),
        driver=status.driver,
        faults=[FaultCount(cause=cause, count=count) for cause, count in sorted(status.faults.items())],
        instruction_id=status.instruction_id,
        chunk_sequence=status.chunk_sequence,
        chunk_age_s=status.chunk_age_s,
        remaining_s=status.remaining_s,
        tick_jitter_p99_ms=tick_jitter_p99_ms,
        capture_to_command_ms=status.capture_to_command_ms,
    )
    message.header.stamp = to_msg(stamp_ns)
    return message


def _once(field: str, found: list[str], spec: RobotSpec) -> None:
    """Every arm of the robot, once each."""
    allowed = [arm.name for arm in spec.arms]
    if sorted(found) != sorted(allowed):
        raise ContractError(f"{field}: {', '.join(found) or 'none'}, allowed is each of {', '.join(allowed)} once")
