"""Every test worker has a DDS domain of its own, on loopback only. Set before anything imports rclpy."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
_run = os.getppid() % 12
os.environ["ROS_DOMAIN_ID"] = str(1 + 8 * _run + int(_worker) % 8)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "SYSTEM_DEFAULT"
os.environ["RMW_IMPLEMENTATION"] = "rmw_fastrtps_cpp"
os.environ["FASTRTPS_DEFAULT_PROFILES_FILE"] = str(ROOT / "config" / "dds" / "loopback.xml")
