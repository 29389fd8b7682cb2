"""The raw recorder against mcap_ros2's writer, which packs every message in Python; JSON lines, one run.

    python benchmarks/recording.py [--repeats 9]

CPU time a message, for pictures 640x480 and for joint states of 16 joints, both uncompressed into the page cache:
raw, serialised messages through EpisodeWriter; mcap_ros2, message objects through its Writer; mcap_ros2 with
deserialising, as a recorder has to do that subscribes to objects instead of bytes.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from mcap.writer import CompressionType
from mcap_ros2.writer import Writer
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image, JointState

from gear_vla_ros.recording.definitions import definition
from gear_vla_ros.recording.topics import RecordedTopic
from gear_vla_ros.recording.writer import EpisodeWriter, WriterOptions
from gear_vla_ros.ros import images

PICTURES = RecordedTopic("/head/image_raw", "sensor_msgs/msg/Image")
JOINTS = RecordedTopic("/joint_states", "sensor_msgs/msg/JointState")


def raw(file: Path, topic: RecordedTopic, data: list[bytes]) -> None:
    """Through EpisodeWriter, closed: its thread's time counts too."""
    folder = file.parent / "episode_0001"
    folder.mkdir()
    writer = EpisodeWriter(folder, [topic], {}, options=WriterOptions(queue_bytes=2**32, reserve_bytes=0))
    for i, cdr in enumerate(data):
        writer.write(topic.name, i, i, cdr)
    writer.close()
    if writer.error or writer.dropped:
        sys.exit(f"raw: {writer.error or writer.dropped}")


def packed(file: Path, topic: RecordedTopic, found: Iterable[Any]) -> None:
    """Through mcap_ros2."""
    with file.open("wb") as stream:
        writer = Writer(stream, compression=CompressionType.NONE)
        schema = writer.register_msgdef(topic.type, definition(topic.type).text)
        for i, message in enumerate(found):
            writer.write_message(topic.name, schema, message, i, i)
        writer.finish()


def cpu_s(write: Callable[[Path], None]) -> float:
    """CPU time of one recording, all threads."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        write(Path(folder) / "one.mcap")
        return time.process_time() - start


def compare(topic: RecordedTopic, message: Any, count: int, repeats: int) -> dict[str, object]:
    """All three ways in turn, with the same messages, each in memory of its own; medians."""
    kind = type(message)
    data = [serialize_message(message) for _ in range(count)]
    found = [deserialize_message(cdr, kind) for cdr in data]
    ways: dict[str, Callable[[Path], None]] = {
        "raw": lambda file: raw(file, topic, data),
        "mcap_ros2": lambda file: packed(file, topic, found),
        "mcap_ros2_deserialising": lambda file: packed(file, topic, (deserialize_message(cdr, kind) for cdr in data)),
    }
    times = np.array([[cpu_s(write) for write in ways.values()] for _ in range(repeats)]) * 1e6 / count
    return {
        "benchmark": f"recording {topic.type}",
        "bytes": len(data[0]),
        **{f"{name}_us": round(float(value), 1) for name, value in zip(ways, np.median(times, axis=0), strict=True)},
        **{
            f"{name}_to_raw": round(float(ratio), 2)
            for name, ratio in list(zip(ways, np.median(times / times[:, :1], axis=0), strict=True))[1:]
        },
    }


def main() -> None:
    """One line a kind of message."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    pixels = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    joints = JointState(name=[f"joint{i}" for i in range(16)], position=[0.1] * 16, velocity=[0.0] * 16)
    print(json.dumps(compare(PICTURES, images.fill(Image(), pixels), 100, repeats)))
    print(json.dumps(compare(JOINTS, joints, 4000, repeats)))


if __name__ == "__main__":
    main()
