"""One pass over an episode: what each topic said and when, without decoding pictures."""

import struct
import zlib
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from gear_vla_ros.recording.h264 import checksum_of, packet_of
from gear_vla_ros.recording.pictures import recorded_topic
from gear_vla_ros.recording.reader import EpisodeReader, RawMessage
from gear_vla_ros.recording.topics import COMPRESSED, IMAGE, VIDEO, picture_topics, topics_of
from gear_vla_ros.settings import CameraSpec, RobotSpec

STAMPED = frozenset({IMAGE, COMPRESSED, VIDEO, "sensor_msgs/msg/JointState", "geometry_msgs/msg/PoseStamped"})
"""What begins with the time of capture."""
ALIKE = frozenset({IMAGE, COMPRESSED})
"""Pictures whose bytes are the same where the pictures are."""
_ENCAPSULATION, _STAMP = 4, struct.Struct("<iI")


@dataclass
class Track:
    """One topic. log_ns: times of reception; stamps_ns: of capture, where the type has them.

    digests: of pictures; of video of another recorder none.
    """

    type: str
    log_ns: list[int] = field(default_factory=list)
    stamps_ns: list[int] = field(default_factory=list)
    digests: list[int] = field(default_factory=list)
    bytes: int = 0


@dataclass
class Survey:
    """What an episode holds. robot: as it was attached, None without. problem: why reading ended early, or empty.

    kept: (time of publication [ns], message) of topics that were asked for.
    """

    path: Path
    tracks: dict[str, Track]
    about: dict[str, str]
    robot: RobotSpec | None
    problem: str
    joint_names: list[str]
    joint_ns: NDArray[np.int64]
    positions: NDArray[np.float64]
    poses: dict[str, list[tuple[int, NDArray[np.float64]]]]
    kept: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """From the first message to the last."""
        ends = [(track.log_ns[0], track.log_ns[-1]) for track in self.tracks.values() if track.log_ns]
        return (max(end for _, end in ends) - min(begin for begin, _ in ends)) * 1e-9 if ends else 0.0

    def topic_of(self, camera: CameraSpec) -> str:
        """The topic that a camera's pictures are on, as they came or compressed; the first where there are none."""
        return recorded_topic(camera, self.tracks)

    def track_of(self, camera: CameraSpec) -> Track | None:
        """A camera's pictures."""
        return self.tracks.get(self.topic_of(camera))

    @property
    def begin_ns(self) -> int:
        """Reception of the first message; 0 without any."""
        return min((track.log_ns[0] for track in self.tracks.values() if track.log_ns), default=0)


def survey(path: Path, robot: RobotSpec | None = None, keep: Collection[str] = ()) -> Survey:
    """Read all of an episode. robot: in place of the attached one. keep: topics whose messages are wanted.

    Raises RecordingError when there is no file.
    """
    reader = EpisodeReader(path)
    tracks: dict[str, Track] = {}
    joints: list[tuple[int, list[str], NDArray[np.float64]]] = []
    poses: dict[str, list[tuple[int, NDArray[np.float64]]]] = {}
    kept: dict[str, list[tuple[int, Any]]] = {topic: [] for topic in keep}
    for raw in reader.raw():
        track = tracks.setdefault(raw.topic, Track(raw.type))
        _note(track, raw)
        if raw.type == "sensor_msgs/msg/JointState" and raw.topic == _joint_topic(robot):
            message = reader.decode(raw)
            joints.append((track.stamps_ns[-1], list(message.name), np.array(message.position, dtype=np.float64)))
        elif raw.topic.endswith("/target_pose"):
            at = reader.decode(raw).pose.position
            poses.setdefault(raw.topic, []).append((track.stamps_ns[-1], np.array([at.x, at.y, at.z])))
        if raw.topic in kept:
            kept[raw.topic].append((raw.publish_ns or raw.log_ns, reader.decode(raw)))
    names = joints[0][1] if joints else []
    same = [(ns, q) for ns, found, q in joints if found == names and len(q) == len(names)]
    return Survey(
        path=path,
        tracks=tracks,
        about=reader.about,
        robot=robot or _attached(reader.attachments),
        problem=reader.problem,
        joint_names=names,
        joint_ns=np.array([ns for ns, _ in same], dtype=np.int64),
        positions=np.stack([q for _, q in same]) if same else np.zeros((0, len(names))),
        poses=poses,
        kept=kept,
    )


def attached_robot(path: Path) -> RobotSpec | None:
    """The robot an episode was recorded with, from its beginning; None where it is not attached."""
    reader = EpisodeReader(path)
    next(reader.raw(), None)
    return _attached(reader.attachments)


def known_types(robot: RobotSpec) -> dict[str, str]:
    """Type by topic, of all that is recorded of a robot."""
    pictures = {name: kind for camera in robot.cameras for name, kind in picture_topics(camera).items()}
    return {topic.name: topic.type for topic in topics_of(robot)} | pictures


def _joint_topic(robot: RobotSpec | None) -> str:
    return "/joint_states" if robot is None else robot.joint_states_topic


def _note(track: Track, raw: RawMessage) -> None:
    track.log_ns.append(raw.log_ns)
    track.bytes += len(raw.data)
    if raw.type in STAMPED and len(raw.data) >= _ENCAPSULATION + _STAMP.size:
        sec, nanosec = _STAMP.unpack_from(raw.data, _ENCAPSULATION)
        track.stamps_ns.append(sec * 1_000_000_000 + nanosec)
        if raw.type in ALIKE:
            track.digests.append(zlib.adler32(raw.data[_ENCAPSULATION + _STAMP.size :]))
        elif raw.type == VIDEO and (checksum := checksum_of(packet_of(raw.data))) is not None:
            track.digests.append(checksum)


def _attached(attachments: dict[str, bytes]) -> RobotSpec | None:
    try:
        return RobotSpec.model_validate_json(attachments["robot.json"])
    except (KeyError, ValidationError):
        return None
