"""What compressing pictures costs and gives: three cameras through the episode writer, by kind; JSON lines.

    python benchmarks/recording_compressed.py [--seconds 20] [--folder DIR] [--kinds none jpeg png h264]

Pictures are rendered: the AgileX's three cameras, 640x480, over a table while the arms move, with the noise of a sensor
(sigma 2 of 255), as without it every codec looks better than it is. At their own pace, 30 Hz each, beside joint states
at 200 Hz. MB/s of the file, CPU seconds of the whole process a recorded second (`feeding` is that of the loop alone),
drops, and the peak signal-to-noise ratio of what is read back, over all pictures of one second; null: no difference.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from rclpy.serialization import serialize_message
from recording_load import JOINTS, due
from sensor_msgs.msg import Image, JointState

from gear_vla_ros.recording.pictures import PictureStream
from gear_vla_ros.recording.reader import EpisodeReader
from gear_vla_ros.recording.topics import IMAGE, RecordedTopic
from gear_vla_ros.recording.writer import EpisodeWriter
from gear_vla_ros.ros import images
from gear_vla_ros.settings import load_robot
from gear_vla_ros.settings.recording import RecordSpec

KINDS = ("feeding", "none", "jpeg", "png", "h264")
WIDTH, HEIGHT, HZ, FRAMES, NOISE = 640, 480, 30.0, 45, 2.0
SWING_RAD = 0.25


def filmed() -> list[np.ndarray]:
    """Pictures `[3, 480, 640, 3]` of the three cameras, one after the other, while the arms swing."""
    from gear_vla_ros.sim.renderer import Renderer
    from gear_vla_ros.sim.world import World

    robot, random = load_robot("agilex"), np.random.default_rng(0)
    world = World(robot)
    world.reset(0)
    renderer = Renderer(world, WIDTH, HEIGHT)
    found = []
    for i in range(FRAMES):
        swing = SWING_RAD * np.sin(2 * np.pi * i / (2 * FRAMES))
        for arm in robot.arms:
            world.command(arm.name, np.array(arm.home) + swing, None)
        world.step(1 / HZ)
        renderer.take(world)
        seen = np.stack([renderer.render(camera.role) for camera in robot.cameras])
        found.append(np.clip(seen + random.normal(0, NOISE, seen.shape), 0, 255).round().astype(np.uint8))
    renderer.close()
    return found + found[::-1]


def run(kind: str, folder: Path, seconds: float, file: str) -> dict[str, object]:
    """One recording at its own pace, in this process."""
    pictures = np.load(file, mmap_mode="r")
    data = [[serialize_message(images.fill(Image(), np.array(one))) for one in three] for three in pictures]
    compress = RecordSpec(compression=kind) if kind not in ("none", "feeding") else None
    cameras = [RecordedTopic(f"/camera{i}/image_raw", IMAGE, compress=compress) for i in range(3)]
    joints = serialize_message(JointState(name=[f"j{i}" for i in range(16)], position=[0.1] * 16, velocity=[0.0] * 16))
    episode = folder / "episode_0001"
    episode.mkdir()
    writer, process = EpisodeWriter(episode, [*cameras, JOINTS], {}), psutil.Process()
    begun, cpu, counts = time.monotonic(), sum(process.cpu_times()[:2]), dict.fromkeys(range(3), 0)
    for at_s, topic in due(HZ, seconds):
        time.sleep(max(0.0, begun + at_s - time.monotonic()))
        ns, camera = round((1 + at_s) * 1e9), next((i for i, one in enumerate(cameras) if one.name == topic.name), None)
        if camera is None:
            message = joints
        else:
            message = data[counts[camera] % len(data)][camera]
            counts[camera] += 1
        if kind != "feeding":
            writer.write(topic.name, ns, ns, message)
    memory = process.memory_info().rss
    writer.close()
    spent = sum(process.cpu_times()[:2]) - cpu
    return {
        "kind": kind,
        "mb_s": round(writer.file.stat().st_size / seconds / 1e6, 2),
        "cpu_s_per_s": round(spent / seconds, 3),
        "dropped": writer.dropped,
        "memory_mb": round(memory / 2**20),
        "psnr_db": psnr(episode, cameras, pictures) if not writer.dropped and kind != "feeding" else None,
    }


def psnr(episode: Path, cameras: list[RecordedTopic], pictures: np.ndarray) -> float | None:
    """Over the first second of all cameras; None where nothing is lost."""
    reader, errors = EpisodeReader(episode), []
    names = [camera.written.name for camera in cameras]
    streams = {name: PictureStream(reader) for name in names}
    counts = dict.fromkeys(names, 0)
    for raw in reader.raw(names):
        streams[raw.topic].take(raw)
        if counts[raw.topic] < HZ:
            wanted = pictures[counts[raw.topic] % len(pictures)][names.index(raw.topic)]
            errors.append(float(np.mean((streams[raw.topic].rgb().astype(float) - wanted) ** 2)))
        counts[raw.topic] += 1
    return round(10 * float(np.log10(255**2 / np.mean(errors))), 1) if np.mean(errors) else None


def main() -> None:
    """Every kind in a process of its own, in a folder that is removed again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--folder", type=Path, default=Path.cwd())
    parser.add_argument("--kinds", nargs="*", default=KINDS, choices=KINDS)
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        kind, folder, seconds, file = chosen.one
        print(json.dumps(run(kind, Path(folder), float(seconds), file)))
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pictures.npy"
        np.save(file, np.stack(filmed()))
        for kind in chosen.kinds:
            with tempfile.TemporaryDirectory(dir=chosen.folder) as out:
                command = [sys.executable, __file__, "--one", kind, out, str(chosen.seconds), str(file)]
                print(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip(), flush=True)


if __name__ == "__main__":
    main()
