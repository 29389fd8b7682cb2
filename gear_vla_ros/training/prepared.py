"""A dataset as arrays that a step of training takes its samples from without decoding anything.

Made once a dataset and view size, beside it in `prepared/`; memory-mapped, so that several processes share them.
"""

import fcntl
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.contracts import VIEW_ROLES
from gear_vla_ros.contracts.naming import is_container, kind_of, spoken
from gear_vla_ros.engines.arrays import SIDES, action_numbers, seen
from gear_vla_ros.geometry import se3
from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.recording.dataset.features import STATE
from gear_vla_ros.recording.dataset.labels import MOST_OBJECTS
from gear_vla_ros.recording.dataset.reader import DatasetReader
from gear_vla_ros.settings import RobotSpec, load_robot
from gear_vla_ros.settings.model import ARMS, NUMBERS_PER_ARM
from gear_vla_ros.settings.training import FOLLOWED_STEPS
from gear_vla_ros.training.whereabouts import TURN_NUMBERS, UNSEEN, frames_of, places, points, turns

HZ = 10
"""Samples a second of an episode; neighbours tell next to nothing new."""
ARRAYS = ("views", "state", "actions", "known", "followed", "episode", "frame", "task", "near", "turn", "point")
FORMAT = 6
ABOUT = "about.json"
NOTHING = -1
HELD_M, CLOSED, ASIDE_M = 0.03, 0.5, 0.03
"""An object is held that is so near a tool whose fingers stay closed; fingers below the second count as closed. A tool
that goes farther across its own axis carries it somewhere."""


@dataclass(frozen=True)
class Prepared:
    """F samples of one robot.

    views: uint8 [F, V, S, S, 3] of the roles in `roles`. state: [F, 2, numbers], left and right. actions:
    [F, K, 20], known: bool [F, K]. followed: [F, FOLLOWED_STEPS, 20], the targets of the steps after, as actions; NaN
    where they are not known. episode, frame, task: [F]. near: [F, M, 2, 6], objects' middles in each arm's tool
    frame and base frame [m]. turn: [F, M, 2, TURN_NUMBERS], how they lie there (`turns`); NaN where it is not known or
    not to be seen. point: [F, M, V, 2], where each view shows them, shares of its width and height; not 0 to 1 where
    it does not. arms: bool [2]. texts: of the tasks. names: of the objects, by episode.
    """

    robot: str
    embodiment: str
    roles: tuple[str, ...]
    arms: NDArray[np.bool_]
    texts: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    fps: int
    views: NDArray[np.uint8]
    state: NDArray[np.float32]
    actions: NDArray[np.float32]
    known: NDArray[np.bool_]
    followed: NDArray[np.float32]
    episode: NDArray[np.int64]
    frame: NDArray[np.int64]
    task: NDArray[np.int64]
    near: NDArray[np.float32]
    turn: NDArray[np.float32]
    point: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.task)

    def first(self, episodes: int) -> "Prepared":
        """The samples of that many episodes from the beginning. Raises ValueError when there are fewer."""
        there = int(self.episode[-1]) + 1
        if episodes > there:
            raise ValueError(f"{self.robot}: {episodes} episodes asked for, found {there}")
        rows = int(np.searchsorted(self.episode, episodes))
        return replace(self, names=self.names[:episodes], **{name: getattr(self, name)[:rows] for name in ARRAYS})

    @cached_property
    def acting(self) -> bool:
        """Whether anything is done in any sample; not in rendered scenes."""
        return bool(self.known.any())

    def held(self) -> NDArray[np.bool_]:
        """[F]: whether some arm has an object between its fingers, and is told no more than to hold or raise it."""
        within = np.linalg.norm(self.near[..., :3], axis=-1) < HELD_M
        at_hand = (within & self.near.any(axis=-1)).any(axis=1)  # [F, 2]
        told = self.actions.reshape(len(self), self.actions.shape[1], ARMS, NUMBERS_PER_ARM)
        still = (told[..., -1] < CLOSED).all(axis=1) & (np.linalg.norm(told[:, -1, :, :2], axis=-1) < ASIDE_M)
        holding: NDArray[np.bool_] = (at_hand & still & self.arms).any(axis=1)
        return holding & self.known.all(axis=1)

    @property
    def digest(self) -> str:
        """Of the samples' order and states: the same for the same data."""
        parts = (np.ascontiguousarray(part).tobytes() for part in (self.episode, self.frame, self.state))
        return blake2b(b"".join(parts), digest_size=8).hexdigest()

    def named(self, row: int) -> tuple[int, int]:
        """Which of the episode's objects a sample's instruction names, and into which container; NOTHING: none."""
        text, found = self.texts[self.task[row]], [NOTHING, NOTHING]
        for index, name in enumerate(self.names_of(row)):
            if spoken(name) in text:
                found[is_container(name)] = index
        return found[0], found[1]

    def others(self, row: int) -> list[int]:
        """Objects that the instruction could name as well."""
        own = self.named(row)[0]
        names = self.names_of(row)
        return [i for i, name in enumerate(names) if i != own and not is_container(name)]

    def retold(self, row: int, other: int) -> str:
        """The instruction with another object in the place of the one it names."""
        names, own = self.names_of(row), self.named(row)[0]
        return self.texts[self.task[row]].replace(spoken(names[own]), spoken(names[other]))

    def clip(self, row: int, count: int, period_s: float) -> NDArray[np.int64] | None:
        """Rows of the next `count` samples, `period_s` apart, from `row` on; None past the episode's end."""
        stride = round(period_s * HZ)
        rows = row + stride * np.arange(count)
        if rows[-1] >= len(self) or self.episode[rows[-1]] != self.episode[row]:
            return None
        even = np.diff(self.frame[rows]) == stride * self.fps // HZ
        return rows if even.all() else None

    def names_of(self, row: int) -> tuple[str, ...]:
        """Objects of a sample's scene; none where they are not known."""
        return self.names[self.episode[row]] if self.names else ()


