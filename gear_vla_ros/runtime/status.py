"""What the follower says about itself."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gear_vla_ros.contracts import Grade


@dataclass(frozen=True)
class FollowerStatus:
    """State of the execution after a tick; fields as in `PolicyStatus.msg`.

    causes: why the grade is not FULL, worst first. faults: how often each cause was met or a chunk refused, since
    start. grades: how often each grade was entered. chunk_age_s: -1 with no chunk.
    """

    grade: Grade
    causes: tuple[str, ...]
    driver: str
    faults: Mapping[str, int]
    grades: Mapping[Grade, int]
    instruction_id: int
    chunk_sequence: int
    chunk_age_s: float
    remaining_s: float
    capture_to_command_ms: float


class Ledger:
    """Grade and causes in force, and how often each was entered. One thread."""

    def __init__(self) -> None:
        self.grade = Grade.HOLD
        self.causes: tuple[str, ...] = ()
        self.faults: Counter[str] = Counter()
        self.grades: Counter[Grade] = Counter()
        self._present: set[str] = set()

    def count(self, fault: str) -> None:
        """One more of a fault that lasts no time."""
        self.faults[fault] += 1

    def enter(self, found: Iterable[tuple[Grade, str]], noted: Iterable[str]) -> None:
        """One tick's findings; the worst is the grade. `noted` are counted but lower no grade."""
        ordered = sorted(found, key=lambda item: -item[0])
        grade = ordered[0][0] if ordered else Grade.FULL
        self.causes = tuple(cause for _, cause in ordered)
        present = {*self.causes, *noted}
        self.faults.update(present - self._present)
        if grade is not self.grade or not self.grades:
            self.grades[grade] += 1
        self.grade, self._present = grade, present
