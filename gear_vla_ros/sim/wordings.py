"""How a task is said. Held-out wordings are never used in training data; evaluation may ask for them."""

from collections.abc import Mapping

import numpy as np

from gear_vla_ros.contracts.naming import spoken

TRAINING: Mapping[str, tuple[str, ...]] = {
    "lift": (
        "pick up the {object}",
        "lift the {object}",
        "grasp the {object} and lift it",
        "take the {object} from the table",
        "pick the {object} up",
        "please pick up the {object}",
        "grab the {object}",
    ),
    "place": (
        "put the {object} into the {goal}",
        "place the {object} in the {goal}",
        "put the {object} in the {goal}",
        "pick up the {object} and put it into the {goal}",
        "drop the {object} into the {goal}",
        "take the {object} and place it in the {goal}",
    ),
    "handover": (
        "hand the {object} from the left arm to the right arm",
        "pick up the {object} with the left arm and hand it to the right arm",
        "pass the {object} from the left hand to the right hand",
        "take the {object} with the left arm and pass it to the right",
    ),
    "flip_label": (
        "turn the {object} so that its label faces up",
        "flip the {object} until its label is on top",
        "lay the {object} down with its label up",
        "turn the label of the {object} upwards",
    ),
}
HELD_OUT: Mapping[str, tuple[str, ...]] = {
    "lift": ("raise the {object}", "could you hold up the {object}"),
    "place": ("set the {object} down inside the {goal}", "the {object} belongs in the {goal}"),
    "handover": ("give the {object} to the right hand", "transfer the {object} from left to right"),
    "flip_label": (
        "the label of the {object} should face the ceiling",
        "make the label of the {object} readable from above",
    ),
}


def say(task: str, object_name: str, goal: str, random: np.random.Generator, held_out: bool = False) -> str:
    """One sentence for a task with objects by name, as `red_cube`."""
    wordings = (HELD_OUT if held_out else TRAINING)[task]
    return str(random.choice(wordings)).format(object=spoken(object_name), goal=spoken(goal))
