"""Episodes of arms that move along known curves, with pictures that tell which they are."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import synthetic

from gear_vla_ros.recording.session import RecordingSession
from gear_vla_ros.recording.topics import topics_of
from gear_vla_ros.recording.writer import WriterOptions
from gear_vla_ros.settings import ArmSpec, CameraSpec, RobotSpec

BEGIN_NS = 10**18
WIDTH, HEIGHT = 48, 32
CLOSES_S = 1.0
SAID = "pick up the red cube"
Spoil = Callable[[str, int, int], bytes | None]


def joints(arm: ArmSpec, seconds: float) -> np.ndarray:
    """`[n]` rad at a time of the episode; slow, so that a straight line between two states is right to 1e-6."""
    phase = np.arange(len(arm.joints))
    return np.array(arm.home) + 0.1 * np.sin(seconds + phase) - 0.1 * np.sin(phase)


def opening(seconds: float) -> float:
    """Measured: it begins to close with the command, and an object stops it half way."""
    return float(np.clip(1.0 - 2 * (seconds - CLOSES_S), 0.5, 1.0))


def commanded(seconds: float) -> float:
    """Set point of the grippers."""
    return 1.0 if seconds < CLOSES_S else 0.0


def picture(index: int, camera: int) -> np.ndarray:
    """`[HEIGHT, WIDTH, 3]`: a ramp, brighter with every index, in other colours for every camera."""
    ramp = np.linspace(0, 40, WIDTH)[None, :, None] + np.linspace(0, 20, HEIGHT)[:, None, None]
    return np.clip(ramp + np.roll([40, 60, 80], camera) + 2 * (index % 50), 0, 255).astype(np.uint8)


def joint_state(robot: RobotSpec, ns: int) -> bytes:
    seconds = (ns - BEGIN_NS) * 1e-9
    names = [name for arm in robot.arms for name in (*arm.joints, arm.gripper.joint)]
    values = np.concatenate(
        [[*joints(arm, seconds), arm.gripper.position_of(opening(seconds))] for arm in robot.arms]
    )  # fmt: skip
    fields = {"name": names, "position": values, "velocity": values * 0, "effort": values * 0}
    return synthetic.cdr(synthetic.make("sensor_msgs/JointState", header=synthetic.header(ns), **fields))


def command(arm: ArmSpec, ns: int) -> bytes:
    """To the gripper's controller, or to the arm's where that moves the gripper too; neither has a stamp."""
    seconds = (ns - BEGIN_NS) * 1e-9
    position = arm.gripper.position_of(commanded(seconds))
    if arm.gripper.topic is not None:
        layout = synthetic.make("std_msgs/MultiArrayLayout", dim=[], data_offset=0)
        return synthetic.cdr(synthetic.make("std_msgs/Float64MultiArray", layout=layout, data=np.array([position])))
    values = np.array([*joints(arm, seconds), position])
    names = list(arm.command.names or arm.commanded_joints)
    fields = {"name": names, "position": values, "velocity": values * 0, "effort": values * 0}
    return synthetic.cdr(synthetic.make("sensor_msgs/JointState", header=synthetic.header(0), **fields))


def _plan(
    robot: RobotSpec, seconds: float, camera_hz: float
) -> Iterator[tuple[float, str, int, Callable[[int], bytes]]]:
    def seen(camera: CameraSpec, index: int) -> Callable[[int], bytes]:
        number = robot.cameras.index(camera)
        return lambda ns: synthetic.image(ns, picture(index, number), encoding=camera.encoding)

    for camera in robot.cameras:
        for i in range(int(camera_hz * seconds)):
            yield i / camera_hz, camera.topic, i, seen(camera, i)
    for i in range(int(200 * seconds)):
        yield i / 200, robot.joint_states_topic, i, lambda ns: joint_state(robot, ns)
    for arm in robot.arms:
        for i in range(int(100 * seconds)):
            topic = arm.gripper.topic or arm.command.topic
            yield i / 100, topic, i, lambda ns, arm=arm: command(arm, ns)


def record(
    root: Path, robot: RobotSpec, seconds: float = 2.0, camera_hz: float = 30.0, spoil: Spoil | None = None,
    outcome: str = "success", said: str = SAID, publish: Callable[[bytes], bytes] | None = None,
) -> Path:  # fmt: skip
    """An episode; spoil(topic, index, ns) may change a message, or drop it by b''. publish: as a driver does."""
    kinds = {topic.name: topic for topic in topics_of(robot)}
    session = RecordingSession(root, robot, kinds.values(), WriterOptions(chunk_bytes=2**16))
    folder = session.start(BEGIN_NS, said)
    cameras = [camera.topic for camera in robot.cameras]
    for at_s, topic, index, message in sorted(_plan(robot, seconds, camera_hz), key=lambda entry: entry[:3]):
        ns = BEGIN_NS + round(at_s * 1e9)
        data = None if spoil is None else spoil(topic, index, ns)
        data = message(ns) if data is None else data
        if publish is not None and topic in cameras:
            topic, data = f"{topic}/compressed", publish(data)
        if data:
            session.take(kinds[topic], ns + 2_000_000, ns, data)
    session.stop(outcome)
    return folder
