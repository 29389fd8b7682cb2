"""A labelled dataset of the simulated expert, made once a session."""

from pathlib import Path

from rich.console import Console

from gear_vla_ros.cli.sim_collect import collection, run
from gear_vla_ros.recording.dataset.conversion import Options, convert, plan


def lifting(root: Path, robot: str = "franka", episodes: int = 2, limit_s: float = 6.0) -> Path:
    """A dataset of disturbed lifts."""
    settings = collection(robot, "lift", 100, False, True, limit_s, "lz4")
    run(settings, episodes, 1, root / "episodes", Console(quiet=True))
    found = sorted((root / "episodes").glob("episode_*"))
    convert(plan(found, Options(failures=True)), root / "dataset")
    return root / "dataset"