def prepare(dataset: Path, view_size: int, told: Callable[[int, int], None] = lambda done, total: None) -> Prepared:
    """The arrays of a LeRobot dataset, made if they are not there. told: samples done and in all.

    Raises RecordingError when the dataset cannot be read.
    """
    folder = dataset / "prepared" / f"{view_size}px"
    reader = DatasetReader(dataset)
    robot = _robot(reader)
    about = _about(reader, robot, view_size)
    if not _is_of(folder, about):
        with _alone(folder.with_suffix(".lock")):
            if not _is_of(folder, about):
                _make(folder, about, lambda partial: _write(reader, robot, view_size, partial, told))
    reader.close()
    return opened(folder, robot, about["roles"], reader.tasks, about["names"], reader.fps)


def _is_of(folder: Path, about: dict[str, Any]) -> bool:
    file = folder / ABOUT
    return file.is_file() and bool(json.loads(file.read_text()) == about)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One process at a time; the others wait, as those of `torchrun` all begin at once."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(folder: Path, about: dict[str, Any], write: Callable[[Path], None]) -> None:
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    write(partial)
    (partial / ABOUT).write_text(json.dumps(about))
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)


def opened(
    folder: Path, robot: RobotSpec, roles: Sequence[str], texts: Sequence[str], names: Sequence[Sequence[str]], fps: int
) -> Prepared:
    """The arrays of a folder, mapped into memory, with what is said of them."""
    return Prepared(
        robot=robot.name,
        embodiment=robot.state_projector.embodiment,
        roles=tuple(roles),
        arms=np.array([side in {arm.name for arm in robot.arms} for side in SIDES]),
        texts=tuple(texts),
        names=tuple(map(tuple, names)),
        fps=fps,
        **{name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ARRAYS},
    )


def _robot(reader: DatasetReader) -> RobotSpec:
    """The recorded robot, with the regions of interest of its YAML as it is now: whole pictures were recorded."""
    recorded = reader.robot
    try:
        now = {camera.role: camera.roi for camera in load_robot(recorded.name).cameras}
    except FileNotFoundError:
        return recorded
    cameras = [c.model_copy(update={"roi": now.get(c.role, c.roi)}) for c in recorded.cameras]
    return recorded.model_copy(update={"cameras": cameras})


