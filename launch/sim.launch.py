"""A simulated robot with the scripted expert; every argument of bringup.launch.py may be given."""

from gear_vla_ros.cli.launching import bringup_description


def generate_launch_description():
    return bringup_description(sim="mujoco", policy="expert")
