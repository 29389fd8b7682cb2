"""Which policy drives a robot when nobody says: the learned one that is shipped for it, else the scripted expert."""

from gear_vla_ros.engines.bundle import is_bundle, open_bundle
from gear_vla_ros.settings.paths import share_dir

AUTO = "auto"


def shipped_for(robot: str) -> str:
    """Name of the first policy in config/policies that was made for a robot; '' when there is none."""
    folders = sorted((share_dir() / "config" / "policies").glob("*"))
    return next((f.name for f in folders if is_bundle(f) and robot in open_bundle(f).manifest.robots), "")


def chosen(policy: str, checkpoint: str, robot: str) -> tuple[str, str]:
    """Policy and checkpoint for a simulated robot."""
    if policy != AUTO:
        return policy, checkpoint
    if name := checkpoint or shipped_for(robot):
        return "gear_vla", name
    return "expert", ""
