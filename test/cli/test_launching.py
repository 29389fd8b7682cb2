"""The launch_ros mapper; skipped where ROS 2 comes from PyPI wheels, which carry no launch."""

import runpy
from dataclasses import fields

import pytest

pytest.importorskip("launch_ros", reason="launch_ros is not on PyPI; run this under a ROS 2 installation")

from launch import LaunchContext
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch_ros.actions import Node

from gear_vla_ros.cli.plan import Options, make_plan
from gear_vla_ros.settings.paths import share_dir

FILES = ["bringup.launch.py", "sim.launch.py", "record.launch.py"]


def described(file, **given):
    """Entities that the launch file gives for these arguments."""
    description = runpy.run_path(str(share_dir() / "launch" / file))["generate_launch_description"]()
    context = LaunchContext()
    for argument in (entity for entity in description.entities if isinstance(entity, DeclareLaunchArgument)):
        value = given.get(argument.name)
        context.launch_configurations[argument.name] = (
            str(value) if value is not None else argument.default_value[0].perform(context)
        )
    planned = next(entity for entity in description.entities if isinstance(entity, OpaqueFunction))
    return context, planned.execute(context)


@pytest.mark.parametrize("file", FILES)
def test_arguments_are_the_options(file):
    description = runpy.run_path(str(share_dir() / "launch" / file))["generate_launch_description"]()
    arguments = [entity.name for entity in description.entities if isinstance(entity, DeclareLaunchArgument)]
    assert arguments == [option.name for option in fields(Options)]


def test_nodes_parameters_and_environment_are_the_plans():
    _, entities = described("bringup.launch.py", robot="agilex", instruction="pick up the red cube", seed=3)
    plan = make_plan(Options(robot="agilex", instruction="pick up the red cube", seed=3))
    nodes = [entity for entity in entities if isinstance(entity, Node)]
    assert [node.node_executable for node in nodes] == [spec.executable for spec in plan.nodes]
    assert sum(isinstance(entity, SetEnvironmentVariable) for entity in entities) == len(plan.environment)


def test_files_differ_by_their_defaults_only():
    _, recorded = described("record.launch.py")
    assert "recorder_node" in [entity.node_executable for entity in recorded if isinstance(entity, Node)]
