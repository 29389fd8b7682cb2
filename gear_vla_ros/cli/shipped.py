"""Which policy drives a robot when nobody says: the learned one that is shipped for it, else the scripted expert."""

from pathlib import Path

from gear_vla_ros.engines.bundle import is_bundle, open_bundle
from gear_vla_ros.engines.opening import AUTO
from gear_vla_ros.policies.registry import LEARNED
from gear_vla_ros.settings import RuntimeSpec
from gear_vla_ros.settings.paths import policy_folder, share_dir


def shipped_for(robot: str, task: str = "") -> str:
    """Name of the first policy in config/policies that was made for a robot and has learned the task; '' when there is
    none. task: empty for any."""
    folders = sorted((share_dir() / "config" / "policies").glob("*"))
    return next((folder.name for folder in folders if is_bundle(folder) and _has_learned(folder, robot, task)), "")


def _has_learned(bundle: Path, robot: str, task: str) -> bool:
    manifest = open_bundle(bundle).manifest
    return robot in manifest.robots and (not task or task in manifest.tasks)


def chosen(policy: str, checkpoint: str, robot: str, task: str = "") -> tuple[str, str]:
    """Policy and checkpoint for a simulated robot, of this task if one is named."""
    if policy != AUTO:
        return policy, checkpoint
    if name := checkpoint or shipped_for(robot, task):
        return LEARNED, name
    return "expert", ""


def chosen_seam(seam: str, policy: str, checkpoint: str) -> str:
    """How the chunks of a policy meet: as its bundle says where nobody else does."""
    if seam != AUTO:
        return seam
    folder = policy_folder(checkpoint) if policy == LEARNED and checkpoint else None
    told = open_bundle(folder).manifest.seam if folder and is_bundle(folder) else None
    return told or RuntimeSpec().seam
