"""What is installed: pins, messages, profiles, programs."""

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))
INTERFACES = sorted(p for folder in ("msg", "srv", "action") for p in (ROOT / folder).iterdir())


def required(path):
    lines = path.read_text().splitlines()
    return [line.split("[")[0].strip().lower() for line in lines if line and not line.startswith(("#", "-"))]


def pinned():
    text = (ROOT / "requirements" / "constraints.txt").read_text()
    return {re.split(r"[=<>;]", line)[0].lower() for line in text.splitlines() if line and not line.startswith("#")}


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda p: p.stem)
def test_every_requirement_is_pinned_in_one_place(path):
    if not path.stem.startswith("constraints"):
        assert set(required(path)) <= pinned()


def test_no_pin_is_left_over():
    used = {name for path in REQUIREMENTS if not path.stem.startswith("constraints") for name in required(path)}
    assert pinned() - used == set()


@pytest.mark.parametrize("path", INTERFACES, ids=lambda p: p.name)
def test_every_field_says_what_it_is(path):
    fields = [line for line in path.read_text().splitlines() if line and not line.startswith(("#", "---"))]
    silent = [line for line in fields if "#" not in line and not re.match(r"\w+ [A-Z_]+=", line)]
    assert silent == []


def test_the_version_stands_in_package_xml_alone():
    out = subprocess.run(
        [sys.executable, "setup.py", "--version"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    assert out.split()[-1] == ElementTree.parse(ROOT / "package.xml").findtext("version")


@pytest.mark.parametrize("path", sorted((ROOT / "config" / "dds").glob("*.xml")), ids=lambda p: p.stem)
def test_transport_profiles_hold_an_image_in_shared_memory(path):
    space = {"p": "http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles"}
    sizes = [int(e.text) for e in ElementTree.parse(path).iterfind(".//p:segment_size", space)]
    assert sizes and min(sizes) > 3 * 640 * 480 * 3


def test_tf_messages_are_those_of_ros2():
    """The hash that ROS 2 Jazzy's tf2_msgs/msg/TFMessage has on the wire (REP 2011)."""
    import rclpy
    from tf2_msgs.msg import TFMessage

    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("type_hash", context=context)
    try:
        node.create_publisher(TFMessage, "/tf", 1)
        found = str(node.get_publishers_info_by_topic("/tf")[0].topic_type_hash)
    finally:
        node.destroy_node()
        rclpy.try_shutdown(context=context)
    assert found == "RIHS01_e369d0f05a23ae52508854b66f6aa0437f3449d652e8cbf22d5abe85d020f087"


def test_every_node_has_a_program():
    nodes = {path.stem for path in (ROOT / "gear_vla_ros" / "nodes").glob("*_node.py")}
    programs = {path.name for path in (ROOT / "install" / "lib" / "gear_vla_ros").iterdir()}
    assert nodes <= programs, "run make setup"
