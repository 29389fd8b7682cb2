"""Publishes the robot's RealSense cameras: pictures with capture stamps, and the devices' own calibration."""

import sys
from typing import Any

from sensor_msgs.msg import CameraInfo, Image

from gear_vla_ros.ros import images, qos
from gear_vla_ros.ros.interface import Interface, Topic
from gear_vla_ros.ros.node import GearNode, run
from gear_vla_ros.ros.parameters import RobotParams
from gear_vla_ros.ros.running import StartError
from gear_vla_ros.ros.stamps import to_msg
from gear_vla_ros.ros.topics import CAMERA
from gear_vla_ros.settings import CameraSpec

CAMERA_INFO = Topic("<cameras.info_topic>", CameraInfo, qos.SENSOR, "intrinsics of the same picture")
INTERFACE = Interface(publishes=(CAMERA, CAMERA_INFO))


class Params(RobotParams):
    """Parameters of the realsense_node."""


class RealsenseNode(GearNode[Params]):
    """Each camera has a thread that publishes its pictures; the executor's thread only reports."""

    def __init__(self, **reading: Any) -> None:
        """reading: passed on to RealsenseCamera.

        Raises StartError when the SDK is not installed or a camera of the YAML has no serial.
        """
        super().__init__("realsense_node", Params, INTERFACE)
        self._cameras: list[Any] = []
        try:
            from gear_vla_ros.ros import realsense
        except ImportError as error:
            raise StartError(f"pyrealsense2 is not installed ({error}); pip install pyrealsense2") from None
        self._told: set[str] = set()
        without = [camera.role for camera in self.robot.cameras if camera.serial is None]
        if without:
            raise StartError(f"robot {self.robot.name}: cameras: {', '.join(without)}: no serial in the YAML")
        for camera in self.robot.cameras:
            self.health.expect(camera.topic, camera.rate_hz)
            self._cameras.append(
                realsense.RealsenseCamera(camera, self._publisher(camera), self.health.refuse, **reading)
            )
        self.create_timer(1.0, self._on_second)

    def _publisher(self, camera: CameraSpec) -> Any:
        """What a camera's thread does with a frame."""
        pictures = self.advertise(CAMERA, camera.topic)
        infos = self.advertise(CAMERA_INFO, camera.info_topic)

        def publish(frame: Any) -> None:
            self.health.count(camera.topic)
            image, info = Image(), camera_info(frame.intrinsics)
            for message in (image, info):
                message.header.stamp = to_msg(frame.stamp_ns)
                message.header.frame_id = camera.frame
            pictures.publish(images.fill(image, frame.pixels, camera.encoding))
            infos.publish(info)
            self._compare(camera, frame.intrinsics)

        return publish

    def _compare(self, camera: CameraSpec, intrinsics: Any) -> None:
        """Say once a camera that its calibration is not the YAML's."""
        if camera.role in self._told:
            return
        self._told.add(camera.role)
        if line := intrinsics.differs(camera):
            self.health.set(f"intrinsics {camera.role}", f"device {line}")
            self.get_logger().warning(f"{camera.role}: the device says {line}: put its values into the YAML")

    def _on_second(self) -> None:
        for reader in self._cameras:
            self.health.set(f"lost {reader.camera.role}", reader.lost)
            self.health.set(f"opened {reader.camera.role}", reader.opened)

    def close(self) -> None:
        """Stop all cameras."""
        for reader in self._cameras:
            if not reader.close():
                self.get_logger().error(f"{reader.camera.role}: the camera's SDK does not return")


def camera_info(intrinsics: Any) -> CameraInfo:
    """sensor_msgs/CameraInfo of a device's intrinsics; the header is left to the caller."""
    fx, fy, cx, cy = intrinsics.fx, intrinsics.fy, intrinsics.cx, intrinsics.cy
    info = CameraInfo(height=intrinsics.height, width=intrinsics.width, distortion_model="plumb_bob")
    info.d = [float(value) for value in intrinsics.coefficients]
    info.k = [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0]
    info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    info.p = [fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


def main() -> int:
    """Entry point."""
    return run(RealsenseNode)


if __name__ == "__main__":
    sys.exit(main())
