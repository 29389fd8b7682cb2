"""Episode after episode in one folder: what the recorder_node and the operator's commands drive."""

import shutil
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from gear_vla_ros.recording.episodes import new_folder
from gear_vla_ros.recording.errors import RecordingError
from gear_vla_ros.recording.topics import RecordedTopic
from gear_vla_ros.recording.writer import DEFAULTS, EpisodeWriter, WriterOptions
from gear_vla_ros.settings import RobotSpec


class RecordingSession:
    """Owns the episode being written, if any. One thread calls all methods.

    A discarded episode is marked so and kept: this stack deletes nothing.
    """

    def __init__(
        self, root: Path, robot: RobotSpec, topics: Iterable[RecordedTopic], options: WriterOptions = DEFAULTS
    ) -> None:
        self._root, self._robot, self._options = root, robot, options
        self._topics = tuple(topics)
        self._latched = {topic.name: deque[tuple[int, bytes]](maxlen=topic.latched) for topic in self._topics}
        self.writer: EpisodeWriter | None = None

    def free_bytes(self) -> int:
        """What the disk of the episodes has left."""
        folder = self._root
        while not folder.exists():
            folder = folder.parent
        return shutil.disk_usage(folder).free

    def start(self, now_ns: int, instruction: str = "", operator: str = "") -> Path:
        """Begin the next episode; what is latched comes first. Raises RecordingError (disk, or one is running)."""
        if self.writer is not None and not self.writer.error:
            raise RecordingError(f"{self.writer.path}: an episode is being recorded, stop it first")
        self.stop("error")
        about = {"robot": self._robot.name, "instruction": instruction, "operator": operator}
        attachments = {"robot.json": self._robot.model_dump_json(indent=2).encode()}
        self.writer = EpisodeWriter(new_folder(self._root), self._topics, about, attachments, self._options)
        for topic, kept in self._latched.items():
            for publish_ns, data in kept:
                self.writer.write(topic, now_ns, publish_ns, data)
        return self.writer.path

    def take(self, topic: RecordedTopic, log_ns: int, publish_ns: int, data: bytes) -> None:
        """One message; remembered when latched, written when an episode runs."""
        if topic.latched:
            kept = self._latched[topic.name]
            if any(data == other for _, other in kept):
                kept.remove(next(entry for entry in kept if entry[1] == data))
            kept.append((publish_ns, data))
        if self.writer is not None:
            self.writer.write(topic.name, log_ns, publish_ns, data)

    def stop(self, outcome: str, instruction: str = "") -> EpisodeWriter | None:
        """End the episode; its closed writer, None when none runs. Raises RecordingError when the disk hangs."""
        writer, self.writer = self.writer, None
        if writer is not None:
            writer.close({"outcome": outcome} | ({"instruction": instruction} if instruction else {}))
        return writer
