"""Do 30 Hz targets stay on time? The whole graph for minutes, with the network as policy; then the target_node idle.

    python benchmarks/tick_soak.py [--minutes 10] [--robot franka] [--policy gear_vla]

Counts, from the messages' own stamps and sequence numbers, ticks that are missing and how far each is from its period.
One JSON line for the graph, one for simulator and target_node alone.
"""

import argparse
import json
import os
import time
from collections.abc import Sequence

import numpy as np

from gear_vla_ros.cli.plan import BringUp, NodeSpec, Options, make_plan
from gear_vla_ros.cli.processes import ProcessGroup

SETTLE_S = 15.0


def hear(seconds: float, instruction: str) -> list[tuple[int, int]]:
    """(sequence, stamp in ns) of every target for that long, once the graph has settled."""
    import rclpy

    from gear_vla_ros.msg import CartesianTarget
    from gear_vla_ros.ros.stamps import to_ns
    from gear_vla_ros.ros.topics import SET_INSTRUCTION, TARGET
    from gear_vla_ros.srv import SetInstruction

    rclpy.init()
    node = rclpy.create_node("tick_soak")
    heard: list[tuple[int, int]] = []

    def keep(message: CartesianTarget) -> None:
        heard.append((message.sequence, to_ns(message.header.stamp)))

    node.create_subscription(CartesianTarget, TARGET.name, keep, TARGET.qos)
    client = node.create_client(SET_INSTRUCTION.type, SET_INSTRUCTION.name)
    begun = time.monotonic()
    while time.monotonic() < begun + SETTLE_S:
        rclpy.spin_once(node, timeout_sec=0.1)
    if instruction:
        client.call_async(SetInstruction.Request(text=instruction))
    heard.clear()
    begun = time.monotonic()
    while time.monotonic() < begun + seconds:
        rclpy.spin_once(node, timeout_sec=0.1)
    node.destroy_node()
    rclpy.shutdown()
    return heard


def figures(heard: Sequence[tuple[int, int]], hz: float) -> dict[str, float]:
    """Of consecutive targets."""
    numbers, stamps = np.array(heard).T
    off_ms = np.abs(np.diff(stamps) * 1e-6 - 1e3 / hz * np.diff(numbers))
    gaps_ms = np.diff(stamps) * 1e-6
    return {
        "ticks": len(heard),
        "sequence_gaps": int((np.diff(numbers) - 1).sum()),
        "gaps_over_1.5_periods": int((gaps_ms > 1.5e3 / hz).sum()),
        "off_p50_ms": round(float(np.percentile(off_ms, 50)), 3),
        "off_p99_ms": round(float(np.percentile(off_ms, 99)), 3),
        "off_p99.9_ms": round(float(np.percentile(off_ms, 99.9)), 3),
        "off_max_ms": round(float(off_ms.max()), 3),
    }


def main() -> None:
    """Both parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--robot", default="franka")
    parser.add_argument("--policy", default="gear_vla")
    options = parser.parse_args()
    whole = make_plan(Options(robot=options.robot, policy=options.policy))
    alone: tuple[NodeSpec, ...] = tuple(n for n in whole.nodes if n.executable in ("sim_node", "target_node"))
    os.environ.update(whole.environment)
    os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
    parts = (
        ("graph", whole, 60 * options.minutes, "pick up the red cube"),
        ("idle", BringUp(whole.robot, alone, whole.environment), 60.0, ""),
    )
    for part, plan, seconds, instruction in parts:
        with ProcessGroup(plan, lambda name, line: None) as group:
            heard = hear(seconds, instruction)
            ended = group.ended()
            group.stop()
        made = figures(heard, plan.robot.rates.target_hz)
        print(json.dumps({"part": part, "robot": options.robot, "policy": options.policy, "ended": ended} | made))


if __name__ == "__main__":
    main()
