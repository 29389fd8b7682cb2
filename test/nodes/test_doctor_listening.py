"""`gear-vla doctor` on a simulated robot, over DDS."""

import json

import pytest
import yaml
from peer import Peer
from support import NodeProcess
from typer.testing import CliRunner

from gear_vla_ros.cli.main import app
from gear_vla_ros.ros.topics import CAMERA, JOINT_STATES, STATUS
from gear_vla_ros.settings import load_robot


def examined(robot, *words):
    done = CliRunner().invoke(app, ["doctor", "--robot", robot, "--seconds", "2", "--json", *words])
    return done.exit_code, json.loads(done.stdout)


def wait_for(robot, *others):
    """Until the robot is there, its cameras' pictures come last; and topics of `others`."""
    spec = load_robot(robot)
    with Peer("sim_node") as peer:
        heard = [peer.hear(CAMERA, camera.topic) for camera in spec.cameras]
        heard += [peer.hear(JOINT_STATES, spec.joint_states_topic), *(peer.hear(topic) for topic in others)]
        peer.until(lambda: all(heard), "the robot", 60.0)


@pytest.mark.parametrize("robot", ["franka", "agilex"])
def test_a_simulated_robot_has_no_failure_but_its_rates(robot):
    with NodeProcess("sim_node", robot=robot):
        wait_for(robot)
        _, report = examined(robot)
    failed = [row for row in report["rows"] if row["verdict"] == "fail" and not row["what"].endswith("rate")]
    assert failed == []
    assert any(row["what"].endswith("URDF against TF") for row in report["rows"])


def test_a_missing_camera_fails_with_its_topic(tmp_path):
    data = load_robot("franka").model_dump(mode="json")
    data["cameras"][1]["topic"] = "/nobody/image_raw"
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(data))
    with NodeProcess("sim_node", robot="franka"):
        wait_for("franka")
        code, report = examined(str(path))
    assert code == 1
    assert any("/nobody/image_raw: no publisher" in row["found"] for row in report["rows"])


def test_a_robot_on_simulated_time_is_judged_by_its_own_clock():
    with NodeProcess("sim_node", robot="franka", publish_clock=True):
        wait_for("franka")
        _, by_clock = examined("franka", "--sim-time")
        _, by_wall = examined("franka")
    stamps = {row["what"]: row["verdict"] for row in by_clock["rows"] if row["what"].endswith("stamps")}
    assert stamps and set(stamps.values()) <= {"pass", "warn"}, by_clock["rows"]
    assert any(row["verdict"] == "fail" for row in by_wall["rows"] if row["what"].endswith("stamps"))


def test_with_move_each_arm_goes_a_little_through_the_safety_filter_and_is_given_back():
    with (
        NodeProcess("sim_node", robot="agilex"),
        NodeProcess("ik_node", robot="agilex"),
        NodeProcess("target_node", robot="agilex", hold_to_run=False),
    ):
        wait_for("agilex", STATUS)
        _, report = examined("agilex", "--move", "--yes")
    moves = {row["what"]: row for row in report["rows"] if row["what"].endswith("moves")}
    assert set(moves) == {"left: moves", "left: gripper moves", "right: moves", "right: gripper moves"}, report["rows"]
    assert [row for row in moves.values() if row["verdict"] != "pass"] == []


def test_nothing_moves_without_a_target_node_or_without_a_yes():
    with NodeProcess("sim_node", robot="franka"):
        wait_for("franka")
        code, report = examined("franka", "--move", "--yes")
        assert code == 1 and "waited 10 s for a target on /gear_vla/target" in report["rows"][-1]["found"]
        done = CliRunner().invoke(
            app, ["doctor", "--robot", "franka", "--seconds", "2", "--json", "--move"], input="n\n"
        )
    assert "not tried: not confirmed" in done.stdout