def _about(reader: DatasetReader, robot: RobotSpec, view_size: int) -> dict[str, Any]:
    rows = _rows(reader)
    roles = [role for role in VIEW_ROLES if role in reader.roles]
    names = [list(reader.objects(int(e["dataset_from_index"]))) for e in reader.episodes] if reader.labelled else []
    return {
        "format": FORMAT, "samples": len(rows), "frames": len(reader), "view_size": view_size, "roles": roles,
        "names": names, "robot": robot.name, "roi": [list(camera.roi) for camera in robot.cameras],
    }  # fmt: skip


def _rows(reader: DatasetReader) -> NDArray[np.int64]:
    learnable = reader.learnable()
    if reader.labelled:
        return learnable
    frame = reader.numbers("frame_index")[learnable]
    return learnable[frame % max(1, reader.fps // HZ) == 0]


def _write(reader: DatasetReader, robot: RobotSpec, size: int, folder: Path, told: Callable[[int, int], None]) -> None:
    rows = _rows(reader)
    roles = [role for role in VIEW_ROLES if role in reader.roles]
    steps = len(next(iter(reader.chunk(int(rows[0]))[0].arms.values())).gripper)
    views = np.lib.format.open_memmap(
        folder / "views.npy", mode="w+", dtype=np.uint8, shape=(len(rows), len(roles), size, size, 3)
    )
    joints = len(robot.arms[0].joints)
    state = np.zeros((len(rows), ARMS, 9 + joints + 1), np.float32)
    actions = np.zeros((len(rows), steps, ARMS * NUMBERS_PER_ARM), np.float32)
    known = np.zeros((len(rows), steps), bool)
    followed = np.full((len(rows), FOLLOWED_STEPS, ARMS * NUMBERS_PER_ARM), np.nan, np.float32)
    near = np.zeros((len(rows), MOST_OBJECTS, ARMS, 6), np.float32)
    turn = np.full((len(rows), MOST_OBJECTS, ARMS, TURN_NUMBERS), np.nan, np.float32)
    point = np.full((len(rows), MOST_OBJECTS, len(roles), 2), UNSEEN, np.float32)
    model = RobotModel(robot)
    base_T_world = {arm.name: se3.inverse(model.world_T_base(arm.name)) for arm in robot.arms}
    told_state = reader.numbers(STATE).reshape(len(reader), len(robot.arms), -1)
    for at, row in enumerate(rows.tolist()):
        for index, role in enumerate(roles):
            views[at, index] = seen(reader.picture(row, role), robot, role, size)
        chunk, known[at] = reader.chunk(row, steps)
        actions[at] = action_numbers(chunk.arms)
        if told_next := reader.followed(row, FOLLOWED_STEPS):
            followed[at] = action_numbers(told_next)
        objects, poses = np.array(list(reader.objects(row).values())).reshape(-1, 3), reader.object_poses(row)
        q: dict[str, NDArray[np.float64]] = {
            arm.name: told_state[row, index, 9:-1] for index, arm in enumerate(robot.arms)
        }
        for index, role in enumerate(roles):
            point[at, : len(objects), index] = points(objects, robot, role, model, q)
        for index, arm in enumerate(robot.arms):
            side = SIDES.index(arm.name)
            state[at, side] = told_state[row, index]
            base_T_tcp = chunk.arms[arm.name].base_T_anchor
            frames = frames_of(base_T_tcp, base_T_world[arm.name])
            near[at, : len(objects), side] = places(objects, frames)
            for place, (name, world_T_object) in enumerate(poses.items()):
                turn[at, place, side] = turns(kind_of(name), world_T_object, frames)
        told(at + 1, len(rows))
    views.flush()
    numbers = {name: reader.numbers(f"{name}_index")[rows] for name in ("episode", "frame", "task")}
    for name, array in {
        "state": state,
        "actions": actions,
        "known": known,
        "followed": followed,
        "near": near,
        "turn": turn,
        "point": point,
        **numbers,
    }.items():
        np.save(folder / f"{name}.npy", array)
