"""Which object a sentence names; what scripted experts and simulated tasks understand."""

import re
from collections.abc import Iterable

from gear_vla_ros.contracts.checks import ContractError

COLOURS = ("red", "green", "blue")
CUBES = tuple(f"{colour}_cube" for colour in COLOURS)
_LIFT = re.compile(r"\b(pick up|lift|grasp|take)\b")


def lifted_object(text: str, objects: Iterable[str] = CUBES) -> str:
    """The one of `objects` (as `red_cube`) that `text` asks to lift. Raises ContractError saying what can be said."""
    names = sorted(objects)
    words = text.lower()
    named = [name for name in names if all(re.search(rf"\b{word}\b", words) for word in name.split("_"))]
    if len(named) == 1 and _LIFT.search(words):
        return named[0]
    allowed = ", ".join(f"'pick up the {name.replace('_', ' ')}'" for name in names)
    raise ContractError(f"instruction.text: '{text}' is not understood here; allowed {allowed}")
