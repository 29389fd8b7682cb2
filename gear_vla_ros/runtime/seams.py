"""How a new chunk meets the running one. `SEAMS` maps each name of `RuntimeSpec.seam` to its strategy."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from gear_vla_ros.runtime.track import Course

Seam = Callable[[Course | None, Course, int], Course]
"""From the running course (None: nothing runs), the new one and the present time to the course that is followed."""


def switch(running: Course | None, new: Course, now_ns: int) -> Course:
    """Follow the newest by time; the safety filter turns the step at the seam into motion within the limits."""
    return new


SEAMS: Mapping[str, Seam] = MappingProxyType({"switch": switch})
