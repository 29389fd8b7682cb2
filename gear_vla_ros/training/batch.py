"""What one step of training is computed from."""

from dataclasses import dataclass

from torch import Tensor

from gear_vla_ros.model.gear_vla import Inputs


@dataclass(frozen=True)
class Batch:
    """inputs; actions `[B, K, D]` in m and rot6d, earlier: what may be under way at the same time, valid: bool, all of
    the same shape; codes `[B, N]` and fast `[B, L]`, ids from 0 or IGNORE; near `[B, NAMED, 2, 6]` [m] with near_known
    bool `[B, NAMED, 2]`, turn `[B, 2, TURN_NUMBERS]` of the object (`whereabouts.turns`; NaN: not
    known), and point `[B, NAMED, V, 2]`, where each view shows them, shares of its width and height;
    lies `[B, V, T, LIES_NUMBERS]`, how what a token shows lies in a wrist's tool frame, for the head in the base's;
    words `[W]`, ids of all words of objects' names, and shown bool `[B, V, T, W]`, which tokens show them; naming bool
    `[B, L]`, tokens of the text that name the object. acting: whether anything is done in the robot's data, the same in
    all processes. first, whole: where this part begins in the step's batch, and how many samples that has."""

    inputs: Inputs
    actions: Tensor
    earlier: Tensor
    valid: Tensor
    codes: Tensor
    fast: Tensor
    near: Tensor
    near_known: Tensor
    turn: Tensor
    lies: Tensor
    point: Tensor
    words: Tensor
    shown: Tensor
    naming: Tensor
    acting: bool
    first: int
    whole: int
