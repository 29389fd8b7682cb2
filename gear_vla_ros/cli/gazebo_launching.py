"""launch_ros actions for Gazebo, beside those of the bring-up plan. Imported by `launch/` only; not run yet."""

from launch import LaunchDescription, LaunchDescriptionEntity
from launch.actions import IncludeLaunchDescription, OpaqueFunction
from launch.launch_context import LaunchContext
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from gear_vla_ros.cli.launching import bringup_description
from gear_vla_ros.settings import load_robot
from gear_vla_ros.settings.paths import share_dir
from gear_vla_ros.sim.gazebo import bridge_arguments, gazebo_urdf


def gazebo_description() -> LaunchDescription:
    """The arguments of bringup.launch.py with `sim:=gazebo`, and Gazebo itself."""
    bringup = bringup_description(sim="gazebo", policy="gear_vla")
    return LaunchDescription([*bringup.entities, OpaqueFunction(function=_gazebo)])


def _gazebo(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    robot = load_robot(LaunchConfiguration("robot").perform(context))
    world = share_dir() / "config" / "gazebo" / "table.sdf"
    urdf = ParameterValue(gazebo_urdf(robot), value_type=str)
    gz_sim = PathJoinSubstitution([FindPackageShare("ros_gz_sim"), "launch", "gz_sim.launch.py"])
    return [
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(gz_sim), launch_arguments={"gz_args": f"-r {world}"}.items()
        ),
        Node(
            package="robot_state_publisher",
            executable="robot_state_publisher",
            parameters=[{"robot_description": urdf, "use_sim_time": True}],
        ),
        Node(package="ros_gz_sim", executable="create", arguments=["-topic", "robot_description", "-name", robot.name]),
        Node(package="ros_gz_bridge", executable="parameter_bridge", arguments=bridge_arguments(robot)),
    ]
