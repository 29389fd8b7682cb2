"""What was current at some moments of an episode: images, chunk, transforms, instruction."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gear_vla_ros.recording.errors import RecordingError
from gear_vla_ros.recording.frames import FrameTree, Pinhole
from gear_vla_ros.recording.reader import EpisodeReader, RawMessage
from gear_vla_ros.recording.topics import INSTRUCTION
from gear_vla_ros.settings import RobotSpec

CHUNK = "/gear_vla/chunk"
LAST_S = 1.0
"""End of an episode that two of the moments are for: there the grasp succeeds or fails."""
TF_KEPT = 100


@dataclass(frozen=True)
class Moment:
    """Messages that were the newest at `log_ns`; what there was none of is missing or None."""

    log_ns: int
    images: dict[str, Any]
    cameras: dict[str, Pinhole]
    chunk: Any | None
    frames: FrameTree
    instruction: str


def spread(first_ns: int, last_ns: int, count: int) -> list[int]:
    """`count` times from first to last: evenly, but two within the last second when there is time enough."""
    span = last_ns - first_ns
    late = round(LAST_S * 1e9)
    if count < 4 or span < 3 * late:
        return [first_ns + span * i // max(count - 1, 1) for i in range(count)]
    early = [first_ns + (span - late) * i // (count - 3) for i in range(count - 2)]
    return [*early, last_ns - late // 2, last_ns]


class _Newest:
    """Undecoded newest messages while an episode is read."""

    def __init__(self, robot: RobotSpec) -> None:
        self._roles = {camera.topic: camera.role for camera in robot.cameras}
        self._info_roles = {camera.info_topic: camera.role for camera in robot.cameras}
        self._newest: dict[str, RawMessage] = {}
        self._tf: deque[RawMessage] = deque(maxlen=TF_KEPT)
        self._tf_static: list[RawMessage] = []
        self.topics = {*self._roles, *self._info_roles, CHUNK, INSTRUCTION, "/tf", "/tf_static"}

    def take(self, raw: RawMessage) -> None:
        if raw.topic == "/tf":
            self._tf.append(raw)
        elif raw.topic == "/tf_static":
            self._tf_static.append(raw)
        else:
            self._newest[raw.topic] = raw

    def moment(self, log_ns: int, reader: EpisodeReader, instruction: str) -> Moment:
        decoded = {topic: reader.decode(raw) for topic, raw in self._newest.items()}
        infos = {role: Pinhole.from_info(decoded[t]) for t, role in self._info_roles.items() if t in decoded}
        said = decoded.get(INSTRUCTION)
        return Moment(
            log_ns,
            {role: decoded[topic] for topic, role in self._roles.items() if topic in decoded},
            {role: pinhole for role, pinhole in infos.items() if pinhole is not None},
            decoded.get(CHUNK),
            FrameTree(reader.decode(raw) for raw in (*self._tf_static, *self._tf)),
            said.text if said is not None and said.text else instruction,
        )


@dataclass(frozen=True)
class Episode:
    """Moments of an episode in the order of time. about: the metadata its recorder wrote."""

    name: str
    about: dict[str, str]
    first_ns: int
    last_ns: int
    moments: tuple[Moment, ...]


def read_moments(path: Path, robot: RobotSpec, count: int) -> Episode:
    """`count` moments of an episode: its start, the others from the first chunk on, when the robot begins to move.

    Memory: one message a topic, beside the moments. Raises RecordingError when the episode has no message.
    """
    first_ns, moving_ns, last_ns = _time_span(path, {camera.topic for camera in robot.cameras})
    times = [first_ns, *spread(moving_ns, last_ns, count - 1)] if moving_ns else spread(first_ns, last_ns, count)
    reader, newest = EpisodeReader(path), _Newest(robot)
    moments: list[Moment] = []

    def note(times: Sequence[int]) -> None:
        moments.extend(newest.moment(t, reader, reader.about.get("instruction", "")) for t in times)

    for raw in reader.raw(newest.topics):
        due = [t for t in times[len(moments) :] if t < raw.log_ns]
        note(due)
        newest.take(raw)
    note(times[len(moments) :])
    return Episode(reader.file.parent.name, reader.about, first_ns, last_ns, tuple(moments))


def _time_span(path: Path, wanted: set[str]) -> tuple[int, int, int]:
    """Log times: every wanted topic has begun; first chunk after that (0 if none); last message of a wanted topic.

    Where none of the wanted topics was recorded, all count as wanted.
    """
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for raw in EpisodeReader(path).raw():
        first.setdefault(raw.topic, raw.log_ns)
        last[raw.topic] = raw.log_ns
    if not first:
        raise RecordingError(f"{path}: no messages, nothing to draw")
    topics = wanted & first.keys() or first.keys()
    last_ns = max(last[topic] for topic in topics)
    first_ns = min(max(first[topic] for topic in topics), last_ns)
    moving_ns = first.get(CHUNK, 0)
    return first_ns, moving_ns if first_ns <= moving_ns <= last_ns else 0, last_ns
