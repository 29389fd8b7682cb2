"""A grounding loss on what the action expert will see.

No gradient of the flow reaches the language model (paper, 3.1). So in a network without pretrained parents nothing
would tell the latent action tokens where the named object is. In training a small head reads, from the same keys and
values that the expert gets, where the named object and its goal are from each tool, how the object lies there, and a
coarse chunk. It is not part of the network.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from gear_vla_ros.model.expert import Latents
from gear_vla_ros.model.qwen import MERGE
from gear_vla_ros.settings.model import ARMS, ModelSpec
from gear_vla_ros.training.whereabouts import LIES_NUMBERS, TURN_NUMBERS

NEAR_M, NEAREST_M = 0.15, 0.03
"""Distances are in units of the first; errors in units of the distance, which is between the two."""
NAMED = 2
"""The object, and where it is to go."""
CELLS = 16
"""Of the head view, along each side."""
EVERY = 5
"""Steps of the chunk between those that are read."""
HIDDEN, LIES_HIDDEN = 256, 128
WORD_SCALE, WORD_SELDOM, WORD_POSITIVE = 8.0, 3.0, 4.0
"""Of scores of words: their scale, how seldom a word is shown where nothing is known, and the weight of one that is."""
CELL_SHARE = 0.2
"""Weight of the cell's loss, whose unit is larger."""
LOOKING = slice(1, 3)
"""Layers of the language model in which the latents are taught where to look: after the one that reads."""
LOOKERS, LOOKERS_OF = (0, 1, 2), 4
"""Head of each view, of so many."""
LEAST_LOOK = 1e-6
LOOK_SHARE, READ_SHARE = 0.2, 0.1
"""Weights of that loss, whose unit is larger, and of the one on the words that are read."""
TURN_SHARE, LIES_SHARE = 2.0, 1.0
"""Weights of the losses on how objects lie, which few samples know: of the latents, and of picture tokens."""
WORD_SHARE = 4.0
"""Weight of the words' loss: most tokens show none, so that it is small."""


class Read(NamedTuple):
    """places `[B, NAMED, ARMS, 6]`; turn `[B, ARMS, TURN_NUMBERS]`; cells of the head view `[B, NAMED, CELLS^2]`
    (logits); coarse chunks `[B, K / EVERY, D]`."""

    places: Tensor
    turn: Tensor
    cells: Tensor
    chunk: Tensor


