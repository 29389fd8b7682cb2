"""The robot of docs/new_robot.md is one."""

import re
from pathlib import Path

import yaml

from gear_vla_ros.kinematics.check import check_robot
from gear_vla_ros.settings import RobotSpec
from gear_vla_ros.settings.loading import parse

NEW_ROBOT = Path(__file__).parents[2] / "docs" / "new_robot.md"


def test_the_robot_of_the_walk_through_loads_and_passes():
    blocks = re.findall(r"```yaml\n(.*?)```", NEW_ROBOT.read_text(), flags=re.S)
    assert len(blocks) == 1
    spec = parse(RobotSpec, yaml.safe_load(blocks[0]), "my_robot.yaml")
    assert [finding for finding in check_robot(spec) if not finding.ok] == []
