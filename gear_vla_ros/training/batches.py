"""Which samples a step is made of, and everything random about them: pure functions of seed and step.

So a run goes on at any step as if it had never stopped, and processes that share a step draw the same and take their
part.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gear_vla_ros.contracts import VIEW_ROLES
from gear_vla_ros.model import text
from gear_vla_ros.model.gear_vla import GearVla, Inputs
from gear_vla_ros.settings.model import NUMBERS_PER_ARM
from gear_vla_ros.training.curriculum import Permutation
from gear_vla_ros.training.grounding import NAMED
from gear_vla_ros.training.losses import IGNORE
from gear_vla_ros.training.prepared import NOTHING, Prepared
from gear_vla_ros.training.targets import Targets

GAIN, TINT, OFFSET, NOISE = 0.25, 0.06, 0.06, 0.02
"""Of the pictures' augmentation, for values 0 to 1."""


@dataclass(frozen=True)
class Batch:
    """inputs; actions `[B, K, D]` in m and rot6d, valid bool of the same shape; codes `[B, N]` and fast `[B, L]`, ids
    from 0 or IGNORE; near `[B, NAMED, 2, 6]` [m] with near_known bool `[B, NAMED, 2]`, and point `[B, NAMED, 2]` in
    the head view; words `[W]`, ids of all words of objects' names, and shown bool `[B, T, W]`, which tokens of the head
    view show them. first, whole: where this part begins in the step's batch, and how many samples that has."""

    inputs: Inputs
    actions: Tensor
    valid: Tensor
    codes: Tensor
    fast: Tensor
    near: Tensor
    near_known: Tensor
    point: Tensor
    words: Tensor
    shown: Tensor
    first: int
    whole: int


@dataclass(frozen=True)
class Source:
    """Samples of one robot, and what is to be said about them."""

    samples: Prepared
    targets: Targets


