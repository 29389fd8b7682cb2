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
from gear_vla_ros.engines.arrays import SIDES
from gear_vla_ros.model import text
from gear_vla_ros.model.gear_vla import GearVla, Inputs
from gear_vla_ros.settings import load_robot
from gear_vla_ros.settings.model import ARMS, NUMBERS_PER_ARM
from gear_vla_ros.settings.training import TrainingSpec
from gear_vla_ros.training.batch import Batch
from gear_vla_ros.training.curriculum import Permutation
from gear_vla_ros.training.delays import earlier_chunks, followed_instead
from gear_vla_ros.training.grounding import NAMED
from gear_vla_ros.training.losses import IGNORE
from gear_vla_ros.training.mirrored import Mirror, mirror_of, mirrored, says_a_side
from gear_vla_ros.training.prepared import HZ, NOTHING, Prepared
from gear_vla_ros.training.sides import changed
from gear_vla_ros.training.targets import Targets
from gear_vla_ros.training.whereabouts import LIES_NUMBERS, TURN_NUMBERS, UNSEEN

OFFSET, NOISE = 0.06, 0.02
"""Of the pictures' augmentation, for values 0 to 1."""


@dataclass(frozen=True)
class Source:
    """Samples of one robot, and what is to be said about them."""

    samples: Prepared
    targets: Targets


@dataclass(frozen=True)
class Drawn:
    """Everything random about samples: whether each names another object, and which (0 to 1); `shade` `[B, 3, 8]` of
    each view's light; `moved` `[B, 2]`, columns and lines by which the head's picture moves; grain: of pixels; ages
    `[B]`: how many samples before the one is that gives first steps; followed `[B]`: whether what was followed does."""

    retold: NDArray[np.bool_]
    other: NDArray[np.float64]
    shade: NDArray[np.float64]
    moved: NDArray[np.int64]
    grain: np.random.Generator
    ages: NDArray[np.int64]
    followed: NDArray[np.bool_]


