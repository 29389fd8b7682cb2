"""Numbered episode folders and rosbag2's metadata.yaml."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gear_vla_ros.recording.errors import RecordingError

_NAME = re.compile(r"^episode_(\d{4,})$")


class _NoAliases(yaml.SafeDumper):
    """Writes equal values out in full, as rosbag2 does."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_FOREVER = {"sec": 9223372036, "nsec": 854775807}


@dataclass(frozen=True)
class WrittenTopic:
    """One topic as metadata.yaml lists it."""

    name: str
    type: str
    type_hash: str
    qos: str
    messages: int


def new_folder(root: Path) -> Path:
    """Make the next free `episode_0001` below `root`; two recorders never get the same one.

    Raises RecordingError when it cannot be made.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        taken = [int(match[1]) for entry in root.iterdir() if (match := _NAME.match(entry.name))]
        number = max(taken, default=0) + 1
        while True:
            folder = root / f"episode_{number:04d}"
            try:
                folder.mkdir()
                return folder
            except FileExistsError:
                number += 1
    except OSError as error:
        raise RecordingError(
            f"{root}: no episode folder can be made: {error.strerror}; choose another folder"
        ) from None


def offered_qos(reliable: bool, latched: bool, depth: int) -> str:
    """QoS of a topic as rosbag2 notes it, so that `ros2 bag play` offers latched topics latched."""
    profile = {
        "history": 1,
        "depth": 1 if latched else depth,
        "reliability": 1 if reliable or latched else 2,
        "durability": 1 if latched else 2,
        "deadline": _FOREVER,
        "lifespan": _FOREVER,
        "liveliness": 1,
        "liveliness_lease_duration": _FOREVER,
        "avoid_ros_namespace_conventions": False,
    }
    return _dump([profile]).strip()


def bag_metadata(
    file_name: str, topics: Iterable[WrittenTopic], first_ns: int, last_ns: int, custom: Mapping[str, str]
) -> str:
    """Text of metadata.yaml, version 8 of rosbag2 (Jazzy; Humble reads it too)."""
    listed = [_topic(topic) for topic in topics]
    span = {
        "duration": {"nanoseconds": last_ns - first_ns},
        "starting_time": {"nanoseconds_since_epoch": first_ns},
        "message_count": sum(entry["message_count"] for entry in listed),
    }
    information: dict[str, Any] = {
        "version": 8,
        "storage_identifier": "mcap",
        "relative_file_paths": [file_name],
        **span,
        "topics_with_message_count": listed,
        "compression_format": "",
        "compression_mode": "",
        "files": [{"path": file_name, **span}],
        "custom_data": dict(custom),
        "ros_distro": "jazzy",
    }
    return _dump({"rosbag2_bagfile_information": information})


def _dump(data: Any) -> str:
    return str(yaml.dump(data, Dumper=_NoAliases, sort_keys=False))


def _topic(topic: WrittenTopic) -> dict[str, Any]:
    return {
        "topic_metadata": {
            "name": topic.name,
            "type": topic.type,
            "serialization_format": "cdr",
            "offered_qos_profiles": topic.qos,
            "type_description_hash": topic.type_hash,
        },
        "message_count": topic.messages,
    }
