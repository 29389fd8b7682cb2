"""The target_node, and what is not on the other machine; the network is cut while the tool moves, and comes back.

python cut.py PART INTERFACE: PART is what runs over there, `robot` or `policy`.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "nodes"))

from namespaces import ip
from support import NodeProcess
from test_execution_faults import Moving

MEET_S = 60.0

part, interface = sys.argv[1:3]
with NodeProcess("target_node", robot="franka", hold_to_run=False), Moving() as graph:
    if part == "robot":
        graph.until(lambda: graph.status, "a status", MEET_S)
        graph.policy()
        graph.until(lambda: graph.targets, "the robot over there", MEET_S)
        graph.instruct(1)
    else:
        graph.robot()
    graph.until(graph.moves, "motion", MEET_S)
    after = graph.fault(f"network cut, {part} on the other machine")
    assert ip("link", "set", interface, "down").returncode == 0
    after.until_it_stands()
    graph.spin(1.0)
    assert not graph.moves(), "it moved without the other machine"
    assert ip("link", "set", interface, "up").returncode == 0
    graph.until(graph.moves, "motion after the network came back", MEET_S)
    print("moves again")
