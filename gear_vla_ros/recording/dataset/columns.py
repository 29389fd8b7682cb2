"""An episode's frames as the columns of a LeRobot dataset."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.geometry import se3
from gear_vla_ros.recording.dataset.features import ACTION, FOLLOWED, LABEL, LABELLED, STAMP, STATE, XYZ, XYZW
from gear_vla_ros.recording.dataset.samples import Samples
from gear_vla_ros.settings import ArmSpec


def columns_of(samples: Samples, episode: int, first: int, tasks: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Columns `[N, ...]` of an episode, by feature, videos excepted. first: index of its first frame in the dataset."""
    count = len(samples)
    steps = np.arange(count, dtype=np.int64)
    arms = samples.robot.arms
    state = [_state(samples, arm) for arm in arms]
    return _labels(samples) | {
        STATE: np.concatenate(state, axis=1).astype(np.float32),
        ACTION: np.concatenate([_action(samples, arm) for arm in arms], axis=1).astype(np.float32),
        STAMP: samples.times_ns[:-1],
        "timestamp": (steps / samples.fps).astype(np.float32),
        "frame_index": steps,
        "episode_index": np.full(count, episode, dtype=np.int64),
        "index": first + steps,
        "task_index": np.array([tasks.index(task) for task in samples.tasks], dtype=np.int64),
    }


def _labels(samples: Samples) -> dict[str, NDArray[Any]]:
    if samples.labels is None:
        return {}
    known = samples.labels.known.astype(np.int64)
    parts = {
        LABEL: samples.labels.chunks,
        FOLLOWED: samples.labels.targets,
        XYZ: samples.labels.xyz,
        XYZW: samples.labels.xyzw,
    }
    return {LABELLED: known} | {name: part.reshape(len(samples), -1) for name, part in parts.items()}


def _state(samples: Samples, arm: ArmSpec) -> NDArray[np.float64]:
    frames = samples.arms[arm.name]
    parts = [se3.to_xyz_rot6d(frames.base_T_tcp), frames.q, frames.opening[:, None]]
    return np.concatenate(parts, axis=1)[:-1]


def _action(samples: Samples, arm: ArmSpec) -> NDArray[np.float64]:
    frames = samples.arms[arm.name]
    return np.concatenate([se3.to_xyz_rot6d(frames.base_T_tcp), frames.commanded[:, None]], axis=1)[1:]
