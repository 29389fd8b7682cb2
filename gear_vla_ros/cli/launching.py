"""The bring-up plan mapped to launch_ros actions, for a ROS 2 installation. Imported by `launch/` only."""

from dataclasses import fields, replace

from launch import LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.launch_context import LaunchContext
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from gear_vla_ros.cli.plan import NodeSpec, Options, make_plan


def bringup_description(**defaults: str | int) -> LaunchDescription:
    """All launch arguments of `Options`, with `defaults` in place of some of theirs, and the planned nodes."""
    base = replace(Options(), **defaults)  # type: ignore[arg-type]
    arguments = [
        DeclareLaunchArgument(
            option.name, default_value=str(getattr(base, option.name)), description=option.metadata["help"]
        )
        for option in fields(Options)
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=_planned)])


def _planned(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = {option.name: LaunchConfiguration(option.name).perform(context) for option in fields(Options)}
    plan = make_plan(Options(**{**given, "seed": int(given["seed"])}))
    environment = [SetEnvironmentVariable(key, value) for key, value in plan.environment.items()]
    return [*environment, *(entity for node in plan.nodes for entity in _node(node))]


def _node(spec: NodeSpec) -> list[LaunchDescriptionEntity]:
    """The node, and the end of the launch when it ends: the others are of no use without it."""
    parameters = {key: ParameterValue(value, value_type=type(value)) for key, value in spec.parameters.items()}
    node = Node(
        package="gear_vla_ros",
        executable=spec.executable,
        name=spec.name,
        output="screen",
        parameters=[parameters],
    )
    end = EmitEvent(event=Shutdown(reason=f"{spec.name} has ended"))
    return [node, RegisterEventHandler(OnProcessExit(target_action=node, on_exit=[end]))]
