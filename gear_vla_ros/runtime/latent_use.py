"""Which latents a fast pass may be made of."""

from gear_vla_ros.contracts import LatentAction
from gear_vla_ros.runtime.refused import Refused
from gear_vla_ros.settings.robot import RobotSpec


def check_usable(latents: LatentAction, model_id: str, instruction_id: int, now_ns: int, robot: RobotSpec) -> None:
    """Raises Refused with cause `foreign_model`, `other_instruction`, `stale_latents` or `future_latents`."""
    age_s = (now_ns - latents.stamp_ns) * 1e-9
    oldest_s, future_s = robot.staleness.latents_s, robot.sync.max_future_s
    if latents.model_id != model_id:
        raise Refused("foreign_model", f"latents of model '{latents.model_id}', allowed '{model_id}'")
    if latents.instruction_id != instruction_id:
        raise Refused("other_instruction", f"latents of {latents.instruction_id}, in force is {instruction_id}")
    if age_s > oldest_s:
        raise Refused("stale_latents", f"captured {age_s:.2f} s ago, allowed {oldest_s:g} s")
    if age_s < -future_s:
        raise Refused("future_latents", f"captured {-age_s:.2f} s ahead of now, allowed {future_s:g} s")
