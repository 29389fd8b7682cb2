"""What a LeRobot v3 dataset of a robot holds, named by the robot's YAML, and its files' places."""

from collections.abc import Mapping, Sequence
from typing import Any

from gear_vla_ros.recording.dataset.labels import MOST_OBJECTS, STEPS
from gear_vla_ros.recording.errors import RecordingError
from gear_vla_ros.settings import RobotSpec

VERSION = "v3.0"
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
INFO, STATS, TASKS, ROBOT, SOURCES, OBJECTS = (
    "meta/info.json", "meta/stats.json", "meta/tasks.parquet", "meta/robot.json", "meta/sources.json",
    "meta/objects.json",
)  # fmt: skip
FILES_A_CHUNK, DATA_MB, VIDEO_MB = 1000, 100, 200
IMAGES, STATE, ACTION, STAMP = "observation.images.", "observation.state", "action", "stamp_ns"
LABEL, LABELLED, FOLLOWED = "action.expert_chunk", "action.expert_chunk_known", "action.target"
XYZ, XYZW = "observation.environment_state", "observation.environment_rotation"
"""Of simulated, disturbed episodes: see `labels`. Objects' names stand in meta/objects.json, a list an episode."""
POSE = ("x", "y", "z", "r11", "r21", "r31", "r12", "r22", "r32")
"""Metres, then the first two columns of the rotation."""
INDICES: Mapping[str, str] = {
    "timestamp": "float32", "frame_index": "int64", "episode_index": "int64", "index": "int64", "task_index": "int64",
}  # fmt: skip


def pose_names(arm: str) -> list[str]:
    """Names of an arm's tool pose."""
    return [f"{arm}.tcp.{part}" for part in POSE]


def gripper_name(arm: str) -> str:
    """Name of a gripper's opening, 0 closed to 1 open."""
    return f"{arm}.gripper"


def state_names(robot: RobotSpec) -> list[str]:
    """Of `observation.state`: tool pose, joints [rad], gripper of every arm."""
    return [name for arm in robot.arms for name in (*pose_names(arm.name), *arm.joints, gripper_name(arm.name))]


def action_names(robot: RobotSpec) -> list[str]:
    """Of `action`: tool pose and gripper of every arm, one frame later."""
    return [name for arm in robot.arms for name in (*pose_names(arm.name), gripper_name(arm.name))]


def features_of(
    robot: RobotSpec, sizes: Mapping[str, tuple[int, int]], fps: int, labelled: bool = False
) -> dict[str, dict[str, Any]]:
    """`features` of info.json. sizes: width and height of the pictures by view role. labelled: by the expert."""
    found: dict[str, dict[str, Any]] = {}
    for role, (width, height) in sizes.items():
        info = {
            "video.height": height, "video.width": width, "video.codec": "h264", "video.pix_fmt": "yuv420p",
            "video.is_depth_map": False, "video.fps": fps, "video.channels": 3, "has_audio": False,
        }  # fmt: skip
        names = ["height", "width", "channels"]
        found[IMAGES + role] = {"dtype": "video", "shape": [height, width, 3], "names": names, "info": info}
    for key, names in ((STATE, state_names(robot)), (ACTION, action_names(robot))):
        found[key] = {"dtype": "float32", "shape": [len(names)], "names": names}
    if labelled:
        found[LABEL] = {"dtype": "float32", "shape": [STEPS * len(robot.arms) * 10], "names": None}
        found[LABELLED] = {"dtype": "int64", "shape": [1], "names": None}
        found[FOLLOWED] = {"dtype": "float32", "shape": [len(action_names(robot))], "names": action_names(robot)}
        found[XYZ] = {"dtype": "float32", "shape": [MOST_OBJECTS * 3], "names": None}
        found[XYZW] = {"dtype": "float32", "shape": [MOST_OBJECTS * 4], "names": None}
    found[STAMP] = {"dtype": "int64", "shape": [1], "names": None}
    return found | {key: {"dtype": kind, "shape": [1], "names": None} for key, kind in INDICES.items()}


def places(names: Sequence[str], wanted: Sequence[str], where: str) -> list[int]:
    """Where the wanted names stand. Raises RecordingError naming what is missing and what there is."""
    missing = [name for name in wanted if name not in names]
    if missing:
        raise RecordingError(f"{where}: lacks {', '.join(missing)}; it has {', '.join(names) or 'none'}")
    return [list(names).index(name) for name in wanted]
