"""Reads LeRobot v3 datasets for training: a frame's pictures, state and instruction, and the chunk that follows it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import ValidationError

from gear_vla_ros.contracts import ActionChunk, ArmChunk
from gear_vla_ros.geometry import se3
from gear_vla_ros.recording.dataset import features as form
from gear_vla_ros.recording.dataset.labels import STEPS
from gear_vla_ros.recording.dataset.video import Picture, VideoReader
from gear_vla_ros.recording.errors import RecordingError
from gear_vla_ros.settings import RobotSpec

LABEL_HZ = 30.0
Array = NDArray[np.float64]


@dataclass(frozen=True)
class ArmFrame:
    """One arm at one frame. base_T_tcp: `[4, 4]`. q: `[n]` rad. gripper: 0 closed to 1 open."""

    base_T_tcp: Array
    q: Array
    gripper: float


@dataclass(frozen=True)
class Sample:
    """What a policy sees at a frame, and what was done next.

    images: uint8 RGB `[height, width, 3]` by view role. chunk: K steps from this frame's tool poses on; past the
    episode's end the last pose stands. valid: `[K]`, which steps were really done; the others are to carry no loss.
    """

    images: Mapping[str, Picture]
    arms: Mapping[str, ArmFrame]
    instruction: str
    chunk: ActionChunk
    valid: NDArray[np.bool_]


class DatasetReader:
    """Frames by number, over all episodes. For one thread, or one worker: it keeps the videos open.

    Memory: all numbers of the dataset, about 0.1 GB for ten hours; pictures are decoded when they are asked for.
    """

    def __init__(self, root: Path, robot: RobotSpec | None = None) -> None:
        """robot: where the dataset has no meta/robot.json. Raises RecordingError: what is missing, or does not fit."""
        self.root, self.info = root, _info(root)
        self.features: dict[str, Any] = self.info["features"]
        self.fps = int(self.info["fps"])
        self.robot = robot or _robot(root)
        self.roles = [camera.role for camera in self.robot.cameras]
        self.episodes = _episodes(root)
        self.tasks = _tasks(root)
        wanted = [form.STATE, form.ACTION, form.STAMP, *(form.IMAGES + role for role in self.roles)]
        form.places(list(self.features), wanted, f"{root}: features")
        self._numbers = _numbers(root, self.features)
        rows, said = len(self._numbers["index"]), self.info["total_frames"]
        if rows != said or sum(episode["length"] for episode in self.episodes) != said:
            raise RecordingError(f"{root}: {rows} frames in data/, meta/info.json says {said}; is it cut?")
        self._state, self._action = self._arm_places()
        self._names = _object_names(root) if self.labelled else []
        self._videos: dict[Path, VideoReader] = {}

    def __len__(self) -> int:
        return int(self.info["total_frames"])

    @property
    def labelled(self) -> bool:
        """Whether chunks are the expert's, of episodes that were disturbed on purpose, and not what was done."""
        return form.LABEL in self.features

    def learnable(self) -> NDArray[np.int64]:
        """Frames whose chunk can be learned: those with a label, or all."""
        if self.labelled:
            return np.flatnonzero(self._numbers[form.LABELLED])
        return np.arange(len(self))

    def objects(self, index: int) -> dict[str, Array]:
        """Where objects are at a frame `[3]` in the world [m], by name; of labelled datasets, else none."""
        if not self.labelled:
            return {}
        names = self._names[int(self._numbers["episode_index"][index])]
        xyz = self._numbers[form.XYZ][index].reshape(-1, 3).astype(np.float64)
        return dict(zip(names, xyz, strict=False))

    def object_poses(self, index: int) -> dict[str, Array]:
        """`world_T_object` `[4, 4]` at a frame, by name; none where it is not known how they are turned."""
        if form.XYZW not in self.features:
            return {}
        xyzw = self._numbers[form.XYZW][index].reshape(-1, 4).astype(np.float64)
        places = zip(self.objects(index).items(), xyzw, strict=False)
        return {name: se3.from_xyz_quat(xyz, turned) for (name, xyz), turned in places}

    def numbers(self, feature: str) -> NDArray[Any]:
        """All of one feature, `[frames, ...]`. Raises KeyError."""
        return self._numbers[feature]

    def picture(self, index: int, role: str) -> Picture:
        """RGB of one camera at one frame. Raises RecordingError where the video is missing or cut."""
        episode, key = self._episode(index), form.IMAGES + role
        chunk, file = episode[f"videos/{key}/chunk_index"], episode[f"videos/{key}/file_index"]
        path = self.root / self.info["video_path"].format(video_key=key, chunk_index=chunk, file_index=file)
        if path not in self._videos:
            self._videos[path] = VideoReader(path)
        frame = int(self._numbers["frame_index"][index])
        return self._videos[path].at(episode[f"videos/{key}/from_timestamp"] + frame / self.fps)

    def sample(self, index: int, steps: int = STEPS) -> Sample:
        """Frame `index` with the chunk of the next `steps` frames."""
        arms = {name: self._arm(index, name) for name in self._state}
        chunk, valid = self.chunk(index, steps)
        task = self.tasks[int(self._numbers["task_index"][index])]
        return Sample({role: self.picture(index, role) for role in self.roles}, arms, task, chunk, valid)

    def chunk(self, index: int, steps: int = STEPS) -> tuple[ActionChunk, NDArray[np.bool_]]:
        """inv(base_T_tcp(t)) base_T_tcp(t + i / fps), i = 1..steps, and which of the steps `[steps]` are known.

        Of a labelled dataset: what the expert wanted at this frame, at its own 30 steps a second.
        """
        if self.labelled:
            return self._label(index, steps)
        last = self._episode(index)["dataset_to_index"] - 1
        rows = np.arange(index, index + steps)
        arms = self._from_here(index, self._numbers[form.ACTION][np.minimum(rows, last)])
        stamp_ns = int(self._numbers[form.STAMP][index])
        task = int(self._numbers["task_index"][index])
        return ActionChunk(stamp_ns, index, self.root.name, task, 0, arms, float(self.fps)), rows <= last

    def followed(self, index: int, steps: int) -> Mapping[str, ArmChunk] | None:
        """Targets of the `steps` frames after this one, from this frame's tool poses on; None where the episode ends
        before, and for a dataset that has none. They are what was followed, whoever wanted it."""
        rows = np.arange(index + 1, index + 1 + steps)
        if form.FOLLOWED not in self.features or rows[-1] >= self._episode(index)["dataset_to_index"]:
            return None
        return self._from_here(index, self._numbers[form.FOLLOWED][rows])

    def _from_here(self, index: int, actions: NDArray[np.float32]) -> dict[str, ArmChunk]:
        """Tool poses and fingers `[K, A * 10]` in the arms' base frames, from a frame's tool poses on."""
        numbers, arms = actions.astype(np.float64), {}
        for name, (pose, gripper) in self._action.items():
            base_T_anchor = self._arm(index, name).base_T_tcp
            anchor_T_tcp = se3.inverse(base_T_anchor) @ se3.from_xyz_rot6d(numbers[:, pose])
            arms[name] = ArmChunk(base_T_anchor, anchor_T_tcp, np.clip(numbers[:, gripper], 0.0, 1.0))
        return arms

    def _label(self, index: int, steps: int) -> tuple[ActionChunk, NDArray[np.bool_]]:
        numbers = self._numbers[form.LABEL][index].reshape(-1, len(self.robot.arms), 10)[:steps].astype(np.float64)
        arms: dict[str, ArmChunk] = {
            arm.name: ArmChunk(
                self._arm(index, arm.name).base_T_tcp, se3.from_xyz_rot6d(numbers[:, i, :9]), numbers[:, i, 9]
            )
            for i, arm in enumerate(self.robot.arms)
        }
        known = bool(self._numbers[form.LABELLED][index])
        stamp_ns, task = int(self._numbers[form.STAMP][index]), int(self._numbers["task_index"][index])
        chunk = ActionChunk(stamp_ns, index, self.root.name, task, 0, arms, LABEL_HZ)
        return chunk, np.full(len(numbers), known)

    def close(self) -> None:
        """Give the videos back."""
        for video in self._videos.values():
            video.close()
        self._videos.clear()

    def __getstate__(self) -> dict[str, Any]:
        """Without the open videos, for workers of a data loader."""
        return self.__dict__ | {"_videos": {}}

    def _episode(self, index: int) -> dict[str, Any]:
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index}: the dataset has {len(self)}")
        return self.episodes[int(self._numbers["episode_index"][index])]

    def _arm(self, index: int, name: str) -> ArmFrame:
        pose, joints, gripper = self._state[name]
        row = self._numbers[form.STATE][index].astype(np.float64)
        return ArmFrame(se3.from_xyz_rot6d(row[pose]), row[joints], float(row[gripper]))

    def _arm_places(self) -> tuple[dict[str, tuple[list[int], list[int], int]], dict[str, tuple[list[int], int]]]:
        state: dict[str, tuple[list[int], list[int], int]] = {}
        action: dict[str, tuple[list[int], int]] = {}
        for arm in self.robot.arms:
            wanted = [*form.pose_names(arm.name), *arm.joints, form.gripper_name(arm.name)]
            at = form.places(self.features[form.STATE]["names"], wanted, f"{self.root}: {form.STATE}")
            state[arm.name] = at[: len(form.POSE)], at[len(form.POSE) : -1], at[-1]
            wanted = [*form.pose_names(arm.name), form.gripper_name(arm.name)]
            at = form.places(self.features[form.ACTION]["names"], wanted, f"{self.root}: {form.ACTION}")
            action[arm.name] = at[:-1], at[-1]
        return state, action


