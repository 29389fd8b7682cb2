"""As bringup.launch.py, with the recorder writing MCAP episodes to ./episodes unless record:= says otherwise."""

from gear_vla_ros.cli.launching import bringup_description


def generate_launch_description():
    return bringup_description(record="episodes")
