"""The other side of a node under test: a ROS node in the test's process, with bounded waits."""

import time
from collections import defaultdict

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image, JointState

from gear_vla_ros.ros import images, qos
from gear_vla_ros.ros.stamps import to_msg

LIMIT_S, AGAIN_S = 20.0, 5.0


class Peer:
    """Publishes to and hears from the node under test, by name. Everything runs in the test's thread."""

    def __init__(self, under_test):
        self.under_test = under_test
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("peer", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.received = defaultdict(list)
        self._publishers = {}
        self._beats = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.executor.shutdown(timeout_sec=1.0)
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)

    def hear(self, topic, name=None):
        """Keep what comes on a topic in `received[name]`."""
        name = name or topic.name
        self.node.create_subscription(topic.type, name, self.received[name].append, topic.qos)
        return self.received[name]

    def say(self, topic, message, name=None):
        """Publish, once somebody listens."""
        name = name or topic.name
        if name not in self._publishers:
            self._publishers[name] = self.node.create_publisher(topic.type, name, topic.qos)
            beats, self._beats = self._beats, []
            self.until(lambda: self._publishers[name].get_subscription_count() > 0, f"a subscriber of {name}")
            self._beats = beats
        self._publishers[name].publish(message)

    def every(self, period_s, make):
        """Call `make` again and again while spinning; a period after its end when it takes longer than one."""
        self._beats.append([period_s, 0.0, make])

    def still(self):
        """No more calls of `every`."""
        self._beats.clear()

    def until(self, true, what, limit_s=LIMIT_S):
        """Spin until the condition holds; its value."""
        deadline = time.monotonic() + limit_s
        while not (value := true()):
            assert time.monotonic() < deadline, f"waited {limit_s:g} s for {what}{self._unwell()}"
            self._turn()
        return value

    def spin(self, seconds):
        """Spin for a while, where nothing is to happen."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._turn()

    def call(self, service, request):
        """Answer of a service; asked twice, as the first server that is found may be one that was killed."""
        client = self.node.create_client(service.type, service.name)
        self.until(client.service_is_ready, f"the service {service.name}")
        asking = client.call_async(request)
        try:
            self.until(asking.done, f"an answer of {service.name}", AGAIN_S)
        except AssertionError:
            asking = client.call_async(request)
            self.until(asking.done, f"an answer of {service.name}")
        return asking.result()

    def hear_diagnostics(self):
        """For `refused`."""
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self.received["/diagnostics"].append, qos.RESULT)

    def refused(self):
        """Refusals by cause, from the newest diagnostics of the node under test."""
        found = {}
        for array in self.received["/diagnostics"]:
            for status in array.status:
                if status.name == self.under_test:
                    pairs = {pair.key: pair.value for pair in status.values if pair.key.startswith("refused ")}
                    found = {key.removeprefix("refused "): int(value) for key, value in pairs.items()}
        return found

    def value(self, key):
        """A figure or fact of the node under test, from its newest diagnostics; empty before the first."""
        found = ""
        for array in self.received["/diagnostics"]:
            for status in array.status:
                if status.name == self.under_test:
                    found = next((pair.value for pair in status.values if pair.key == key), found)
        return found

    def settled_refused(self):
        """`refused`, once it counts all that was sent before this call: the diagnostics after the next say it."""
        arrays = self.received["/diagnostics"]
        seen = len(arrays)
        self.until(lambda: self._reports(arrays[seen:]) >= 2, "diagnostics")
        return self.refused()

    def total_refused(self):
        """All refusals."""
        return sum(self.refused().values())

    def _unwell(self):
        """What all nodes that were heard say of themselves in their newest diagnostics, but those that are well."""
        newest = {status.name: status for array in self.received["/diagnostics"] for status in array.status}
        return "".join(
            f"; {name}: {one.message} {[f'{pair.key} {pair.value}' for pair in one.values]}"
            for name, one in newest.items()
            if one.level != DiagnosticStatus.OK
        )

    def _reports(self, arrays):
        return sum(status.name == self.under_test for array in arrays for status in array.status)

    @staticmethod
    def now_ns():
        return time.time_ns()

    def _turn(self):
        for beat in self._beats:
            if (begun := time.monotonic()) >= beat[1]:
                beat[2]()
                late = (ended := time.monotonic()) > begun + beat[0]
                beat[1] = beat[0] + (ended if late else begun)
        self.executor.spin_once(timeout_sec=0.002)


def joint_state(spec, q=None, stamp_ns=None, gripper=1.0):
    """All joints of a robot at `q` by arm (home where not given), now."""
    message = JointState()
    message.header.stamp = to_msg(time.time_ns() if stamp_ns is None else stamp_ns)
    for arm in spec.arms:
        values = list(arm.home if q is None or arm.name not in q else q[arm.name])
        hand = arm.gripper
        position = hand.closed + gripper * (hand.open - hand.closed)
        message.name += [*arm.joints, hand.joint, *hand.mimic]
        message.position.extend([*values, position, *(position * factor for factor in hand.mimic.values())])
    message.velocity = [0.0] * len(message.name)
    return message


def image(pixels, frame, stamp_ns=None, encoding="rgb8"):
    """A camera's message."""
    message = Image()
    message.header.frame_id = frame
    message.header.stamp = to_msg(time.time_ns() if stamp_ns is None else stamp_ns)
    return images.fill(message, pixels, encoding)
