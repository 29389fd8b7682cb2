import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from gear_vla_ros.cli import processes
from gear_vla_ros.cli.plan import BringUp, NodeSpec
from gear_vla_ros.cli.processes import ProcessGroup

CHILD = """
import signal, sys, time
stubborn = "stubborn" in sys.argv
signal.signal(signal.SIGINT, signal.SIG_IGN if stubborn else lambda *_: sys.exit(0))
signal.signal(signal.SIGTERM, signal.SIG_IGN if stubborn else signal.SIG_DFL)
print("ready", flush=True)
try:
    time.sleep(60)
finally:
    print("ending", time.monotonic_ns(), flush=True)
    time.sleep(0.1)
    print("ended", time.monotonic_ns(), flush=True)
"""


@pytest.fixture
def plan(monkeypatch):
    """A plan whose nodes are small real processes."""

    def make(*kinds):
        monkeypatch.setattr(
            processes, "command_line", lambda spec: [sys.executable, "-c", CHILD, spec.parameters["kind"]]
        )
        monkeypatch.setattr(processes, "INTERRUPT_S", 0.5)
        monkeypatch.setattr(processes, "TERMINATE_S", 0.3)
        nodes = tuple(NodeSpec(f"node_{i}", {"kind": kind}) for i, kind in enumerate(kinds))
        return BringUp(None, nodes, {})

    return make


def wait(condition, limit=10.0):
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().split()[2] != "Z"


def test_all_are_stopped_by_sigint_and_their_output_is_shown(plan):
    lines = []
    with ProcessGroup(plan("calm", "calm"), lambda name, line: lines.append((name, line))) as group:
        wait(lambda: len(lines) == 2)
        assert group.ended() is None
        assert group.stop() == {"node_0": 0, "node_1": 0}
    assert sorted(lines[:2]) == [("node_0", "ready"), ("node_1", "ready")]


def test_one_ends_after_another_and_what_moves_the_robot_first(plan, monkeypatch):
    monkeypatch.setattr(processes, "FIRST", "node_1")
    lines = []
    with ProcessGroup(plan("calm", "calm", "calm"), lambda name, line: lines.append((*line.split(), name))) as group:
        wait(lambda: len(lines) == 3)
        group.stop()
    said = sorted((int(when), what, name) for what, when, name in lines[3:])
    assert [(name, what) for _, what, name in said] == [
        (name, what) for name in ("node_1", "node_2", "node_0") for what in ("ending", "ended")
    ]


def test_a_process_that_ignores_signals_is_killed(plan):
    lines = []
    with ProcessGroup(plan("stubborn"), lambda *line: lines.append(line)) as group:
        wait(lambda: lines)
        assert group.stop() == {"node_0": -signal.SIGKILL}


def test_a_process_that_ends_is_noticed(plan):
    lines = []
    with ProcessGroup(plan("calm", "calm"), lambda *line: lines.append(line)) as group:
        wait(lambda: len(lines) == 2)
        os.kill(group.pids["node_1"], signal.SIGTERM)
        wait(lambda: group.ended() is not None)
        assert group.ended() == ("node_1", -signal.SIGTERM)


def test_no_orphans_when_the_parent_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(f"""
        import sys, time
        from gear_vla_ros.cli import processes
        from gear_vla_ros.cli.plan import BringUp, NodeSpec
        processes.command_line = lambda spec: [sys.executable, "-c", {CHILD!r}]
        plan = BringUp(None, (NodeSpec("child", {{}}),), {{}})
        group = processes.ProcessGroup(plan, lambda *_: print("up", flush=True))
        group.__enter__()
        print(group.pids["child"], flush=True)
        time.sleep(60)
        """)
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        assert parent.stdout.readline() == "up\n"
        parent.kill()
    wait(lambda: not alive(child))
