"""A robot in Gazebo (gz-sim with ros_gz): world, robot, bridge, the planned nodes on simulated time. Not run yet."""

from gear_vla_ros.cli.gazebo_launching import gazebo_description


def generate_launch_description():
    return gazebo_description()
