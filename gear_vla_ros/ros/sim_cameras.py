"""Publishers of simulated pictures, at the simulator's size, with the intrinsics that belong to it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image

from gear_vla_ros.ros import images
from gear_vla_ros.ros.node import GearNode
from gear_vla_ros.ros.sim_topics import CAMERA_INFO
from gear_vla_ros.ros.stamps import to_msg
from gear_vla_ros.ros.topics import CAMERA
from gear_vla_ros.settings import CameraSpec


class SimCameras:
    """All cameras of the node's robot; `publish` is for one thread."""

    def __init__(self, node: GearNode[Any]) -> None:
        self._health, sim = node.health, node.robot.sim
        self._outputs = {
            camera.role: (
                node.advertise(CAMERA, camera.topic),
                node.advertise(CAMERA_INFO, camera.info_topic),
                camera_info(camera, sim.camera_width, sim.camera_height),
            )
            for camera in node.robot.cameras
        }
        for camera in node.robot.cameras:
            node.health.expect(camera.topic, sim.camera_rate_hz)

    def publish(self, camera: CameraSpec, stamp_ns: int, pixels: NDArray[np.uint8]) -> None:
        """One picture, `[height, width, 3]` uint8 RGB, and its intrinsics."""
        pictures, infos, info = self._outputs[camera.role]
        image = images.fill(Image(), pixels if camera.encoding == "rgb8" else pixels[:, :, ::-1], camera.encoding)
        info.header.stamp = to_msg(stamp_ns)
        image.header = info.header
        pictures.publish(image)
        infos.publish(info)
        self._health.count(camera.topic)


def camera_info(camera: CameraSpec, width: int, height: int) -> CameraInfo:
    """Intrinsics of a rendered picture: the camera's vertical field of view, square pixels, the axis through the
    middle, no distortion. The stamp is left to the caller."""
    f, cx, cy = camera.fy * height / camera.height, (width - 1) / 2, (height - 1) / 2
    info = CameraInfo(height=height, width=width, distortion_model="plumb_bob")
    info.header.frame_id = camera.frame
    info.d = [0.0] * 5
    info.k = [f, 0.0, cx, 0.0, f, cy, 0.0, 0.0, 1.0]
    info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    info.p = [f, 0.0, cx, 0.0, 0.0, f, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info