class GroundingHead(nn.Module):
    """From latents' keys and values to what is read from them; `lies`: from picture tokens `[..., D]` to how what they
    show lies there; `edges`: the same from what the stem's convolutions find."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        language = spec.language
        numbers = 2 * language.depth * language.kv_heads * language.head_dim * spec.latents.tokens
        self.coarse = spec.expert.steps // EVERY, spec.action_numbers
        self.read = nn.Sequential(nn.LayerNorm(numbers), nn.Linear(numbers, HIDDEN), nn.GELU())
        self.places = nn.Linear(HIDDEN, NAMED * ARMS * 6)
        self.cells = nn.Linear(HIDDEN, NAMED * CELLS**2)
        self.lies = nn.Sequential(
            nn.Linear(language.width, LIES_HIDDEN), nn.GELU(), nn.Linear(LIES_HIDDEN, LIES_NUMBERS)
        )
        self.turn = nn.Linear(HIDDEN, ARMS * TURN_NUMBERS)
        if channels := spec.vision.convolutions:
            self.edges = nn.Sequential(
                nn.Linear(MERGE**2 * channels, LIES_HIDDEN), nn.GELU(), nn.Linear(LIES_HIDDEN, LIES_NUMBERS)
            )
        self.chunk = nn.Linear(HIDDEN, self.coarse[0] * self.coarse[1])

    def take_over(self, trained: Mapping[str, Tensor]) -> None:
        """What a head that was trained before has; what that one lacked begins anew."""
        self.load_state_dict(dict(self.state_dict()) | dict(trained))

    def forward(self, latents: Latents) -> Read:
        """In units of the losses."""
        parts = [part.flatten(1) for part in (*latents.keys, *latents.values)]
        hidden = self.read(torch.cat(parts, dim=1).float())
        return Read(
            places=self.places(hidden).unflatten(1, (NAMED, ARMS, 6)),
            turn=self.turn(hidden).unflatten(1, (ARMS, TURN_NUMBERS)),
            cells=self.cells(hidden).unflatten(1, (NAMED, -1)),
            chunk=self.chunk(hidden).unflatten(1, self.coarse),
        )


def place_loss(found: Tensor, near: Tensor, known: Tensor) -> Tensor:
    """near: `[B, NAMED, ARMS, 6]` [m]; known: bool `[B, NAMED, ARMS]`. Scalar; 0 where nothing is known.

    The nearer a tool is the more counts: a centimetre decides about a grasp, and about nothing half a metre away.
    """
    away = near[..., :3].norm(dim=-1, keepdim=True).clamp(NEAREST_M, NEAR_M)
    wrong = (found * NEAR_M - near) / away
    error = functional.smooth_l1_loss(wrong, torch.zeros_like(wrong), reduction="none", beta=0.1).mean(dim=-1)
    return (error * known).sum() / known.sum().clamp_min(1)


def turn_loss(found: Tensor, turn: Tensor) -> Tensor:
    """Of the same shape `[B, ..., n]`, NaN in `turn` where it is not known. Scalar; 0 where nothing is. The sum over a
    sample, and the mean over all samples, so that processes that share a batch find the same as one.

    Twice and four times an angle has no ends, and is the same for all that look the same; the mean over the ways to
    turn a hand that lead to the same grasp would be to turn it nowhere.
    """
    known = turn.isfinite()
    error = functional.smooth_l1_loss(found, turn.nan_to_num(), reduction="none", beta=0.2)
    return (error * known).sum() / (found.shape[0] * found.shape[-1])


def cell_loss(logits: Tensor, point: Tensor, known: Tensor) -> Tensor:
    """In which cell of the head view: logits `[B, NAMED, CELLS^2]`; point `[B, NAMED, 2]`, shares of its width and
    height; known: bool `[B, NAMED]`. Scalar; a point outside the view does not count.

    A class can be one of several objects before it is known which; a mean of places cannot, and stays where it is.
    """
    inside = known & (point >= 0).all(dim=-1) & (point < 1).all(dim=-1)
    at = (point.clamp(0, 1 - 1e-6) * CELLS).long()  # [B, NAMED, 2]
    cell = at[..., 1] * CELLS + at[..., 0]
    losses = functional.cross_entropy(logits.flatten(0, 1), cell.flatten(), reduction="none").view_as(cell)
    return (losses * inside).sum() / inside.sum().clamp_min(1)


def chunk_loss(found: Tensor, normal: Tensor, valid: Tensor) -> Tensor:
    """normal: normalised chunks `[B, K, D]`; valid: bool of the same shape. Scalar."""
    picked = slice(EVERY - 1, None, EVERY)
    error = functional.smooth_l1_loss(found, normal[:, picked], reduction="none", beta=0.2)
    there = valid[:, picked]
    return (error * there).sum() / there.sum().clamp_min(1)


def look_loss(paid: Sequence[Tensor], views: Sequence[slice], point: Tensor, kept: Tensor) -> Tensor:
    """Where the latents look: in some layers one head a view is to look at the token that shows the named object.

    paid: attention of the latents in each layer `[B, H, Q, K]`; views: their slices of K, empty where there is none;
    point: `[B, V, 2]`, shares of a view's width and height; kept: bool `[B, V]`, views that are not hidden. Scalar.
    """
    inside = kept & (point >= 0).all(dim=-1) & (point < 1).all(dim=-1)  # [B, V]
    losses = []
    for view, at in enumerate(views):
        side = round((at.stop - at.start) ** 0.5)
        if not side:
            continue
        aim = nearby_tokens(point[:, view], side)[:, None]  # [B, 1, T]
        for weights in paid[LOOKING]:
            head = LOOKERS[view] * weights.shape[1] // LOOKERS_OF
            log = weights[:, head, :, at].float().clamp_min(LEAST_LOOK).log()  # [B, Q, T]
            losses.append(-(log * aim).sum(dim=-1).mean(dim=-1) * inside[:, view])
    return torch.stack(losses).sum() / (len(paid[LOOKING]) * inside.sum()).clamp_min(1)


def read_loss(paid: Tensor, text: slice, naming: Tensor) -> Tensor:
    """In the first layer one head is to read the words that name the object: paid `[B, H, Q, K]`; naming: bool
    `[B, L]` of the tokens of the text. Scalar."""
    reading = (paid[:, -1, :, text].float() * naming[:, None]).sum(dim=-1)  # [B, Q]
    named = naming.any(dim=-1)
    return -(reading.clamp_min(LEAST_LOOK).log().mean(dim=-1) * named).sum() / named.sum().clamp_min(1)


def nearby_tokens(point: Tensor, side: int) -> Tensor:
    """Shares `[..., side^2]` of the (up to four) tokens around `point` [..., 2], which add up to one: bilinear."""
    at = (point * side - 0.5).clamp(0, side - 1)[..., None]  # [..., 2, 1]
    share = (1 - (at - torch.arange(side, device=point.device)).abs()).clamp_min(0)  # [..., 2, side]
    return (share[..., 1, :, None] * share[..., 0, None, :]).flatten(-2)


def word_loss(tokens: Tensor, words: Tensor, shown: Tensor) -> Tensor:
    """Which words each picture token shows, as GLIP aligns words and regions (Li et al. 2022): tokens `[B, T, D]`,
    words `[W, D]` as the language model reads them, shown: bool `[B, T, W]`. Scalar.

    So a word is a key to the tokens that show it, before the language model has learned to look for it.
    """
    scores = tokens.float() @ words.float().transpose(0, 1) * tokens.shape[-1] ** -0.5 * WORD_SCALE - WORD_SELDOM
    weight = torch.where(shown, WORD_POSITIVE, 1.0)
    return functional.binary_cross_entropy_with_logits(scores, shown.float(), weight=weight)