class Batches:
    """Batch of a step; each of one robot, robots in turn by how many samples they have.

    retold: share of samples whose instruction names another object; of those only the grounding is to be learned.
    """

    def __init__(
        self, sources: Sequence[Source], model: GearVla, batch: int, steps: int, seed: int, retold: float, vary: bool
    ) -> None:
        self._sources, self._tokens, self._spec = sources, model.tokens, model.spec
        self._batch, self._seed, self._retold, self._vary = batch, seed, retold, vary
        shares = np.array([len(source.samples) for source in sources], np.float64)
        names = {
            word for source in sources for names in source.samples.names for name in names for word in name.split("_")
        }
        self._words = {word: self._tokens.encode(word)[0] for word in sorted(names)}
        self._turns = np.random.default_rng([seed, 0]).choice(len(sources), size=steps, p=shares / shares.sum())
        self._before = np.zeros(steps, np.int64)
        for index in range(len(sources)):
            mine = self._turns == index
            self._before[mine] = np.arange(mine.sum())

    def rows(self, step: int) -> tuple[Source, NDArray[np.int64]]:
        """The step's robot, and its samples `[B]`: each once before any comes again."""
        index = int(self._turns[step])
        source = self._sources[index]
        count, first = len(source.samples), int(self._before[step]) * self._batch
        rows = []
        for drawn in range(first, first + self._batch):
            epoch, within = divmod(drawn, count)
            rows.append(Permutation(count, f"{self._seed}/{index}/{epoch}")[within])
        return source, np.array(rows)

    def batch(self, step: int, rank: int = 0, processes: int = 1) -> Batch:
        """The part of one of the processes; the batch is a multiple of their number."""
        source, rows = self.rows(step)
        random = np.random.default_rng([self._seed, 1, step])
        retold = random.random(len(rows)) < self._retold
        other, shade = random.random(len(rows)), random.random((len(rows), 3, 8))
        mine = slice(rank * len(rows) // processes, (rank + 1) * len(rows) // processes)
        grain = np.random.default_rng([self._seed, 2, step, mine.start])
        return self._collate(source, rows[mine], mine.start, retold[mine], other[mine], shade[mine], grain)

    def _collate(
        self,
        source: Source,
        rows: NDArray[np.int64],
        first: int,
        retold: NDArray[np.bool_],
        other: NDArray[np.float64],
        shade: NDArray[np.float64],
        grain: np.random.Generator,
    ) -> Batch:
        samples, count = source.samples, len(rows)
        near = np.zeros((count, NAMED, 2, 6), np.float32)
        point = np.zeros((count, NAMED, 2), np.float32)
        near_known = np.zeros((count, NAMED, 2), bool)
        sentences, own = [], np.ones(count, bool)
        for at, row in enumerate(rows.tolist()):
            named, choices = list(samples.named(row)), samples.others(row)
            sentences.append(samples.texts[samples.task[row]])
            if retold[at] and choices and named[0] != NOTHING:
                instead = choices[int(other[at] * len(choices))]
                sentences[-1], named[0], own[at] = samples.retold(row, instead), instead, False
            for index, thing in enumerate(named):
                if thing != NOTHING:
                    near[at, index], near_known[at, index] = samples.near[row, thing], samples.arms
                    point[at, index] = samples.point[row, thing]
        known = samples.known[rows] & own[:, None]
        valid = known[..., None] & samples.arms.repeat(NUMBERS_PER_ARM)
        codes = np.where(own[:, None], source.targets.codes[rows], IGNORE)
        said = [source.targets.fast[row] if own[at] else [] for at, row in enumerate(rows.tolist())]
        return Batch(
            inputs=self._inputs(samples, rows, sentences, shade, grain),
            actions=torch.from_numpy(np.where(valid, samples.actions[rows], 0.0).astype(np.float32)),
            valid=torch.from_numpy(valid),
            codes=torch.from_numpy(codes),
            fast=_padded(said),
            near=torch.from_numpy(near),
            near_known=torch.from_numpy(near_known),
            point=torch.from_numpy(point),
            words=torch.tensor(list(self._words.values()), dtype=torch.long),
            shown=torch.from_numpy(self._shown(samples, rows)),
            first=first,
            whole=self._batch,
        )

    def _shown(self, samples: Prepared, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        side = round(self._spec.tokens_per_view**0.5)
        at = {word: index for index, word in enumerate(self._words)}
        shown = np.zeros((len(rows), side * side, len(at)), bool)
        for row, sample in enumerate(rows.tolist()):
            for index, name in enumerate(samples.names_of(sample)):
                column, line = (samples.point[sample, index] * side).astype(int)
                if 0 <= column < side and 0 <= line < side:
                    shown[row, line * side + column, [at[word] for word in name.split("_")]] = True
        return shown

    def _inputs(
        self,
        samples: Prepared,
        rows: NDArray[np.int64],
        sentences: list[str],
        shade: NDArray[np.float64],
        grain: np.random.Generator,
    ) -> Inputs:
        count, size = len(rows), self._spec.view_size
        views = torch.zeros(count, len(VIEW_ROLES), 3, size, size)
        order = np.argsort(rows)
        pictures = np.empty((count, *samples.views.shape[1:]), np.uint8)
        pictures[order] = samples.views[rows[order]]
        for index, role in enumerate(samples.roles):
            shown = torch.from_numpy(pictures[:, index]).permute(0, 3, 1, 2).float() / 255
            view = VIEW_ROLES.index(role)  # type: ignore[arg-type]
            views[:, view] = varied(shown, shade[:, view], grain) if self._vary else shown
        present = torch.tensor([role in samples.roles for role in VIEW_ROLES]).expand(count, -1)
        arms = torch.from_numpy(samples.arms).expand(count, -1)
        ids, mask = text.batch(self._tokens, sentences, self._spec.max_text_tokens)
        return Inputs(views, present, samples.embodiment, torch.from_numpy(samples.state[rows]), arms, ids, mask)


def varied(shown: Tensor, shade: NDArray[np.float64], grain: np.random.Generator) -> Tensor:
    """Pictures `[B, 3, S, S]` in another light, by numbers `[B, 8]` of 0 to 1; black bars stay black."""
    drawn = torch.from_numpy(2 * shade - 1).float()
    gain = 1 + GAIN * drawn[:, :1] + TINT * drawn[:, 1:4]  # [B, 3]
    offset = OFFSET * drawn[:, 4:5]
    noise = torch.from_numpy(grain.standard_normal(shown.shape, dtype=np.float32)) * NOISE
    lit = (shown * gain[..., None, None] + offset[..., None, None] + noise).clamp(0, 1)
    return torch.where(shown.amax(dim=1, keepdim=True) > 0, lit, shown)


def _padded(rows: list[list[int]]) -> Tensor:
    longest = max(1, *map(len, rows))
    return torch.tensor([[*row, *[IGNORE] * (longest - len(row))] for row in rows])
