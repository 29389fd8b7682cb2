"""What a sentence asks for: the tasks and objects that scripted experts and simulated tasks understand."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gear_vla_ros.contracts.checks import ContractError

COLOURS = ("red", "green", "blue", "yellow", "orange", "purple")
BALL = "ball"
KINDS = ("cube", "block", "cylinder", BALL)
ROUND = ("cylinder", BALL)
CONTAINER, BAR, PARCEL = "bowl", "bar", "parcel"
"""A parcel has a label, on the face where its own x axis comes out."""
KNOWN = tuple(f"{colour}_{kind}" for kind in (*KINDS, BAR, PARCEL, CONTAINER) for colour in COLOURS)

_PLACE = re.compile(r"\b(put|place|drop|set|move|lay|goes|belongs)\b")
_INTO = re.compile(r"\b(into|inside|in|to)\b")
_LIFT = re.compile(r"\b(pick\b.*\bup|lift|grasp|take|raise|grab|hold up)\b")
_HAND = re.compile(r"\b(hand|pass|give|transfer)\b")
_LABEL = re.compile(r"\blabel\b")
_TO_LEFT = re.compile(r"\bto\b.*\bleft\b")
_TOLD = 6
TWO_ARMED: Mapping[str, str] = {"handover": "a handover", "flip_label": "turning a parcel"}
"""Tasks that need two arms, and what they are called."""


@dataclass(frozen=True)
class Request:
    """task: `lift`, `place`, `handover` (of a bar, from the left arm to the right) or `flip_label` (of a parcel).

    object, goal: names as `red_cube`; goal is empty where the task has none.
    """

    task: str
    object: str
    goal: str = ""


def understood(text: str, objects: Iterable[str] = KNOWN) -> Request:
    """What `text` asks to do with `objects`. Raises ContractError saying what can be said."""
    names = sorted(objects, key=lambda name: KNOWN.index(name) if name in KNOWN else len(KNOWN))
    things = [name for name in names if not is_container(name)]
    containers = [name for name in names if is_container(name)]
    words = text.lower()
    where = list(_INTO.finditer(words))
    if _LABEL.search(words):
        named = _named(words, _of_kind(PARCEL, things))
        if len(named) == 1:
            return Request("flip_label", named[0])
    elif _HAND.search(words):
        named = _named(words, _of_kind(BAR, things))
        if len(named) == 1 and not _TO_LEFT.search(words):
            return Request("handover", named[0])
    elif where and containers and _PLACE.search(words):
        named, goals = _named(words[: where[-1].start()], things), _named(words[where[-1].end() :], containers)
        if len(named) == 1 and len(goals) == 1:
            return Request("place", named[0], goals[0])
    elif _LIFT.search(words) and len(named := _named(words, things)) == 1:
        return Request("lift", named[0])
    raise ContractError(f"instruction.text: '{text}' is not understood here; allowed {_allowed(things, containers)}")


def kind_of(name: str) -> str:
    """Of an object's name: `red_ball` is a `ball`."""
    return name.split("_")[-1]


def _named(words: str, names: Iterable[str]) -> list[str]:
    """Names all of whose words are there."""
    return [name for name in names if all(re.search(rf"\b{word}\b", words) for word in name.split("_"))]


def _of_kind(kind: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if kind_of(name) == kind]


def is_container(name: str) -> bool:
    """Whether other objects are put into it."""
    return kind_of(name) == CONTAINER


def _allowed(things: list[str], containers: list[str]) -> str:
    lifts = [f"'pick up the {spoken(name)}'" for name in things]
    places = [f"'put the {spoken(things[0])} into the {spoken(name)}'" for name in containers if things]
    passes = [f"'hand the {spoken(bar)} from the left arm to the right arm'" for bar in _of_kind(BAR, things)]
    flips = [f"'turn the {spoken(name)} so that its label faces up'" for name in _of_kind(PARCEL, things)]
    told = [*lifts[:_TOLD], *places[:1], *passes[:1], *flips[:1]]
    return ", ".join(told) + (", and the like" if len(told) < len(lifts + places + passes + flips) else "")


def check_arms(request: Request, robot: str, arms: int) -> None:
    """Raises ContractError when the robot has not the arms for it."""
    if request.task in TWO_ARMED and arms < 2:
        what = TWO_ARMED[request.task]
        raise ContractError(f"instruction.text: {what} needs two arms, robot {robot} has one")


def spoken(name: str) -> str:
    """`red cube` of `red_cube`."""
    return name.replace("_", " ")