class Batches:
    """Batch of a step; each of one robot, robots in turn by how many samples they have. Raises ValueError where a
    robot is to be seen in a mirror and is not its own mirror image.

    Of samples whose instruction was made to name another object only the grounding is to be learned.
    """

    def __init__(self, sources: Sequence[Source], model: GearVla, training: TrainingSpec) -> None:
        self._sources, self._tokens, self._spec, self._training = sources, model.tokens, model.spec, training
        self._batch, self._seed = training.batch, training.seed
        self._rows = [learned_from(source.samples, training.held) for source in sources]
        self._mirrors = [_mirror(source.samples) if training.mirrored else None for source in sources]
        shares = np.array([len(rows) for rows in self._rows], np.float64)
        names = {
            word for source in sources for names in source.samples.names for name in names for word in name.split("_")
        }
        ids = {word: self._tokens.encode(word) for word in sorted(names)}
        self._words = {word: pieces[0] for word, pieces in ids.items() if len(pieces) == 1}
        self._turns = np.random.default_rng([self._seed, 0]).choice(
            len(sources), size=training.steps, p=shares / shares.sum()
        )
        self._before = np.zeros(training.steps, np.int64)
        for index in range(len(sources)):
            mine = self._turns == index
            self._before[mine] = np.arange(mine.sum())

    def rows(self, step: int) -> tuple[Source, NDArray[np.int64]]:
        """The step's robot, and its samples `[B]`: each once before any comes again."""
        index = int(self._turns[step])
        source = self._sources[index]
        count, first = len(self._rows[index]), int(self._before[step]) * self._batch
        rows = []
        for drawn in range(first, first + self._batch):
            epoch, within = divmod(drawn, count)
            rows.append(Permutation(count, f"{self._seed}/{index}/{epoch}")[within])
        return source, self._rows[index][rows]

    def batch(self, step: int, rank: int = 0, processes: int = 1) -> Batch:
        """The part of one of the processes; the batch is a multiple of their number."""
        source, rows = self.rows(step)
        random = np.random.default_rng([self._seed, 1, step])
        retold = random.random(len(rows)) < self._training.retold
        other, shade = random.random(len(rows)), random.random((len(rows), 3, 8))
        moved = random.uniform(-1, 1, (len(rows), 2)) * self._training.head_moved * self._spec.view_size
        oldest = round(self._training.given_age_s * HZ)
        ages = random.integers(min(1, oldest), oldest + 1, len(rows))
        followed = random.random(len(rows)) < self._training.given_followed
        mine = slice(rank * len(rows) // processes, (rank + 1) * len(rows) // processes)
        grain = np.random.default_rng([self._seed, 2, step, mine.start])
        pixels = moved.round().astype(int)
        drawn = Drawn(retold[mine], other[mine], shade[mine], pixels[mine], grain, ages[mine], followed[mine])
        batch = self._collate(source, rows[mine], mine.start, drawn)
        one_arm = self._training.either_side and source.samples.arms.sum() == 1
        if one_arm and random.random() < 0.5:
            return changed(batch)
        mirror = self._mirrors[int(self._turns[step])]
        return mirrored(batch, mirror) if mirror and random.random() < self._training.mirrored else batch

    def _collate(
        self,
        source: Source,
        rows: NDArray[np.int64],
        first: int,
        drawn: "Drawn",
    ) -> Batch:
        samples, count = source.samples, len(rows)
        roles = [VIEW_ROLES.index(role) for role in samples.roles]  # type: ignore[arg-type]
        near = np.zeros((count, NAMED, 2, 6), np.float32)
        point = np.full((count, NAMED, len(VIEW_ROLES), 2), UNSEEN, np.float32)
        near_known = np.zeros((count, NAMED, 2), bool)
        turn = np.full((count, ARMS, TURN_NUMBERS), np.nan, np.float32)
        points = self._points(samples, rows, drawn.moved)
        sentences, names, own = [], [], np.ones(count, bool)
        for at, row in enumerate(rows.tolist()):
            named, choices = list(samples.named(row)), samples.others(row)
            sentences.append(samples.texts[samples.task[row]])
            if drawn.retold[at] and choices and named[0] != NOTHING:
                instead = choices[int(drawn.other[at] * len(choices))]
                sentences[-1], named[0], own[at] = samples.retold(row, instead), instead, False
            names.append("" if named[0] == NOTHING else samples.names_of(row)[named[0]])
            if named[0] != NOTHING:
                turn[at, samples.arms] = samples.turn[row, named[0]][samples.arms]
            for index, thing in enumerate(named):
                if thing != NOTHING:
                    near[at, index], near_known[at, index] = samples.near[row, thing], samples.arms
                    point[at, index, roles] = points[at, thing]
        known = samples.known[rows] & own[:, None]
        valid = known[..., None] & samples.arms.repeat(NUMBERS_PER_ARM)
        codes = np.where(own[:, None], source.targets.codes[rows], IGNORE)
        said = [source.targets.fast[row] if own[at] else [] for at, row in enumerate(rows.tolist())]
        inputs = self._inputs(samples, rows, sentences, drawn)
        earlier = earlier_chunks(samples, rows, drawn.ages, self._spec.expert.rate_hz)
        earlier = followed_instead(earlier, samples, rows, drawn.followed)
        return Batch(
            inputs=inputs,
            actions=torch.from_numpy(np.where(valid, samples.actions[rows], 0.0).astype(np.float32)),
            earlier=torch.from_numpy(np.where(valid, earlier, 0.0).astype(np.float32)),
            valid=torch.from_numpy(valid),
            codes=torch.from_numpy(codes),
            fast=_padded(said),
            near=torch.from_numpy(near),
            near_known=torch.from_numpy(near_known),
            turn=torch.from_numpy(turn),
            lies=torch.from_numpy(self._lies(samples, rows, points)),
            point=torch.from_numpy(point),
            words=torch.tensor(list(self._words.values()), dtype=torch.long),
            shown=torch.from_numpy(self._shown(samples, rows, points)),
            naming=self._naming(inputs.text, names),
            acting=samples.acting,
            first=first,
            whole=self._batch,
        )

    def _naming(self, text: Tensor, names: Sequence[str]) -> Tensor:
        ids = [[self._words[word] for word in name.split("_") if word in self._words] for name in names]
        return torch.stack(
            [torch.isin(row, torch.tensor(of, dtype=row.dtype)) for row, of in zip(text, ids, strict=True)]
        )

    def _points(self, samples: Prepared, rows: NDArray[np.int64], moved: NDArray[np.int64]) -> NDArray[np.float32]:
        """`[B, M, V, 2]`: where the views show the objects, the head's moved with its picture."""
        points = samples.point[rows]
        there, by = (points != UNSEEN).any(axis=-1, keepdims=True), np.zeros_like(points)
        by[:, :, samples.roles.index("head")] = moved[:, None] / self._spec.view_size
        return np.where(there, points + by, points)

    def _shown(self, samples: Prepared, rows: NDArray[np.int64], points: NDArray[np.float32]) -> NDArray[np.bool_]:
        side = round(self._spec.tokens_per_view**0.5)
        at = {word: index for index, word in enumerate(self._words)}
        shown = np.zeros((len(rows), len(VIEW_ROLES), side * side, len(at)), bool)
        for row, sample in enumerate(rows.tolist()):
            for index, name in enumerate(samples.names_of(sample)):
                words = [at[word] for word in name.split("_") if word in at]
                for role, (column, line) in zip(samples.roles, points[row, index] * side, strict=True):
                    if 0 <= column < side and 0 <= line < side:
                        view = VIEW_ROLES.index(role)  # type: ignore[arg-type]
                        shown[row, view, int(line) * side + int(column), words] = True
        return shown

    def _lies(self, samples: Prepared, rows: NDArray[np.int64], points: NDArray[np.float32]) -> NDArray[np.float32]:
        side = round(self._spec.tokens_per_view**0.5)
        lies = np.full((len(rows), len(VIEW_ROLES), side * side, LIES_NUMBERS), np.nan, np.float32)
        for role, place in zip(samples.roles, np.moveaxis(points * side, 2, 0), strict=True):
            arm = SIDES.index(role.removesuffix("_wrist")) if role != "head" else int(samples.arms.argmax())
            turn = samples.turn[rows, :, arm]  # [B, M, TURN_NUMBERS]
            numbers = turn[..., LIES_NUMBERS:] if role == "head" else turn[..., :LIES_NUMBERS]
            known = np.isfinite(numbers).any(axis=-1) & (place >= 0).all(axis=-1) & (place < side).all(axis=-1)
            at = place.astype(int)
            sample, thing = np.nonzero(known)
            token = at[sample, thing, 1] * side + at[sample, thing, 0]
            lies[sample, VIEW_ROLES.index(role), token] = numbers[sample, thing]  # type: ignore[arg-type]
        return lies

    def _inputs(
        self,
        samples: Prepared,
        rows: NDArray[np.int64],
        sentences: list[str],
        drawn: "Drawn",
    ) -> Inputs:
        count, size = len(rows), self._spec.view_size
        views = torch.zeros(count, len(VIEW_ROLES), 3, size, size)
        order = np.argsort(rows)
        pictures = np.empty((count, *samples.views.shape[1:]), np.uint8)
        pictures[order] = samples.views[rows[order]]
        head = samples.roles.index("head")
        pictures[:, head] = displaced(pictures[:, head], drawn.moved)
        for index, role in enumerate(samples.roles):
            shown = torch.from_numpy(pictures[:, index]).permute(0, 3, 1, 2).float() / 255
            view = VIEW_ROLES.index(role)  # type: ignore[arg-type]
            if (told := self._training).vary_pictures:
                shown = varied(shown, drawn.shade[:, view], drawn.grain, told.light, told.tint)
            views[:, view] = shown
        present = torch.tensor([role in samples.roles for role in VIEW_ROLES]).expand(count, -1)
        arms = torch.from_numpy(samples.arms).expand(count, -1)
        ids, mask = text.batch(self._tokens, sentences, self._spec.max_text_tokens)
        return Inputs(views, present, samples.embodiment, torch.from_numpy(samples.state[rows]), arms, ids, mask)


def _mirror(samples: Prepared) -> Mirror | None:
    """Of two arms; None for one, and where an instruction names a side."""
    return mirror_of(load_robot(samples.robot)) if samples.arms.all() and not says_a_side(samples.texts) else None


def learned_from(samples: Prepared, held: float) -> NDArray[np.int64]:
    """Rows of the samples; of those in which an object is held all along only that share, evenly spread."""
    if held == 1.0:
        return np.arange(len(samples))
    holding = samples.held()
    kept = ~holding
    kept[holding] = np.diff(np.floor(held * np.arange(-1, holding.sum()))) > 0
    return np.flatnonzero(kept)


def displaced(pictures: NDArray[np.uint8], by: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Pictures `[B, S, S, 3]` moved by columns and lines `[B, 2]`; what comes in is as the edge was."""
    most = int(np.abs(by).max(initial=0))
    if not most:
        return pictures
    size = pictures.shape[1]
    wide = np.pad(pictures, ((0, 0), (most, most), (most, most), (0, 0)), mode="edge")
    return np.stack(
        [one[most - y : most - y + size, most - x : most - x + size] for one, (x, y) in zip(wide, by, strict=True)]
    )


def varied(shown: Tensor, shade: NDArray[np.float64], grain: np.random.Generator, light: float, tint: float) -> Tensor:
    """Pictures `[B, 3, S, S]` in another light, by numbers `[B, 8]` of 0 to 1; black bars stay black. light, tint: by
    what share all colours together, and each alone, become brighter or darker at most."""
    drawn = torch.from_numpy(2 * shade - 1).float()
    gain = 1 + light * drawn[:, :1] + tint * drawn[:, 1:4]  # [B, 3]
    offset = OFFSET * drawn[:, 4:5]
    noise = torch.from_numpy(grain.standard_normal(shown.shape, dtype=np.float32)) * NOISE
    lit = (shown * gain[..., None, None] + offset[..., None, None] + noise).clamp(0, 1)
    return torch.where(shown.amax(dim=1, keepdim=True) > 0, lit, shown)


def _padded(rows: list[list[int]]) -> Tensor:
    longest = max(1, *map(len, rows))
    return torch.tensor([[*row, *[IGNORE] * (longest - len(row))] for row in rows])
