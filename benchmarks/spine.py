"""The spine's figures: images over DDS, and the running graph of each robot.

    .venv/bin/python benchmarks/spine.py [--robots franka agilex ldt01] [--seconds 20]

Part 1 publishes three 640x480 rgb8 cameras at 30 Hz and joint states at 200 Hz from four other processes and measures
capture -> callback in this one, with the shipped transport profile and with Fast DDS's default one, in the same run.
Part 2 runs `gear-vla demo` and reads the report it leaves. One JSON line a part.
"""

import argparse
import array
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
CAMERAS, WIDTH, HEIGHT = 3, 640, 480


def publish(kind: str, rate: float) -> None:
    """One publisher process: `camera_<i>` or `joints`."""
    import rclpy
    from sensor_msgs.msg import Image, JointState

    from gear_vla_ros.ros.qos import SENSOR, STATE

    rclpy.init()
    node = rclpy.create_node(f"bench_{kind}")
    if kind == "joints":
        message = JointState(name=[f"j{i}" for i in range(14)], position=[0.0] * 14, velocity=[0.0] * 14)
        publisher = node.create_publisher(JointState, "/bench/joints", STATE)
    else:
        pixels = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
        data = array.array("B")
        data.frombytes(pixels.tobytes())
        message = Image(height=HEIGHT, width=WIDTH, encoding="rgb8", step=WIDTH * 3, data=data)
        publisher = node.create_publisher(Image, f"/bench/{kind}", SENSOR)
    due, number = time.perf_counter(), 0
    while rclpy.ok():
        message.header.frame_id = str(number)
        message.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(message)
        number += 1
        due += 1 / rate
        time.sleep(max(0.0, due - time.perf_counter()))


def receive(seconds: float) -> dict[str, object]:
    """Latency and loss by topic, seen from this process."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from sensor_msgs.msg import Image, JointState

    from gear_vla_ros.ros.qos import SENSOR, STATE

    rclpy.init()
    node = rclpy.create_node("bench_receiver")
    latencies: dict[str, list[float]] = {}
    numbers: dict[str, list[int]] = {}

    def listen(kind: str, message_type: type, qos: object) -> None:
        def callback(message: object) -> None:
            stamp = message.header.stamp
            age = node.get_clock().now().nanoseconds - stamp.sec * 10**9 - stamp.nanosec
            latencies.setdefault(kind, []).append(age * 1e-6)
            numbers.setdefault(kind, []).append(int(message.header.frame_id))

        node.create_subscription(message_type, f"/bench/{kind}", callback, qos)

    for index in range(CAMERAS):
        listen(f"camera_{index}", Image, SENSOR)
    listen("joints", JointState, STATE)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    end = time.monotonic() + seconds
    cpu = time.process_time()
    while time.monotonic() < end:
        executor.spin_once(timeout_sec=0.1)
    cpu = time.process_time() - cpu
    executor.shutdown()
    node.destroy_node()
    rclpy.try_shutdown()
    images = [v for kind, values in latencies.items() if kind != "joints" for v in values]
    sent = sum(v[-1] - v[0] + 1 for kind, v in numbers.items() if kind != "joints")
    return {
        "image_ms": _spread(images),
        "joint_state_ms": _spread(latencies.get("joints", [])),
        "joint_state_hz": round(len(latencies.get("joints", [])) / seconds, 1),
        "image_hz": round(len(images) / seconds / CAMERAS, 1),
        "image_loss": round(1 - len(images) / max(1, sent), 4),
        "receiver_cpu_percent": round(100 * cpu / seconds),
    }  # fmt: skip


def _spread(values: list[float]) -> dict[str, float]:
    if not values:
        return {}
    return {"p50": round(float(np.percentile(values, 50)), 2), "p99": round(float(np.percentile(values, 99)), 2)}


def images(seconds: float, profile: str | None) -> dict[str, object]:
    """Part 1 with one transport profile, in processes of their own."""
    environment = {**os.environ, "ROS_DOMAIN_ID": "77", "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    if profile:
        environment |= {
            "FASTRTPS_DEFAULT_PROFILES_FILE": str(ROOT / "config" / "dds" / profile),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "SYSTEM_DEFAULT",
        }
    kinds = [*(f"camera_{i}" for i in range(CAMERAS)), "joints"]
    command = [sys.executable, __file__]
    publishers = [subprocess.Popen([*command, "--publish", kind], env=environment) for kind in kinds]
    try:
        time.sleep(3.0)
        out = subprocess.run(
            [*command, "--receive", "--seconds", str(seconds)],
            env=environment, check=True, text=True, capture_output=True, timeout=seconds + 60,
        ).stdout  # fmt: skip
    finally:
        for publisher in publishers:
            publisher.kill()
            publisher.wait()
    return {"part": "images", "profile": profile or "Fast DDS default", **json.loads(out)}


def graph(robot: str, policy: str) -> dict[str, object]:
    """Part 2: the demo of one robot."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "gear_vla_ros.cli.main", "demo", "--robot", robot, "--policy", policy]
        limit = "60" if policy == "expert" else "20"
        started = time.monotonic()
        subprocess.run([*command, "--out", folder, "--time-limit", limit], check=False, stdout=subprocess.DEVNULL)
        wall = time.monotonic() - started
        report = next(Path(folder).rglob("report.json"))
        return {"part": "graph", "policy": policy, "wall_s": round(wall, 1), **json.loads(report.read_text())}


def main() -> None:
    """Run both parts, or one of the processes of part 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--robots", nargs="*", default=["franka", "agilex", "ldt01"])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--repeats", type=int, default=3, help="repeats of part 1")
    parser.add_argument("--publish", help=argparse.SUPPRESS)
    parser.add_argument("--receive", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.publish:
        publish(options.publish, 200.0 if options.publish == "joints" else 30.0)
    elif options.receive:
        print(json.dumps(receive(options.seconds)))
    else:
        for _ in range(options.repeats):
            for profile in ("loopback.xml", None):
                print(json.dumps(images(options.seconds, profile)), flush=True)
        for robot in options.robots:
            print(json.dumps(graph(robot, "expert")), flush=True)
        print(json.dumps(graph(options.robots[0], "gear_vla")), flush=True)


if __name__ == "__main__":
    main()
