"""What a sentence asks for: the tasks and objects that scripted experts and simulated tasks understand."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gear_vla_ros.contracts.checks import ContractError

COLOURS = ("red", "green", "blue", "yellow", "orange", "purple")
KINDS = ("cube", "block", "cylinder", "ball")
CONTAINER, BAR = "bowl", "bar"
KNOWN = tuple(f"{colour}_{kind}" for kind in (*KINDS, BAR, CONTAINER) for colour in COLOURS)

_PLACE = re.compile(r"\b(put|place|drop|set|move|lay|goes|belongs)\b")
_INTO = re.compile(r"\b(into|inside|in|to)\b")
_LIFT = re.compile(r"\b(pick\b.*\bup|lift|grasp|take|raise|grab|hold up)\b")
_HAND = re.compile(r"\b(hand|pass|give|transfer)\b")
_TO_LEFT = re.compile(r"\bto\b.*\bleft\b")
_TOLD = 6


@dataclass(frozen=True)
class Request:
    """task: `lift`, `place` or `handover` (of a bar, from the left arm to the right).

    object, goal: names as `red_cube`; goal is empty where the task has none.
    """

    task: str
    object: str
    goal: str = ""


def understood(text: str, objects: Iterable[str] = KNOWN) -> Request:
    """What `text` asks to do with `objects`. Raises ContractError saying what can be said."""
    names = sorted(objects, key=lambda name: KNOWN.index(name) if name in KNOWN else len(KNOWN))
    things = [name for name in names if not _is_container(name)]
    containers = [name for name in names if _is_container(name)]
    words = text.lower()
    where = list(_INTO.finditer(words))
    if _HAND.search(words):
        named = _named(words, [name for name in things if name.split("_")[-1] == BAR])
        if len(named) == 1 and not _TO_LEFT.search(words):
            return Request("handover", named[0])
    elif where and containers and _PLACE.search(words):
        named, goals = _named(words[: where[-1].start()], things), _named(words[where[-1].end() :], containers)
        if len(named) == 1 and len(goals) == 1:
            return Request("place", named[0], goals[0])
    elif _LIFT.search(words) and len(named := _named(words, things)) == 1:
        return Request("lift", named[0])
    raise ContractError(f"instruction.text: '{text}' is not understood here; allowed {_allowed(things, containers)}")


def _named(words: str, names: Iterable[str]) -> list[str]:
    """Names all of whose words are there."""
    return [name for name in names if all(re.search(rf"\b{word}\b", words) for word in name.split("_"))]


def _is_container(name: str) -> bool:
    return name.split("_")[-1] == CONTAINER


def _allowed(things: list[str], containers: list[str]) -> str:
    lifts = [f"'pick up the {spoken(name)}'" for name in things]
    places = [f"'put the {spoken(things[0])} into the {spoken(name)}'" for name in containers if things]
    bars = [spoken(name) for name in things if name.split("_")[-1] == BAR]
    passes = [f"'hand the {bar} from the left arm to the right arm'" for bar in bars]
    told = [*lifts[:_TOLD], *places[:1], *passes[:1]]
    return ", ".join(told) + (", and the like" if len(told) < len(lifts) + len(places) + len(passes) else "")


def spoken(name: str) -> str:
    """`red cube` of `red_cube`."""
    return name.replace("_", " ")
