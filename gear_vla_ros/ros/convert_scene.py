"""The simulator's ground truth <-> markers that RViz can draw."""

from collections.abc import Mapping

import numpy as np
from geometry_msgs.msg import Vector3
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from gear_vla_ros.contracts import ContractError, SceneObject
from gear_vla_ros.ros.poses import pose_from_msg, pose_to_msg
from gear_vla_ros.ros.stamps import to_msg
from gear_vla_ros.settings import RobotSpec

MAX_OBJECTS = 1000
_RGB = {"red": (0.85, 0.1, 0.1), "green": (0.1, 0.65, 0.15), "blue": (0.1, 0.25, 0.85)}
_GREY = (0.5, 0.5, 0.5)


def scene_to_msg(scene: Mapping[str, SceneObject], spec: RobotSpec, stamp_ns: int) -> MarkerArray:
    """One cube marker an object: ns is its name, text the word of its colour, poses in the robot's world frame."""
    message = MarkerArray()
    for name, one in scene.items():
        x, y, z = one.size.tolist()
        r, g, b = _RGB.get(one.colour, _GREY)
        marker = Marker(ns=name, type=Marker.CUBE, action=Marker.ADD, text=one.colour)
        marker.pose, marker.scale = pose_to_msg(one.world_T_object), Vector3(x=x, y=y, z=z)
        marker.color = ColorRGBA(r=r, g=g, b=b, a=1.0)
        marker.header.frame_id, marker.header.stamp = spec.world_frame, to_msg(stamp_ns)
        message.markers.append(marker)
    return message


def scene_from_msg(message: MarkerArray, spec: RobotSpec) -> dict[str, SceneObject]:
    """Objects by name. Raises ContractError, also on a name that comes twice, another frame, or no extent."""
    if len(message.markers) > MAX_OBJECTS:
        raise ContractError(f"scene.markers: {len(message.markers)}, allowed {MAX_OBJECTS} at most")
    scene: dict[str, SceneObject] = {}
    for marker in message.markers:
        if marker.ns in scene:
            raise ContractError(f"scene.{marker.ns}: more than once, allowed is one marker a name")
        scene[marker.ns] = _object(marker, spec)
    return scene


def _object(marker: Marker, spec: RobotSpec) -> SceneObject:
    field = f"scene.{marker.ns}"
    if marker.header.frame_id != spec.world_frame:
        raise ContractError(f"{field}.header.frame_id: '{marker.header.frame_id}', allowed '{spec.world_frame}'")
    size = np.array([marker.scale.x, marker.scale.y, marker.scale.z])
    if not (size > 0).all():
        raise ContractError(f"{field}.scale: {size.tolist()}, allowed are extents greater than zero [m]")
    return SceneObject(marker.ns, pose_from_msg(f"{field}.pose", marker.pose), size, marker.text)
