"""A minute of three cameras and joints through the episode writer, against a bare mcap writer; JSON lines, one run.

    python benchmarks/recording_load.py [--seconds 60] [--folder DIR ...]

Three 640x480 rgb8 cameras at 30 Hz and joint states of 16 joints at 200 Hz, at their own pace: EpisodeWriter (its
queue and thread, its files), and mcap's Writer called in the feeding loop, with the same bytes, chunk size and CRC.
CPU seconds a recorded second of the whole process, resident memory at a quarter of the time and at the end, drops. Then
the load is raised by doubling the cameras' rate until the first drop.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
from mcap.writer import CompressionType, Writer
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image, JointState

from gear_vla_ros.recording.definitions import definition
from gear_vla_ros.recording.topics import RecordedTopic
from gear_vla_ros.recording.writer import DEFAULTS, EpisodeWriter
from gear_vla_ros.ros import images

CAMERAS = [RecordedTopic(f"/camera{i}/image_raw", "sensor_msgs/msg/Image") for i in range(3)]
JOINTS = RecordedTopic("/joint_states", "sensor_msgs/msg/JointState")
CAMERA_HZ, JOINT_HZ = 30.0, 200.0
LIMIT_HZ = 2000.0


def due(camera_hz: float, seconds: float) -> Iterator[tuple[float, RecordedTopic]]:
    """Every message's time from the start [s], in order."""
    plan = [(i / camera_hz, camera) for camera in CAMERAS for i in range(int(seconds * camera_hz))]
    plan += [(i / JOINT_HZ, JOINTS) for i in range(int(seconds * JOINT_HZ))]
    yield from sorted(plan, key=lambda item: item[0])


def payloads() -> dict[str, list[bytes]]:
    """Some different messages a topic, so that no cache holds the one that is written."""
    random = np.random.default_rng(0)
    shown = [images.fill(Image(), random.integers(0, 256, (480, 640, 3), dtype=np.uint8)) for _ in range(8)]
    joints = JointState(name=[f"joint{i}" for i in range(16)], position=[0.1] * 16, velocity=[0.0] * 16)
    pictures = [serialize_message(message) for message in shown]
    return {**{camera.name: pictures for camera in CAMERAS}, JOINTS.name: [serialize_message(joints)]}


def run(way: str, folder: Path, seconds: float, camera_hz: float) -> dict[str, object]:
    """One recording at its own pace, in this process."""
    data, process = payloads(), psutil.Process()
    topics = [*CAMERAS, JOINTS]
    if way == "ours":
        episode = folder / "episode_0001"
        episode.mkdir()
        writer = EpisodeWriter(episode, topics, {})
        put = lambda topic, ns, cdr: writer.write(topic.name, ns, ns, cdr)  # noqa: E731
        close = writer.close
    else:
        bare = Writer(str(folder / "bare.mcap"), DEFAULTS.chunk_bytes, CompressionType.NONE)
        bare.start("ros2", "bare")
        kinds = {t.type: bare.register_schema(t.type, "ros2msg", definition(t.type).text.encode()) for t in topics}
        channels = {topic.name: bare.register_channel(topic.name, "cdr", kinds[topic.type]) for topic in topics}
        put = lambda topic, ns, cdr: bare.add_message(channels[topic.name], ns, cdr, ns)  # noqa: E731
        close = bare.finish
    begun, cpu, early = time.monotonic(), sum(process.cpu_times()[:2]), 0.0
    for count, (at_s, topic) in enumerate(due(camera_hz, seconds)):
        time.sleep(max(0.0, begun + at_s - time.monotonic()))
        early = early or (process.memory_info().rss / 2**20 if at_s > seconds / 4 else 0.0)
        put(topic, round((1 + at_s) * 1e9), data[topic.name][count % len(data[topic.name])])
    late = process.memory_info().rss / 2**20
    close()
    spent = sum(process.cpu_times()[:2]) - cpu
    return {
        "way": way,
        "camera_hz": camera_hz,
        "mb_s": round(3 * camera_hz * 640 * 480 * 3 / 1e6, 1),
        "took_s": round(time.monotonic() - begun, 2),
        "cpu_s_per_s": round(spent / seconds, 4),
        "dropped": writer.dropped if way == "ours" else 0,
        "memory_mb": [round(early, 1), round(late, 1)],
    }


def alone(way: str, where: Path, seconds: float, camera_hz: float) -> dict[str, object]:
    """`run` in a process of its own, in a folder that is removed again."""
    with tempfile.TemporaryDirectory(dir=where) as folder:
        command = [sys.executable, __file__, "--one", way, folder, str(seconds), str(camera_hz)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return {"where": str(where), **json.loads(done.stdout)}


def main() -> None:
    """Both ways on every folder, then the load."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--folder", type=Path, nargs="*", default=[Path.cwd(), Path("/dev/shm")])
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        way, folder, seconds, hz = chosen.one
        print(json.dumps(run(way, Path(folder), float(seconds), float(hz))))
        return
    for where in chosen.folder:
        if shutil.disk_usage(where).free < 2 * chosen.seconds * 90e6:
            print(json.dumps({"where": str(where), "skipped": "too little is free"}))
            continue
        ours, bare = (alone(way, where, chosen.seconds, CAMERA_HZ) for way in ("ours", "bare"))
        print(json.dumps(ours), json.dumps(bare), sep="\n", flush=True)
        print(json.dumps({"where": str(where), "cpu_ratio": round(ours["cpu_s_per_s"] / bare["cpu_s_per_s"], 2)}))
    hz, where = 2 * CAMERA_HZ, chosen.folder[0]
    while hz <= LIMIT_HZ:
        loaded = alone("ours", where, 10.0, hz)
        print(json.dumps(loaded), flush=True)
        if loaded["dropped"] or loaded["took_s"] > 12.0:
            break
        hz *= 2


if __name__ == "__main__":
    main()
