"""A two-armed robot, its states and chunks, for tests that need no URDF."""

import numpy as np

from gear_vla_ros.contracts import ActionChunk, ArmChunk, ArmState, RobotState
from gear_vla_ros.geometry import se3
from gear_vla_ros.settings.robot import (
    ArmSpec,
    CameraSpec,
    CommandSpec,
    GripperSpec,
    RobotSpec,
    SafetySpec,
    StateProjectorSpec,
)  # fmt: skip

DT = 1.0 / 30.0
LIMITS = SafetySpec(
    workspace_min=(-0.4, -0.5, 0.0),
    workspace_max=(0.6, 0.5, 0.8),
    max_linear_speed=0.4,
    max_angular_speed=1.5,
    max_linear_acceleration=1.5,
    max_angular_acceleration=6.0,
    max_gripper_speed=2.0,
)
HOME = se3.from_xyz_rpy(np.array([0.3, 0.0, 0.4]), np.array([np.pi, 0.3, -0.8]))


def arm(name, limits=LIMITS):
    return ArmSpec(
        name=name,
        base_frame=f"{name}_base",
        tcp_frame=f"{name}_tcp",
        joints=(f"{name}_1", f"{name}_2"),
        home=(0.0, 0.0),
        gripper=GripperSpec(joint=f"{name}_finger", closed=0.0, open=0.08),
        command=CommandSpec(interface="pose", topic=f"/{name}/target"),
        safety=limits,
    )


def robot(*arms):
    camera = CameraSpec(
        role="head",
        topic="/head",
        info_topic="/head_info",
        frame="head",
        width=64,
        height=64,
        fx=50,
        fy=50,
        cx=32,
        cy=32,
    )
    projector = StateProjectorSpec(embodiment="any")
    names = arms or ("left", "right")
    return RobotSpec(
        name="small", urdf="small.urdf", arms=[arm(n) for n in names], cameras=[camera], state_projector=projector
    )


def state(stamp_ns, poses=None, gripper=1.0):
    """State with every arm at HOME, or at `poses` by arm."""
    poses = poses or {"left": HOME, "right": HOME}
    return RobotState(
        stamp_ns, {name: ArmState(pose, np.zeros(2), np.zeros(2), gripper) for name, pose in poses.items()}
    )


def chunk(stamp_ns, sequence=1, twist=(0.1, 0, 0, 0, 0, 0), anchor=HOME, steps=30, arms=("left", "right"), **fields):
    """The same motion for every arm: `twist` in the anchor's frame, for `steps` / 30 s."""
    times = np.arange(1, steps + 1)[:, None] * DT
    motion = ArmChunk(anchor, se3.exp(times * np.asarray(twist, dtype=float)), np.linspace(1, 0, steps))
    given = {"model_id": "test", "instruction_id": 1, "latent_sequence": 1} | fields
    return ActionChunk(stamp_ns=stamp_ns, sequence=sequence, arms={name: motion for name in arms}, **given)
