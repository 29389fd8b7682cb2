"""The clock of the whole graph jumps while the arm moves."""

import numpy as np
import pytest
from rosgraph_msgs.msg import Clock
from support import NodeProcess
from test_execution_faults import SPEC, Moving

from gear_vla_ros.contracts import Grade
from gear_vla_ros.ros import convert, qos
from gear_vla_ros.ros.interface import Topic
from gear_vla_ros.ros.stamps import to_msg

CLOCK = Topic("/clock", Clock, qos.STATE, "simulated time")


@pytest.mark.parametrize("jump_s", [10, -10])
def test_the_clock_jumps(jump_s):
    """Set back, nothing from before has a place in time; set ahead, robot and policy may be there at once."""
    with NodeProcess("target_node", robot="franka", hold_to_run=True, use_sim_time=True), Moving() as graph:

        def tell():
            graph.say(CLOCK, Clock(clock=to_msg(graph.now_ns())))

        graph.every(0.004, tell)
        graph.spin(0.2)
        graph.run(tell)
        graph.ahead_ns += jump_s * 10**9
        count = len(graph.targets)
        if jump_s < 0:
            graph.until(lambda: any(m.grade >= Grade.HOLD for m in graph.targets[count:]), "a hold")
        graph.until(lambda: len(graph.targets) > count + 15 and graph.moves(), "motion after the jump")
        poses = [convert.target_from_msg(m, SPEC).arms["right"].base_T_tcp[1, 3] for m in graph.targets[count - 1 :]]
        limit = SPEC.arms[0].safety.max_linear_speed / SPEC.rates.target_hz
        assert np.abs(np.diff(poses)).max() <= 1.3 * limit
