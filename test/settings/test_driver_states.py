"""What a YAML may say of the drivers' joint states."""

import pytest
import yaml

from gear_vla_ros.settings import SettingsError, load_robot
from gear_vla_ros.settings.paths import share_dir


def spoilt(tmp_path, change):
    data = yaml.safe_load((share_dir() / "config" / "robots" / "agilex.yaml").read_text())
    change(data["arms"])
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(data))
    return str(path)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda arms: arms[0].pop("driver_states"), "driver_states is to be given for each arm"),
        (lambda arms: arms[0]["driver_states"].update(topic="/joint_states"), "not /joint_states"),
        (lambda arms: arms[0]["driver_states"]["names"].pop(), "driver_states.names has 6 different names, allowed 7"),
        (lambda arms: arms[0]["driver_states"].update(gripper_scale=0), "gripper_scale"),
    ],
)
def test_wrong_driver_states_are_named(tmp_path, change, line):
    with pytest.raises(SettingsError, match=line):
        load_robot(spoilt(tmp_path, change))
