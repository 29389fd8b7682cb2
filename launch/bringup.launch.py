"""A robot with its policy: `ros2 launch gear_vla_ros bringup.launch.py robot:=agilex sim:=mujoco policy:=expert`.

`ros2 launch gear_vla_ros bringup.launch.py --show-args` lists the arguments.
"""

from gear_vla_ros.cli.launching import bringup_description


def generate_launch_description():
    return bringup_description()
