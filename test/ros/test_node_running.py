"""The life of a node's process: how it starts, ends and says why it cannot, with any signal at any time."""

import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

LIMIT_S = 20.0
NODE = """
import sys, threading, time
from rclpy.node import Node
from rclpy.task import Future
from gear_vla_ros.ros.running import StartError, run
from gear_vla_ros.settings import SettingsError

class Lived(Node):
    def __init__(self):
        super().__init__("lived")
        self.ended = Future()
        self.timer = self.create_timer(0.01, self.tick)
        self.said = False
    def tick(self):
        if not self.said:
            print("up", flush=True)
            self.said = True
    def fail(self, line):
        self.ended.set_result(line)
    def close(self):
        print(f"closed, context valid: {self.context.ok()}", flush=True)

"""


class Process:
    """`body` in an interpreter of its own; what it printed when it ended."""

    def __init__(self, body, *arguments):
        code = NODE + textwrap.dedent(body)
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._killer = threading.Timer(LIMIT_S, self.process.kill)
        self._killer.start()

    def until_up(self):
        assert self.process.stdout.readline() == "up\n", self.process.stderr.read()
        return self

    def end(self):
        out, err = self.process.communicate(timeout=LIMIT_S)
        self._killer.cancel()
        return self.process.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_node_with_0_and_nothing_on_stderr(number):
    process = Process("sys.exit(run(Lived))").until_up()
    process.process.send_signal(number)
    assert process.end() == (0, "closed, context valid: True\n", "")


def test_impatient_signals_change_nothing():
    slow = """
    class Slow(Lived):
        def close(self):
            print("closing", flush=True)
            time.sleep(0.5)
            super().close()
    sys.exit(run(Slow))
    """
    process = Process(slow).until_up()
    process.process.send_signal(signal.SIGINT)
    assert process.process.stdout.readline() == "closing\n"
    for _ in range(3):
        process.process.send_signal(signal.SIGINT)
    assert process.end() == (0, "closed, context valid: True\n", "")


def test_a_signal_while_the_node_is_being_made_ends_it_when_it_is():
    body = """
    import os, signal
    class Early(Lived):
        def __init__(self):
            os.kill(os.getpid(), signal.SIGTERM)
            super().__init__()
    sys.exit(run(Early))
    """
    code, out, err = Process(body).end()
    assert (code, err) == (0, "")
    assert out.endswith("closed, context valid: True\n")


def test_a_signal_does_not_cut_a_callback():
    body = """
    import os, signal
    class Busy(Lived):
        def tick(self):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
            print("done", flush=True)
    sys.exit(run(Busy))
    """
    code, out, err = Process(body).end()
    assert (code, err) == (0, "")
    assert out.endswith("done\nclosed, context valid: True\n")


@pytest.mark.parametrize("error", ["StartError", "SettingsError", "FileNotFoundError"])
def test_a_node_that_cannot_be_made_ends_with_2_and_one_line(error):
    body = f"""
    def make():
        raise {error}("robot: there is none")
    sys.exit(run(make))
    """
    code, out, err = Process(body).end()
    assert (code, out) == (2, "")
    assert err.endswith("robot: there is none\n")
    assert err.count("\n") == 1


def test_a_node_that_fails_on_its_way_closes_and_ends_with_2_and_its_line():
    body = """
    class Failing(Lived):
        def tick(self):
            threading.Thread(target=self.fail, args=("the camera is gone",)).start()
    sys.exit(run(Failing))
    """
    code, out, err = Process(body).end()
    assert code == 2
    assert out.endswith("closed, context valid: True\n")
    assert err == "-c: the camera is gone\n"


def test_an_error_nobody_thought_of_is_shown_whole_and_the_node_still_closes():
    body = """
    class Broken(Lived):
        def tick(self):
            raise ZeroDivisionError("a bug")
    sys.exit(run(Broken))
    """
    code, out, err = Process(body).end()
    assert code == 1
    assert "ZeroDivisionError: a bug" in err
    assert out.endswith("closed, context valid: True\n")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("-p", "robot"), "Couldn't parse parameter override rule: '-p robot'"),
        (("--log-level", "loud"), "Couldn't parse log level: '--log-level loud'"),
        (("--params-file", "/nowhere.yaml"), "Couldn't parse params file: '--params-file /nowhere.yaml'"),
        (("--bogus",), "arguments after --ros-args: ['--bogus'], allowed as -p name:=value"),
    ],
)
def test_arguments_that_ros_cannot_read_end_with_2_and_one_line(arguments, line):
    code, out, err = Process("sys.exit(run(Lived))", "--ros-args", *arguments).end()
    own = [one for one in err.splitlines() if one.startswith("-c: ")]
    assert (code, out, len(own)) == (2, "", 1)
    assert line in own[0]
    assert "Traceback" not in err
    assert os.sep + "arguments.c" not in own[0]
