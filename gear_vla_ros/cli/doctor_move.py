"""What a trial motion of each arm showed: pure functions to rows of `gear-vla doctor --move`."""

from collections.abc import Iterator

import numpy as np

from gear_vla_ros.cli.doctor_rows import Row
from gear_vla_ros.ros.trial_motion import WAY_M, Trial

MOVED, STILL = 0.5, 0.2
"""Shares of the way that was told: the arm moved, or it did not."""


def move_rows(trials: list[Trial]) -> list[Row]:
    """Two rows an arm."""
    return [row for trial in trials for row in (*_arm(trial), *_gripper(trial))]


def _arm(trial: Trial) -> Iterator[Row]:
    what, told = f"{trial.arm}: moves", f"told {WAY_M * 1e3:.0f} mm up"
    way = trial.way.get(trial.arm, np.zeros(3))
    up, aside = float(way[2]), float(np.linalg.norm(way[:2]))
    others = {name: float(np.linalg.norm(one)) for name, one in trial.way.items() if name != trial.arm}
    moved = [name for name, length in others.items() if length > MOVED * WAY_M]
    if up > MOVED * WAY_M and aside < MOVED * WAY_M and not moved:
        found = f"{told}, went {up * 1e3:.0f} mm; look whether it was the {trial.arm} arm, seen from the robot"
        yield Row("pass", what, found)
    elif moved and np.linalg.norm(way) < MOVED * WAY_M:
        yield Row("fail", what, f"{told}; {moved[0]} moved instead", "left and right are swapped: topics or cables")
    elif np.linalg.norm(way) < STILL * WAY_M:
        held = f"; held by {', '.join(sorted(trial.causes))}" if trial.causes else ""
        todo = "hold the operator's button, enable the arm, or correct command.topic"
        yield Row("fail", what, f"{told}, did not move{held}", todo)
    else:
        found = f"{told}, went {np.round(way * 1e3).astype(int).tolist()} mm in the world's axes"
        yield Row("fail", what, found, "base frame turned in the URDF, joint signs, or what else moves this arm")


def _gripper(trial: Trial) -> Iterator[Row]:
    what, share = f"{trial.arm}: gripper moves", trial.opening.get(trial.arm, 0.0) / trial.told_opening
    verb = "open" if trial.told_opening > 0 else "close"
    told = f"told to {verb} by {abs(trial.told_opening):.0%}, did {abs(share * trial.told_opening):.0%}"
    if share > MOVED:
        yield Row("pass", what, f"{told}; look whether it {'opened' if verb == 'open' else 'closed'}")
    elif share < -STILL:
        yield Row("fail", what, f"{told} the other way", "swap closed and open in the YAML, or the driver's sign")
    else:
        yield Row("fail", what, told, "is it enabled, its topic right, something between its fingers?")
