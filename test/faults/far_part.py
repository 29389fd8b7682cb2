"""The part of the execution's faults that runs on the other machine: `robot` or `policy`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "nodes"))

from peer import LIMIT_S
from test_execution_faults import Moving

with Moving() as graph:
    if sys.argv[1] == "robot":
        graph.robot()
    else:
        graph.policy()
        graph.instruct(1)
    while True:
        graph.spin(LIMIT_S)
