"""Converting one episode: ours, and a plain loop over `rosbags` that reads, decodes, resamples and encodes alike.

    gear-vla demo --out runs
    python benchmarks/dataset.py runs/episode_0001

Both write the same frames: the same pictures with the same encoder and settings, tool poses by the same kinematics. The
plain loop keeps every message in a list and looks each frame's neighbours up, as a first script does; it checks
nothing. Ours also checks the episode, and computes statistics. Each way in a process of its own, in turn; medians.
"""

import argparse
import json
import multiprocessing
import resource
import statistics
import tempfile
import time
from bisect import bisect_right
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rosbags.highlevel import AnyReader

from gear_vla_ros.geometry import se3
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.recording.dataset.conversion import Options, convert, pictures_of, plan
from gear_vla_ros.recording.dataset.samples import Samples, take_samples
from gear_vla_ros.recording.dataset.video import CODEC, OPTIONS
from gear_vla_ros.recording.survey import attached_robot


def stamp_ns(message) -> int:
    """Capture time."""
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def plain(episode: Path, out: Path, encode: bool, times_ns: list[int]) -> int:
    """Frames written by the loop."""
    robot = attached_robot(episode)
    cameras = {camera.topic: camera for camera in robot.cameras}
    kept: dict[str, list] = {topic: [] for topic in (*cameras, robot.joint_states_topic)}
    with AnyReader([episode]) as reader:
        wanted = [connection for connection in reader.connections if connection.topic in kept]
        for connection, _, raw in reader.messages(connections=wanted):
            kept[connection.topic].append(reader.deserialize(raw, connection.msgtype))
    stamps = {topic: [stamp_ns(message) for message in messages] for topic, messages in kept.items()}
    newest = {topic: [bisect_right(found, t) - 1 for t in times_ns] for topic, found in stamps.items()}
    model, rows = RobotModel(robot), []
    for t, index in zip(times_ns, newest[robot.joint_states_topic], strict=True):
        one, two = kept[robot.joint_states_topic][index : index + 2]
        share = (t - stamp_ns(one)) / (stamp_ns(two) - stamp_ns(one))
        row: list[float] = []
        for arm in robot.arms:
            q = [np.array([m.position[list(m.name).index(name)] for name in arm.joints]) for m in (one, two)]
            pose = se3.interpolate(model.fk(arm.name, q[0]), model.fk(arm.name, q[1]), share)
            row += [*se3.to_xyz_rot6d(pose), *((1 - share) * q[0] + share * q[1])]
        rows.append(row)
    pq.write_table(pa.table({"observation.state": rows}), out / "data.parquet")
    for topic, camera in cameras.items():
        pictures = (kept[topic][i] for i in newest[topic])
        decoded = (m.data.reshape(m.height, m.width, 3) for m in pictures)
        if encode:
            film(out / f"{camera.role}.mp4", decoded)
        else:
            sum(1 for _ in decoded)
    return len(rows)


def film(file: Path, pictures) -> None:
    """Into H.264, as ours."""
    with av.open(str(file), "w", options={"movflags": "faststart"}) as container:
        stream = None
        for picture in pictures:
            if stream is None:
                stream = container.add_stream(CODEC, rate=30, options=OPTIONS)
                stream.height, stream.width, stream.pix_fmt = *picture.shape[:2], "yuv420p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def ours(episode: Path, out: Path, encode: bool) -> int:
    """Frames written by the converter."""
    made = plan([episode], Options())
    if encode:
        convert(made, out / "dataset")
    else:
        for _ in pictures_of(made.samples[0]):
            pass
    return made.frames


def one(way: str, episode: Path, encode: bool, samples: Samples, answer) -> None:
    """Seconds, frames and memory of one conversion, in this process."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        if way == "ours":
            frames = ours(episode, Path(folder), encode)
        else:
            frames = plain(episode, Path(folder), encode, samples.times_ns[:-1].tolist())
        seconds = time.perf_counter() - begin
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    answer.put((frames / seconds, frames, grown / 1024))


def main() -> None:
    """One line with, one line without encoding."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("episode", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    samples, spawn = take_samples(options.episode, 30), multiprocessing.get_context("spawn")
    for encode in (True, False):
        found: dict[str, list[tuple[float, int, float]]] = {"ours": [], "plain": []}
        for _ in range(options.repeats):
            for way, results in found.items():
                answer = spawn.Queue()
                worker = spawn.Process(target=one, args=(way, options.episode, encode, samples, answer))
                worker.start()
                results.append(answer.get(timeout=300))
                worker.join()
        rates = {way: statistics.median(rate for rate, _, _ in results) for way, results in found.items()}
        line = {"benchmark": "dataset, whole" if encode else "dataset, without encoding", "frames": len(samples)}
        line |= {f"{way}_frames_per_s": round(rate, 1) for way, rate in rates.items()}
        line |= {f"{way}_grows_mib": round(statistics.median(g for *_, g in r), 1) for way, r in found.items()}
        print(
            json.dumps(
                line | {"cameras": len(samples.pictures), "ours_to_plain": round(rates["ours"] / rates["plain"], 2)}
            )
        )


if __name__ == "__main__":
    main()