def _info(root: Path) -> dict[str, Any]:
    try:
        info = json.loads((root / form.INFO).read_text(encoding="utf-8"))
        version = info["codebase_version"]
        if not str(version).startswith("v3."):
            raise RecordingError(f"{root}: LeRobot dataset {version}, {form.VERSION} is read; convert it with lerobot")
        lacking = sorted({"fps", "features", "total_frames", "data_path", "video_path"} - set(info))
        if lacking:
            raise RecordingError(f"{root / form.INFO}: lacks {', '.join(lacking)}")
        return dict(info)
    except FileNotFoundError:
        raise RecordingError(f"{root}: no LeRobot dataset there: no {form.INFO}") from None
    except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise RecordingError(f"{root / form.INFO}: not a dataset's: {error}") from None


def _robot(root: Path) -> RobotSpec:
    try:
        return RobotSpec.model_validate_json((root / form.ROBOT).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecordingError(f"{root}: no {form.ROBOT}: not written by this stack; say which robot it is of") from None
    except ValidationError as error:
        raise RecordingError(f"{root / form.ROBOT}: {error.errors()[0]['msg']} at {error.errors()[0]['loc']}") from None


def _object_names(root: Path) -> list[list[str]]:
    try:
        return [list(names) for names in json.loads((root / form.OBJECTS).read_text(encoding="utf-8"))]
    except (FileNotFoundError, json.JSONDecodeError, TypeError) as error:
        raise RecordingError(f"{root / form.OBJECTS}: cannot be read: {error}") from None


def _read(paths: list[Path], where: Path, columns: list[str] | None = None) -> pa.Table:
    if not paths:
        raise RecordingError(f"{where}: no parquet file there")
    try:
        return pa.concat_tables([pq.read_table(path, columns=columns) for path in paths])
    except (pa.ArrowException, OSError, KeyError) as error:
        raise RecordingError(f"{where}: cannot be read: {str(error).splitlines()[0]}") from None


def _episodes(root: Path) -> list[dict[str, Any]]:
    folder = root / "meta" / "episodes"
    table = _read(sorted(folder.glob("*/*.parquet")), folder)
    kept = [name for name in table.column_names if not name.startswith("stats/")]
    return sorted(table.select(kept).to_pylist(), key=lambda row: int(row["episode_index"]))


def _tasks(root: Path) -> list[str]:
    """Texts by task_index. Written through pandas, their column has the index's name, or none."""
    table = _read([root / form.TASKS], root / form.TASKS)
    texts = next((name for name in table.column_names if name != "task_index"), None)
    if texts is None:
        raise RecordingError(f"{root / form.TASKS}: lacks the tasks' texts")
    by_index = dict(zip(table["task_index"].to_pylist(), table[texts].to_pylist(), strict=True))
    return [by_index[i] for i in sorted(by_index)]


def _numbers(root: Path, features: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    keys = [key for key, feature in features.items() if feature["dtype"] not in ("video", "image", "string")]
    table = _read(sorted((root / "data").glob("*/*.parquet")), root / "data", keys)
    found = {}
    for key in keys:
        column = table.column(key).combine_chunks()
        nested = pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type)
        values = np.asarray(column.flatten() if nested else column)
        found[key] = values.reshape(len(column), -1) if nested else values
    order = np.argsort(found["index"], kind="stable")
    return {key: values[order] for key, values in found.items()}
