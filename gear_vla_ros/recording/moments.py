"""What was current at some moments of an episode: images, chunk, transforms, instruction."""

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gear_vla_ros.recording.errors import RecordingError
from gear_vla_ros.recording.frames import FrameTree, Pinhole
from gear_vla_ros.recording.h264 import Picture
from gear_vla_ros.recording.pictures import PictureStream, recorded_topic
from gear_vla_ros.recording.reader import EpisodeReader, RawMessage
from gear_vla_ros.recording.topics import INSTRUCTION, picture_topics
from gear_vla_ros.settings import RobotSpec

CHUNK = "/gear_vla/chunk"
LAST_S = 1.0
"""End of an episode that two of the moments are for: there the grasp succeeds or fails."""
TF_KEPT = 100


@dataclass(frozen=True)
class Seen:
    """A camera's picture. pixels: `[height, width, 3]` RGB, None where `problem` says why.

    stamp_ns: of capture. frame: its optical frame, empty where none was said.
    """

    pixels: Picture | None
    stamp_ns: int
    frame: str
    problem: str = ""


@dataclass(frozen=True)
class Moment:
    """What was the newest at `log_ns`; what there was none of is missing or None."""

    log_ns: int
    images: dict[str, Seen]
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
    """Undecoded newest messages while an episode is read. recorded: the topics that it has."""

    def __init__(self, robot: RobotSpec, reader: EpisodeReader, recorded: Collection[str]) -> None:
        self._reader = reader
        self._roles: dict[str, str] = {recorded_topic(camera, recorded): camera.role for camera in robot.cameras}
        self._streams: dict[str, PictureStream] = {}
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
        elif raw.topic in self._roles:
            self._streams.setdefault(raw.topic, PictureStream(self._reader)).take(raw)
        else:
            self._newest[raw.topic] = raw

    def moment(self, log_ns: int) -> Moment:
        reader = self._reader
        decoded = {topic: reader.decode(raw) for topic, raw in self._newest.items()}
        infos = {role: Pinhole.from_info(decoded[t]) for t, role in self._info_roles.items() if t in decoded}
        said = decoded.get(INSTRUCTION)
        return Moment(
            log_ns,
            {self._roles[topic]: _seen(stream) for topic, stream in self._streams.items()},
            {role: pinhole for role, pinhole in infos.items() if pinhole is not None},
            decoded.get(CHUNK),
            FrameTree(reader.decode(raw) for raw in (*self._tf_static, *self._tf)),
            said.text if said is not None and said.text else reader.about.get("instruction", ""),
        )


def _seen(stream: PictureStream) -> Seen:
    try:
        return Seen(stream.rgb(), *stream.header())
    except RecordingError as error:
        return Seen(None, *stream.header(), str(error))


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
    first_ns, moving_ns, last_ns, recorded = _time_span(path, robot)
    times = [first_ns, *spread(moving_ns, last_ns, count - 1)] if moving_ns else spread(first_ns, last_ns, count)
    reader = EpisodeReader(path)
    newest = _Newest(robot, reader, recorded)
    moments: list[Moment] = []

    def note(times: Sequence[int]) -> None:
        moments.extend(newest.moment(t) for t in times)

    for raw in reader.raw(newest.topics):
        due = [t for t in times[len(moments) :] if t < raw.log_ns]
        note(due)
        newest.take(raw)
    note(times[len(moments) :])
    return Episode(reader.file.parent.name, reader.about, first_ns, last_ns, tuple(moments))


def _time_span(path: Path, robot: RobotSpec) -> tuple[int, int, int, Collection[str]]:
    """Log times: every camera has begun; first chunk after that (0 if none); last message of a camera. And all topics.

    Where no camera was recorded, all topics count as cameras.
    """
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for raw in EpisodeReader(path).raw():
        first.setdefault(raw.topic, raw.log_ns)
        last[raw.topic] = raw.log_ns
    if not first:
        raise RecordingError(f"{path}: no messages, nothing to draw")
    topics = {name for camera in robot.cameras for name in picture_topics(camera)} & first.keys() or first.keys()
    last_ns = max(last[topic] for topic in topics)
    first_ns = min(max(first[topic] for topic in topics), last_ns)
    moving_ns = first.get(CHUNK, 0)
    return first_ns, moving_ns if first_ns <= moving_ns <= last_ns else 0, last_ns, first.keys()
