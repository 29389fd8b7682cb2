"""Writes a LeRobot v3 dataset: parquet for numbers, one MP4 a camera for many episodes, and what describes them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gear_vla_ros.recording.dataset import features as form
from gear_vla_ros.recording.dataset import statistics
from gear_vla_ros.recording.dataset.ahead import Ahead
from gear_vla_ros.recording.dataset.columns import columns_of
from gear_vla_ros.recording.dataset.samples import Samples
from gear_vla_ros.recording.dataset.video import VideoWriter
from gear_vla_ros.recording.errors import RecordingError
from gear_vla_ros.settings import RobotSpec

MB = 1024**2
Sizes = Mapping[str, tuple[int, int]]


class _Numbered:
    """The files of one kind, `chunk-000/file-000` on; the next begins when the last is large enough."""

    def __init__(self, root: Path, template: str, limit_mb: int, **named: str) -> None:
        self._root, self._template, self._limit, self._named = root, template, limit_mb * MB, named
        self._number = 0

    @property
    def indices(self) -> tuple[int, int]:
        """Chunk and file."""
        return divmod(self._number, form.FILES_A_CHUNK)

    @property
    def path(self) -> Path:
        """The file that is being written."""
        chunk, file = self.indices
        return self._root / self._template.format(chunk_index=chunk, file_index=file, **self._named)

    def full(self) -> bool:
        """Whether it is large enough; if so the next one is taken."""
        if not self.path.exists() or self.path.stat().st_size < self._limit:
            return False
        self._number += 1
        return True


class _Camera:
    """One camera's videos, and what its pictures look like. Memory: the statistics of one episode, and of all.

    Encoding is done by a thread; between `begin` and `end` the video and the colours are that thread's.
    """

    def __init__(self, root: Path, role: str, fps: int, size: tuple[int, int]) -> None:
        self.key, self._fps, self._size = form.IMAGES + role, fps, size
        self._files = _Numbered(root, form.VIDEO, form.VIDEO_MB, video_key=self.key)
        self._video: VideoWriter | None = None
        self.all, self.colours = statistics.Colours(), statistics.Colours()
        self._sampled: frozenset[int] = frozenset()
        self._first, self._count, self._added = 0, 0, 0
        self._encoder = Ahead()

    def begin(self, count: int) -> None:
        """The next episode has `count` frames."""
        self.colours, self._sampled, self._count = statistics.Colours(), statistics.sampled(count), count
        if self._video is not None and self._files.full():
            self.next_file()
        if self._video is None:
            self._video = VideoWriter(self._files.path, self._fps, *self._size)
        self._first, self._added = self._video.frames, 0

    def add(self, pixels: NDArray[np.uint8], repeat: int) -> None:
        height, width = pixels.shape[:2]
        if (width, height) != self._size:
            raise RecordingError(f"{self.key}: a picture of {width} x {height} among those of {self._size}")
        looked_at = bool(self._sampled.intersection(range(self._added, self._added + repeat)))
        self._added += repeat
        self._encoder.call(self._encode, pixels, repeat, looked_at)

    def _encode(self, pixels: NDArray[np.uint8], repeat: int, looked_at: bool) -> None:
        assert self._video is not None
        if looked_at:
            self.colours.add(pixels)
        self._video.add(pixels, repeat)

    def end(self) -> dict[str, Any]:
        """Where the episode lies. Raises RecordingError when it did not get its frames."""
        self._encoder.wait()
        assert self._video is not None
        last = self._video.frames
        if last - self._first != self._count:
            raise RecordingError(f"{self.key}: {last - self._first} pictures for {self._count} frames")
        self.all.merge(self.colours)
        chunk, file = self._files.indices
        where: dict[str, float] = {"chunk_index": chunk, "file_index": file}
        where |= {"from_timestamp": self._first / self._fps, "to_timestamp": last / self._fps}
        return {f"videos/{self.key}/{name}": value for name, value in where.items()}

    def next_file(self) -> None:
        if self._video is not None:
            self._video.close()
            self._video = None

    def close(self) -> None:
        self._encoder.stop()
        self.next_file()

    def abandon(self) -> None:
        self._encoder.stop()
        if self._video is not None:
            self._video.abandon()


class DatasetWriter:
    """Episode after episode into a new folder: `begin`, `add` every picture, `end`; then `close`.

    sizes: width and height of the pictures by view role. Raises RecordingError and OSError.
    """

    def __init__(self, root: Path, robot: RobotSpec, fps: int, sizes: Sizes, labelled: bool = False) -> None:
        self._root, self._robot, self._fps = root, robot, fps
        self.features = form.features_of(robot, sizes, fps, labelled)
        self._objects: list[tuple[str, ...]] = []
        self._cameras = {role: _Camera(root, role, fps, size) for role, size in sizes.items()}
        self._data = _Numbered(root, form.DATA, form.DATA_MB)
        self._writer: pq.ParquetWriter | None = None
        self._schema = pa.schema(_fields(self.features))
        self._episodes: list[dict[str, Any]] = []
        self._sources: list[dict[str, Any]] = []
        self._tasks: list[str] = []
        self._now: Samples | None = None
        self.frames = 0

    def begin(self, samples: Samples) -> None:
        """Take the next episode."""
        self._now = samples
        self._tasks += [task for task in dict.fromkeys(samples.tasks) if task not in self._tasks]
        for camera in self._cameras.values():
            camera.begin(len(samples))

    def add(self, role: str, pixels: NDArray[np.uint8], repeat: int = 1) -> None:
        """The picture of the next `repeat` frames of one camera."""
        self._cameras[role].add(pixels, repeat)

    def end(self) -> None:
        """Keep the episode: its rows, its place in the videos, its statistics."""
        assert self._now is not None
        samples, index = self._now, len(self._episodes)
        columns = columns_of(samples, index, self.frames, self._tasks)
        if self._writer is None or self._data.full():
            self._close_data()
            self._data.path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(self._data.path, self._schema)
        self._writer.write_table(_table(columns, self._schema))
        chunk, file = self._data.indices
        row = {"episode_index": index, "tasks": list(dict.fromkeys(samples.tasks)), "length": len(samples)}
        row |= {"data/chunk_index": chunk, "data/file_index": file}
        row |= {"dataset_from_index": self.frames, "dataset_to_index": self.frames + len(samples)}
        stats = {key: statistics.of_numbers(values) for key, values in columns.items()}
        for camera in self._cameras.values():
            row |= camera.end()
            stats[camera.key] = camera.colours.stats()
        row |= {f"stats/{key}/{name}": value for key, found in stats.items() for name, value in found.items()}
        self._episodes.append(row | {"meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0})
        self._sources.append(_source(samples, index))
        if samples.labels is not None:
            self._objects.append(samples.labels.names)
        self.frames += len(samples)
        self._now = None

    def close(self) -> None:
        """Finish the files and write what describes them."""
        self._close_data()
        for camera in self._cameras.values():
            camera.close()
        episodes = self._root / form.EPISODES.format(chunk_index=0, file_index=0)
        episodes.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(self._episodes), episodes)
        pq.write_table(_tasks_table(self._tasks), self._root / form.TASKS)
        (self._root / form.INFO).write_text(json.dumps(self._info(), indent=4))
        (self._root / form.STATS).write_text(json.dumps(self._stats(), indent=4))
        (self._root / form.ROBOT).write_text(self._robot.model_dump_json(indent=2))
        (self._root / form.SOURCES).write_text(json.dumps(self._sources, indent=2))
        if self._objects:
            (self._root / form.OBJECTS).write_text(json.dumps(self._objects))

    def abandon(self) -> None:
        """Give all files back as they are, after an error; what was written is no dataset."""
        for camera in self._cameras.values():
            camera.abandon()
        with suppress(OSError, pa.ArrowException):
            self._close_data()

    def _close_data(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _info(self) -> dict[str, Any]:
        return {
            "codebase_version": form.VERSION,
            "robot_type": self._robot.name,
            "total_episodes": len(self._episodes),
            "total_frames": self.frames,
            "total_tasks": len(self._tasks),
            "chunks_size": form.FILES_A_CHUNK,
            "data_files_size_in_mb": form.DATA_MB,
            "video_files_size_in_mb": form.VIDEO_MB,
            "fps": self._fps,
            "splits": {"train": f"0:{len(self._episodes)}"},
            "data_path": form.DATA,
            "video_path": form.VIDEO,
            "features": self.features,
        }

    def _stats(self) -> dict[str, statistics.Stats]:
        """Of all episodes, from what was written: one column in memory at a time."""
        files = sorted(self._root.glob("data/*/*.parquet"))
        found = {}
        for key in self._schema.names:
            column = pa.concat_tables([pq.read_table(file, columns=[key]) for file in files]).column(key)
            found[key] = statistics.of_numbers(_numpy(column))
        return found | {camera.key: camera.all.stats() for camera in self._cameras.values()}


def _fields(features: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, pa.DataType]]:
    for key, feature in features.items():
        if feature["dtype"] != "video":
            kind, size = pa.type_for_alias(feature["dtype"].replace("float32", "float")), feature["shape"][0]
            yield key, kind if size == 1 else pa.list_(kind, size)


def _table(columns: Mapping[str, NDArray[Any]], schema: pa.Schema) -> pa.Table:
    arrays = [
        pa.FixedSizeListArray.from_arrays(pa.array(columns[field.name].reshape(-1)), columns[field.name].shape[1])
        if pa.types.is_fixed_size_list(field.type)
        else pa.array(columns[field.name])
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _numpy(column: pa.ChunkedArray) -> NDArray[Any]:
    flat = column.combine_chunks()
    if not pa.types.is_fixed_size_list(flat.type):
        return np.asarray(flat)
    return np.asarray(flat.flatten()).reshape(len(flat), -1)


def _tasks_table(tasks: list[str]) -> pa.Table:
    """As pandas keeps a frame whose index is the task: LeRobot reads it by that index."""
    columns = [
        {"name": "task_index", "field_name": "task_index", "pandas_type": "int64", "numpy_type": "int64"},
        {"name": "task", "field_name": "task", "pandas_type": "unicode", "numpy_type": "object"},
    ]
    pandas = {"index_columns": ["task"], "column_indexes": [], "pandas_version": "2.0.0", "columns": columns}
    table = pa.table({"task_index": pa.array(range(len(tasks)), pa.int64()), "task": pa.array(tasks, pa.string())})
    return table.replace_schema_metadata({"pandas": json.dumps(pandas)})


def _source(samples: Samples, index: int) -> dict[str, Any]:
    return {
        "episode_index": index,
        "episode": f"{samples.path.resolve().parent.name}/{samples.path.name}",
        "outcome": samples.about.get("outcome", ""),
        "operator": samples.about.get("operator", ""),
        "left_out_s": round(samples.left_out_s, 3),
        "gripper_commands": {arm: frames.commanded_by for arm, frames in samples.arms.items()},
        "oldest_picture_ms": {role: round(float(ages.max()) * 1e-6, 1) for role, ages in samples.ages_ns.items()},
    }
