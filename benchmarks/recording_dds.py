"""A minute of three cameras and joints over DDS into recorder_node, each side a process of its own; one JSON line.

    python benchmarks/recording_dds.py [--seconds 60] [--folder DIR] [--pictures none]

Three 640x480 rgb8 cameras at 30 Hz and joint states at 200 Hz of the AgileX, best effort as drivers send them, on
loopback with the stack's transport profile. Pictures are those of recording_compressed.py, rendered before. Sent and
recorded are compared stamp by stamp. CPU seconds a recorded
second of the recorder and of the publisher, and the recorder's resident memory at each quarter. Exit code 1 when
anything was lost.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
from recording_compressed import filmed

from gear_vla_ros.cli.plan import NodeSpec, network_environment
from gear_vla_ros.cli.processes import command_line
from gear_vla_ros.recording.survey import survey
from gear_vla_ros.settings import load_robot

ROBOT, FILM = "agilex", "film.npy"
CAMERA_HZ, JOINT_HZ = 30.0, 200.0
MEET_LIMIT_S, SETTLE_S, END_LIMIT_S = 30.0, 1.0, 90.0


def due(seconds: float, cameras: int) -> Iterator[tuple[float, int]]:
    """Every message's time from the start [s] and which camera, or -1 for joints, in order."""
    plan = [((i + camera / cameras) / CAMERA_HZ, camera) for camera in range(cameras) for i in range(int(seconds * 30))]
    plan += [(i / JOINT_HZ, -1) for i in range(int(seconds * JOINT_HZ))]
    yield from sorted(plan)


def publish(seconds: float, folder: Path) -> None:
    """Be the robot's drivers; then write the stamps of all that was sent, by topic, into `sent.json`."""
    import rclpy
    from sensor_msgs.msg import Image, JointState

    from gear_vla_ros.ros import images, qos
    from gear_vla_ros.ros.stamps import to_msg

    robot, film = load_robot(ROBOT), np.load(folder / FILM, mmap_mode="r")
    rclpy.init()
    node = rclpy.create_node("drivers")
    senders = [node.create_publisher(Image, camera.topic, qos.SENSOR) for camera in robot.cameras]
    senders.append(node.create_publisher(JointState, robot.joint_states_topic, qos.STATE))
    names = [*(camera.topic for camera in robot.cameras), robot.joint_states_topic]
    shown = [[images.fill(Image(), np.array(one)) for one in three] for three in film]
    joints = [joint for arm in robot.arms for joint in (*arm.joints, arm.gripper.joint)]
    state = JointState(name=joints, position=[0.1] * len(joints), velocity=[0.0] * len(joints))
    deadline = time.monotonic() + MEET_LIMIT_S
    while any(sender.get_subscription_count() == 0 for sender in senders):
        if time.monotonic() > deadline:
            sys.exit(f"waited {MEET_LIMIT_S:g} s for the recorder")
        time.sleep(0.05)
    time.sleep(SETTLE_S)
    sent: dict[str, list[int]] = {name: [] for name in names}
    begun, cpu = time.monotonic(), time.process_time()
    for at_s, which in due(seconds, len(robot.cameras)):
        time.sleep(max(0.0, begun + at_s - time.monotonic()))
        now_ns = time.time_ns()
        message = state if which < 0 else shown[len(sent[names[which]]) % len(shown)][which]
        message.header.stamp = to_msg(now_ns)
        senders[which].publish(message)
        sent[names[which]].append(now_ns)
    took_s, spent = time.monotonic() - begun, time.process_time() - cpu
    time.sleep(SETTLE_S)
    (folder / "sent.json").write_text(json.dumps({"took_s": took_s, "cpu_s": spent, "sent": sent}))
    node.destroy_node()
    rclpy.try_shutdown()


def record(folder: Path, seconds: float, pictures: str) -> dict[str, object]:
    """Both processes, and what came of it."""
    environment = {**os.environ, **network_environment("loopback")}
    np.save(folder / FILM, np.stack(filmed()))
    node = NodeSpec("recorder_node", {"robot": ROBOT, "folder": str(folder), "autostart": True, "pictures": pictures})
    recorder = subprocess.Popen(command_line(node), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    watched = psutil.Process(recorder.pid)
    drivers = subprocess.Popen([sys.executable, __file__, "--publish", str(seconds), str(folder)], env=environment)
    samples: list[tuple[float, float, float]] = []
    try:
        while drivers.poll() is None and recorder.poll() is None:
            samples.append((time.monotonic(), watched.memory_info().rss / 2**20, sum(watched.cpu_times()[:2])))
            time.sleep(0.25)
    finally:
        recorder.send_signal(signal.SIGINT)
        said = recorder.communicate(timeout=END_LIMIT_S)[0].decode(errors="replace")
        drivers.terminate()
    if drivers.returncode or recorder.returncode:
        sys.exit(f"drivers ended with {drivers.returncode}, the recorder with {recorder.returncode}:\n{said}")
    told = json.loads((folder / "sent.json").read_text())
    seen = survey(folder / "episode_0001")
    topics = {camera.topic: seen.topic_of(camera) for camera in load_robot(ROBOT).cameras}
    lost = {
        name: len(set(stamps) - set(seen.tracks[topics.get(name, name)].stamps_ns))
        for name, stamps in told["sent"].items()
    }
    at_s = [samples[-1][0] - SETTLE_S - seconds * share for share in (1.0, 0.75, 0.5, 0.25, 0.0)]
    begin, *quarters = (min(samples, key=lambda one: abs(one[0] - at)) for at in at_s)
    return {
        "pictures": pictures,
        "seconds": seconds,
        "took_s": round(told["took_s"], 2),
        "sent": sum(len(stamps) for stamps in told["sent"].values()),
        "lost": lost,
        "dropped": int(seen.about["dropped"]),
        "mb_s": round(sum(track.bytes for track in seen.tracks.values()) / seconds / 1e6, 1),
        "recorder_cpu_s_per_s": round((quarters[-1][2] - begin[2]) / seconds, 3),
        "publisher_cpu_s_per_s": round(told["cpu_s"] / seconds, 3),
        "recorder_memory_mb": [round(megabytes, 1) for _, megabytes, _ in quarters],
    }


def main() -> None:
    """Both sides, in a folder that is removed again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--folder", type=Path, default=Path.cwd())
    parser.add_argument("--pictures", default="none", choices=["none", "jpeg", "png", "h264"])
    parser.add_argument("--publish", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.publish:
        publish(float(chosen.publish[0]), Path(chosen.publish[1]))
        return
    if shutil.disk_usage(chosen.folder).free < 2 * chosen.seconds * 90e6:
        sys.exit(f"{chosen.folder}: too little is free")
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        found = record(Path(folder), chosen.seconds, chosen.pictures)
    print(json.dumps(found))
    if any(found["lost"].values()) or found["dropped"]:  # type: ignore[attr-defined]
        sys.exit(1)


if __name__ == "__main__":
    main()
