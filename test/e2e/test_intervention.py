"""A person takes over from the scripted expert in the whole simulated graph and gives back; the task still succeeds."""

import itertools
import json
import time

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import TwistStamped
from rclpy.executors import SingleThreadedExecutor
from std_msgs.msg import Bool

from gear_vla_ros.cli.plan import Options, make_plan
from gear_vla_ros.cli.processes import ProcessGroup
from gear_vla_ros.msg import EpisodeEvent
from gear_vla_ros.recording.reader import read_messages
from gear_vla_ros.ros.stamps import to_ns
from gear_vla_ros.ros.teleop_devices import CLUTCH_BOOL, TWIST
from gear_vla_ros.ros.topics import EVENTS, SET_INSTRUCTION, TARGET
from gear_vla_ros.settings import load_robot
from gear_vla_ros.srv import SetInstruction

SPEC = load_robot("franka")
SAFETY = SPEC.arms[0].safety
LIMIT_S, DRIVEN_S, PERIOD_S = 90.0, 1.5, 0.02
TELEOP, EXPERT = "teleop/twist", "expert-5-franka"


class Person:
    """Hears targets and events; holds a device that says sideways while the clutch is closed."""

    def __init__(self):
        self.node = rclpy.create_node("person")
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.targets, self.events = [], []
        self.node.create_subscription(TARGET.type, TARGET.name, self.targets.append, TARGET.qos)
        self.node.create_subscription(EVENTS.type, EVENTS.name, self.events.append, EVENTS.qos)
        self._twists = self.node.create_publisher(TwistStamped, SPEC.teleop.twist.topic("right"), TWIST.qos)
        self._clutches = self.node.create_publisher(Bool, SPEC.teleop.clutch("right").topic, CLUTCH_BOOL.qos)
        self.closed = False
        self.node.create_timer(PERIOD_S, self._say)

    def _say(self):
        message = TwistStamped()
        message.header.stamp = self.node.get_clock().now().to_msg()
        message.twist.linear.y = 0.08
        self._twists.publish(message)
        self._clutches.publish(Bool(data=self.closed))

    def until(self, true, what, limit_s=LIMIT_S):
        deadline = time.monotonic() + limit_s
        while not (value := true()):
            assert time.monotonic() < deadline, f"waited {limit_s:g} s for {what}"
            self.executor.spin_once(timeout_sec=0.05)
        return value

    def driver(self):
        return self.targets[-1].driver if self.targets else ""

    def instruct(self, text):
        client = self.node.create_client(SET_INSTRUCTION.type, SET_INSTRUCTION.name)
        self.until(client.service_is_ready, "the service of vlm_node")
        asking = client.call_async(SetInstruction.Request(text=text))
        assert self.until(asking.done, "its answer") and asking.result().accepted


@pytest.fixture
def person():
    rclpy.init()
    made = Person()
    yield made
    made.executor.shutdown(timeout_sec=1.0)
    made.node.destroy_node()
    rclpy.try_shutdown()


@pytest.mark.e2e
def test_a_person_corrects_the_expert_and_the_bag_says_who_drove_when(person, tmp_path):
    plan = make_plan(Options(robot="franka", policy="expert", teleop="twist", record=str(tmp_path)))
    with ProcessGroup(plan, lambda name, line: print(f"{name}: {line}")) as group:
        person.instruct("pick up the red cube")
        person.until(lambda: person.driver() == EXPERT, "the expert")
        begin = len(person.targets)
        person.until(lambda: len(person.targets) > begin + 20, "some of the expert's way")
        person.closed = True
        person.until(lambda: person.driver() == TELEOP, "the takeover")
        end_s = time.monotonic() + DRIVEN_S
        person.until(lambda: time.monotonic() > end_s, "the person's way")
        person.closed = False
        person.until(lambda: person.driver() == EXPERT, "the expert again")
        person.until(lambda: any(e.kind == EpisodeEvent.SUCCESS for e in person.events), "the success")
        assert set(group.stop().values()) == {0}
    heard, events = [], []
    for topic, _, message in read_messages(tmp_path / "episode_0001", {TARGET.name, EVENTS.name}):
        (heard if topic == TARGET.name else events).append(message)
    drivers = [name for name, _ in itertools.groupby(message.driver for message in heard if message.driver)]
    assert drivers == [EXPERT, TELEOP, EXPERT]
    told = [(event.kind, event.source) for event in events if event.kind >= EpisodeEvent.TAKEOVER]
    assert told == [(EpisodeEvent.TAKEOVER, TELEOP), (EpisodeEvent.RELEASE, TELEOP)]
    check_steps(heard)
    print(json.dumps(figures(heard, *(to_ns(event.header.stamp) for event in events if event.source == TELEOP))))
    driven = [m.arms[0].pose.pose.position.y for m in heard if m.driver == TELEOP]
    assert driven[-1] - driven[0] > 0.05


def figures(targets, taken_ns, released_ns):
    """How soon who drives has changed, and the worst change of velocity from one target to the next."""
    first = next(m for m in targets if m.driver == TELEOP)
    back = next(m for m in targets if m.driver == EXPERT and to_ns(m.header.stamp) > released_ns)
    twists = np.array([[v.x, v.y, v.z] for v in (m.arms[0].twist.linear for m in targets)])
    return {
        "takeover_to_first_target_ms": round((to_ns(first.header.stamp) - taken_ns) * 1e-6, 1),
        "release_to_policys_first_target_ms": round((to_ns(back.header.stamp) - released_ns) * 1e-6, 1),
        "worst_change_of_velocity_mm_s": round(1e3 * np.linalg.norm(np.diff(twists, axis=0), axis=1).max(), 1),
        "allowed_mm_s": round(1e3 * SAFETY.max_linear_acceleration / SPEC.rates.target_hz, 1),
    }


def check_steps(targets):
    """No target steps, whoever drives: each change is within what the YAML allows for the time between the two."""
    for before, after in itertools.pairwise(targets):
        passed_s = (to_ns(after.header.stamp) - to_ns(before.header.stamp)) * 1e-9
        if after.sequence != before.sequence + 1:
            continue
        ends = [np.array([p.x, p.y, p.z]) for p in (m.arms[0].pose.pose.position for m in (before, after))]
        twists = [np.array([v.x, v.y, v.z]) for v in (m.arms[0].twist.linear for m in (before, after))]
        assert np.linalg.norm(ends[1] - ends[0]) <= SAFETY.max_linear_speed * passed_s + 1e-6
        assert np.linalg.norm(twists[1] - twists[0]) <= SAFETY.max_linear_acceleration * passed_s + 1e-6
