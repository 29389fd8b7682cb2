"""Which policy drives when nobody says."""

import pytest

from gear_vla_ros.cli.shipped import chosen, chosen_seam, shipped_for
from gear_vla_ros.engines.opening import open_engine
from gear_vla_ros.settings import robot_names
from gear_vla_ros.settings.paths import policy_folder, share_dir

MOST_BYTES = 40e6


def test_what_is_said_is_what_drives():
    assert chosen("expert", "", "franka") == ("expert", "")
    assert chosen("gear_vla", "somewhere", "franka") == ("gear_vla", "somewhere")
    assert chosen("auto", "somewhere", "franka") == ("gear_vla", "somewhere")


def test_without_a_word_the_learned_policy_drives_the_robots_it_is_for():
    for robot in ("franka", "agilex", "ldt01"):
        assert shipped_for(robot) and chosen("auto", "", robot) == ("gear_vla", shipped_for(robot))
    assert chosen("auto", "", "/nowhere/robot.yaml") == ("expert", "")


def test_a_task_that_no_shipped_policy_has_learned_is_the_experts():
    assert chosen("auto", "", "ldt01", "lift") == ("gear_vla", "dual_arm")
    assert chosen("auto", "", "ldt01", "handover") == ("expert", "")
    assert chosen("auto", "", "franka", "place") == ("gear_vla", "demo")
    assert chosen("auto", "mine", "ldt01", "handover") == ("gear_vla", "mine")


def test_chunks_meet_as_the_policy_s_bundle_says_when_nobody_else_does(tmp_path):
    assert chosen_seam("blend", "gear_vla", "demo") == "blend"
    assert chosen_seam("auto", "gear_vla", "") == chosen_seam("auto", "gear_vla", str(tmp_path)) == "switch"
    mine = tmp_path / "mine"
    mine.mkdir()
    said = (policy_folder("demo") / "bundle.json").read_text()
    (mine / "bundle.json").write_text(said.replace('"seam": "rtc"', '"seam": "blend"'))
    assert chosen_seam("auto", "gear_vla", str(mine)) == "blend"
    assert chosen_seam("auto", "gear_vla", "demo") == chosen_seam("auto", "gear_vla", "dual_arm") == "rtc"
    assert chosen_seam("auto", "expert", "demo") == "switch"


@pytest.mark.parametrize("robot", [name for name in robot_names() if shipped_for(name)])
def test_shipped_policies_are_whole_and_small(robot):
    """Files, hashes and parity are checked as a node does."""
    folder = policy_folder(shipped_for(robot))
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < MOST_BYTES
    opened = open_engine(folder.name, robot)
    assert not opened.refused
    opened.engine.close()


def test_all_shipped_policies_are_for_robots_that_there_are():
    folders = [path for path in (share_dir() / "config" / "policies").iterdir() if path.is_dir()]
    assert folders and {path.name for path in folders} == {shipped_for(name) for name in robot_names()} - {""}


def test_the_checkpoint_for_two_arms_can_be_named_and_knows_both_robots():
    checkpoint = str(share_dir() / "config" / "policies" / "dual_arm" / "checkpoint")
    assert chosen("auto", checkpoint, "agilex") == ("gear_vla", checkpoint)
    engine = open_engine(checkpoint, "agilex").engine
    assert {"agilex_dual_arm", "ldt01_dual_arm"} <= set(engine.spec.embodiments)
    engine.close()
