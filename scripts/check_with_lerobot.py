"""Reads a written dataset with LeRobot itself and with our reader, and compares every frame of both.

    python -m venv lerobot && lerobot/bin/pip install lerobot==0.4.4        # a venv of its own: its pins are not ours
    PYTHONPATH=. lerobot/bin/python scripts/check_with_lerobot.py datasets/red_cube

Without FFmpeg's libraries on the machine torchcodec does not load; `--decoder pyav`, the default, needs none.
"""

import argparse
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset

from gear_vla_ros.geometry import se3
from gear_vla_ros.recording.dataset.features import ACTION, IMAGES, STATE
from gear_vla_ros.recording.dataset.reader import STEPS, DatasetReader

PICTURE, NUMBER = 3.0, 1e-6
"""Largest mean difference of pixel values (two decoders, two conversions to RGB), and of numbers."""


def main() -> int:
    """Prints what LeRobot says of the dataset, and the largest differences; 0 when they are small."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--decoder", default="pyav", choices=("pyav", "torchcodec"))
    options = parser.parse_args()
    warnings.filterwarnings("ignore", module="torchvision")
    mine = DatasetReader(options.dataset)
    ahead = {ACTION: [i / mine.fps for i in range(STEPS)]}
    theirs = LeRobotDataset("lab/dataset", options.dataset, video_backend=options.decoder, delta_timestamps=ahead)
    print(f"lerobot {version('lerobot')}\n{theirs}")
    worst = dict.fromkeys(("picture", "state", "action", "valid steps", "instruction"), 0.0)
    for index in range(len(theirs)):
        item, sample = theirs[index], mine.sample(index)
        differences = {
            "picture": max(
                float(np.abs(item[IMAGES + role].numpy().transpose(1, 2, 0) * 255 - picture).mean())
                for role, picture in sample.images.items()
            ),
            "state": float(np.abs(item[STATE].numpy() - mine.numbers(STATE)[index]).max()),
            "action": _action(item[ACTION].numpy(), sample, mine),
            "valid steps": float((~item[f"{ACTION}_is_pad"].numpy() != sample.valid).sum()),
            "instruction": float(item["task"] != sample.instruction),
        }
        worst = {name: max(worst[name], value) for name, value in differences.items()}
    print(f"largest differences over {len(theirs)} frames:", ", ".join(f"{name} {x:.1e}" for name, x in worst.items()))
    return int(len(theirs) != len(mine) or worst.pop("picture") > PICTURE or max(worst.values()) > NUMBER)


def _action(theirs: np.ndarray, sample, mine: DatasetReader) -> float:
    """Our chunk, taken back to the base frame, against LeRobot's actions `[K, d]`: positions, then grippers."""
    names = mine.features[ACTION]["names"]
    found = 0.0
    for arm, chunk in sample.chunk.arms.items():
        xyz = theirs[:, [names.index(f"{arm}.tcp.{axis}") for axis in "xyz"]]
        ours = se3.to_xyz_rot6d(chunk.base_T_tcp())[:, :3]
        gripper = theirs[:, names.index(f"{arm}.gripper")]
        found = max(found, float(np.abs(xyz - ours).max()), float(np.abs(gripper - chunk.gripper).max()))
    return found


if __name__ == "__main__":
    sys.exit(main())
