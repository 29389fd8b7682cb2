"""`gear-vla sim check`: figures by physics in processes of their own, and one line for wrong words."""

import subprocess
import sys

import pytest

from gear_vla_ros.cli.statistics import wilson


def gear_vla(*words):
    command = [sys.executable, "-m", "gear_vla_ros.cli.main", "sim", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)


def test_it_says_how_often_and_how_sure():
    done = gear_vla("check", "--robot", "franka", "--task", "lift", "--seeds", "2", "--first-seed", "1000")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 2 = 100.0% (95 % interval 34.2% to 100.0%)" in done.stdout
    assert "times real time" in done.stdout


def test_too_few_successes_are_an_exit_code():
    done = gear_vla("check", "--robot", "franka", "--seeds", "1", "--limit", "1", "--jobs", "1")
    assert done.returncode == 1
    assert "0 of 1" in done.stdout and "not done in 1 s" in done.stdout


def test_the_expert_lifts_what_it_sees_only_to_a_centimetre():
    """Twelve millimetres an axis, as a small network sees: an expert that waits until all is in place never closes."""
    done = gear_vla("check", "--robot", "franka", "--seeds", "3", "--blur", "0.012", "--first-seed", "5000")
    assert done.returncode == 0 and "3 of 3" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--task", "lfit"], "task: found 'lfit'; did you mean 'lift'?; allowed lift, place, handover, flip_label"),
        (["--task", "handover"], "task: 'handover' needs two arms, robot franka has one; allowed for it lift, place"),
        (["--robot", "frank"], "did you mean 'franka'?"),
    ],
)
def test_wrong_words_are_one_line(words, line):
    done = gear_vla("check", *words)
    assert done.returncode == 2
    assert line in done.stderr and done.stderr.strip().count("\n") == 0


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"), [(190, 200, 0.9104, 0.9726), (200, 200, 0.9812, 1.0), (0, 10, 0.0, 0.2775)]
)
def test_wilson_s_interval(successes, trials, low, high):
    assert wilson(successes, trials) == pytest.approx((low, high), abs=1e-4)
