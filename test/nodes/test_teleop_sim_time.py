"""The keyboard in front of a robot whose time is simulated."""

import time

from peer import joint_state
from pseudo_terminal import PseudoTerminal
from rosgraph_msgs.msg import Clock
from support import NodeProcess
from test_target_node import SPEC
from test_teleop_node import TeleopGraph

from gear_vla_ros.ros import qos
from gear_vla_ros.ros.interface import Topic
from gear_vla_ros.ros.stamps import to_msg
from gear_vla_ros.ros.topics import JOINT_STATES

CLOCK = Topic("/clock", Clock, qos.STATE, "simulated time")


def test_keys_drive_an_arm_in_simulated_time():
    begun = time.monotonic()

    def say(graph):
        now_ns = 1_000_000_000_000 + round((time.monotonic() - begun) * 1e9)
        graph.say(CLOCK, Clock(clock=to_msg(now_ns)))
        graph.say(JOINT_STATES, joint_state(SPEC, stamp_ns=now_ns), SPEC.joint_states_topic)

    with NodeProcess("target_node", robot="franka", hold_to_run=False, use_sim_time=True), TeleopGraph() as graph:
        graph.every(0.005, lambda: say(graph))
        graph.until(lambda: graph.targets and graph.status, "targets")
        with PseudoTerminal("teleop", "--robot", "franka", "--sim-time") as terminal:
            terminal.shows("clutch open", lambda: graph.spin(0.05))
            terminal.type("c")
            graph.until(lambda: (terminal.read(), graph.driver() == "teleop/keyboard")[1], "the takeover")
            terminal.type("q")
            terminal.shows("\r\n", lambda: graph.spin(0.05))
            graph.until(lambda: (terminal.read(), graph.driver() == "")[1], "the release")
            assert terminal.wait_end() == 0
