"""Who drives: the policy, or a person who took over."""

from gear_vla_ros.contracts import ActionChunk
from gear_vla_ros.contracts.action import OPERATOR_PREFIX
from gear_vla_ros.runtime.refused import Refused


class Helm:
    """A person's first chunk takes over; only a release gives back, never silence. One thread.

    What the policy had planned before the release was planned for another situation: its chunks count again from the
    first one whose anchor was captured afterwards.
    """

    def __init__(self) -> None:
        self.operator: str | None = None
        """model_id of the person's chunks, None while nobody has taken over."""
        self._released_ns = 0

    def check(self, chunk: ActionChunk) -> None:
        """Raises Refused with cause `operator` (a person drives, or another person) or `released` (made before the
        release)."""
        if self.operator is not None and chunk.model_id != self.operator:
            raise Refused("operator", f"chunk {chunk.sequence} of {chunk.model_id}: {self.operator} drives")
        if chunk.stamp_ns <= self._released_ns:
            before = (self._released_ns - chunk.stamp_ns) * 1e-9
            raise Refused("released", f"chunk {chunk.sequence}: anchored {before:.3f} s before the operator's release")

    def follows(self, chunk: ActionChunk) -> None:
        """The chunk is followed from now on."""
        if chunk.by_operator:
            self.operator = chunk.model_id

    def release(self, operator: str, stamp_ns: int) -> bool:
        """Give back; False when `operator` does not drive. What he sent before and arrives later is refused as well."""
        if operator.startswith(OPERATOR_PREFIX):
            self._released_ns = max(self._released_ns, stamp_ns)
        if self.operator != operator:
            return False
        self.operator = None
        return True

    def restart(self) -> None:
        """Forget the time of the last release, as after the clock was set back."""
        self._released_ns = 0
