"""QoS events are kept for later, not lost."""

import rclpy
from rclpy.event_handler import EventHandler, SubscriptionEventCallbacks
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import Bool

from gear_vla_ros.ros.quiet_events import Seldom, quieten


def test_it_opens_for_a_moment_once_a_second():
    now = [10.0]
    group = Seldom(lambda: now[0])
    seen = []
    for now[0] in (10.0, 10.01, 10.03, 10.5, 11.0, 11.04, 11.05, 11.2, 13.0, 13.1):
        seen.append(group.can_execute(None))
    assert seen == [True, True, False, False, False, True, True, False, True, False]


def test_an_offer_that_does_not_fit_is_still_told():
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("listener", context=context)
    told = []
    wanted = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
    offered = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    callbacks = SubscriptionEventCallbacks(incompatible_qos=told.append)
    node.create_subscription(Bool, "/quiet_events", lambda _: None, wanted, event_callbacks=callbacks)
    other = rclpy.create_node("speaker", context=context)
    other.create_publisher(Bool, "/quiet_events", offered)
    node.create_timer(0.05, lambda: None)
    quieten(node)
    assert any(isinstance(waitable, EventHandler) for waitable in node.waitables)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    for _ in range(400):
        executor.spin_once(timeout_sec=0.05)
        if told:
            break
    assert told
    executor.shutdown()
    rclpy.try_shutdown(context=context)
