"""`gear-vla doctor` on a simulated robot, over DDS."""

import json

import pytest
import yaml
from support import NodeProcess
from typer.testing import CliRunner

from gear_vla_ros.cli.main import app
from gear_vla_ros.settings import load_robot


def examined(robot, *words):
    done = CliRunner().invoke(app, ["doctor", "--robot", robot, "--seconds", "2", "--json", *words])
    return done.exit_code, json.loads(done.stdout)


@pytest.mark.parametrize("robot", ["franka", "agilex"])
def test_a_simulated_robot_has_no_failure_but_its_rates(robot):
    with NodeProcess("sim_node", robot=robot):
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
        code, report = examined(str(path))
    assert code == 1
    assert any("/nobody/image_raw: no publisher" in row["found"] for row in report["rows"])


def test_a_robot_on_simulated_time_is_judged_by_its_own_clock():
    with NodeProcess("sim_node", robot="franka", publish_clock=True):
        _, by_clock = examined("franka", "--sim-time")
        _, by_wall = examined("franka")
    stamps = {row["what"]: row["verdict"] for row in by_clock["rows"] if row["what"].endswith("stamps")}
    assert stamps and set(stamps.values()) <= {"pass", "warn"}, by_clock["rows"]
    assert any(row["verdict"] == "fail" for row in by_wall["rows"] if row["what"].endswith("stamps"))
