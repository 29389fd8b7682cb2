"""Episodes to a dataset: all of them or nothing, into a folder that was not there."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.recording.dataset.samples import LeftOutError, Samples, take_samples
from gear_vla_ros.recording.dataset.writer import DatasetWriter, Sizes
from gear_vla_ros.recording.errors import RecordingError
from gear_vla_ros.recording.pictures import PictureStream
from gear_vla_ros.recording.reader import EpisodeReader
from gear_vla_ros.settings import RobotSpec

LEFT_OUT, FAILURE = ("discarded",), "failure"
"""Outcomes that are not to be learned from."""


@dataclass(frozen=True)
class Options:
    """fps: frames a second. robot: the one all must be of; None: the first episode's.

    instruction: for episodes that recorded none. failures: take failed episodes too. skip_bad: leave out what cannot
    be used, instead of refusing all.
    """

    fps: int = 30
    robot: RobotSpec | None = None
    instruction: str = ""
    failures: bool = False
    skip_bad: bool = False


@dataclass(frozen=True)
class Plan:
    """What will be written, and why what is left out is. sizes: of the pictures, by view role."""

    samples: tuple[Samples, ...]
    left_out: dict[str, str]
    sizes: Sizes

    @property
    def frames(self) -> int:
        """Of all episodes."""
        return sum(len(samples) for samples in self.samples)


def plan(episodes: Sequence[Path], options: Options, told: Callable[[], None] = lambda: None) -> Plan:
    """Look at all episodes, without decoding pictures. told: called after each.

    Raises RecordingError: one line an episode that cannot be used; none can; one is given twice.
    """
    _refuse_twice(episodes)
    leave_out = LEFT_OUT if options.failures else (*LEFT_OUT, FAILURE)
    good: list[Samples] = []
    left_out: dict[str, str] = {}
    bad: dict[str, str] = {}
    sizes: Sizes = {}
    for episode in episodes:
        try:
            samples = take_samples(episode, options.fps, options.robot, options.instruction, leave_out)
            found = _sizes(samples)
            if good:
                _refuse_unlike(samples, found, good[0], sizes)
            else:
                sizes = found
            good.append(samples)
        except LeftOutError as error:
            left_out[str(episode)] = str(error)
        except RecordingError as error:
            bad[str(episode)] = str(error)
        told()
    if bad and not options.skip_bad:
        more = "\nnothing was written; --skip-bad leaves such episodes out" if len(episodes) > 1 else ""
        raise RecordingError("\n".join(bad.values()) + more)
    left_out |= bad
    if not good:
        raise RecordingError("no episode to convert: " + "; ".join(left_out.values()))
    return Plan(tuple(good), left_out, sizes)


def convert(what: Plan, to: Path, told: Callable[[int], None] = lambda frames: None) -> None:
    """Write the dataset. told: called with the frames that were done. Raises RecordingError; then nothing is left."""
    first = what.samples[0]
    with _new_folder(to) as folder:
        writer = DatasetWriter(folder, first.robot, first.fps, what.sizes, first.labels is not None)
        try:
            for samples in what.samples:
                _write(writer, samples, told)
            writer.close()
        except BaseException:
            writer.abandon()
            raise


def _write(writer: DatasetWriter, samples: Samples, told: Callable[[int], None]) -> None:
    writer.begin(samples)
    for role, pixels, repeat in pictures_of(samples):
        writer.add(role, pixels, repeat)
        if role == samples.robot.cameras[0].role:
            told(repeat)
    writer.end()


def pictures_of(samples: Samples) -> Iterator[tuple[str, NDArray[np.uint8], int]]:
    """(view role, RGB pixels, for how many frames) of every picture that is used, in the order of recording."""
    topics = {topic: role for role, topic in samples.topics.items()}
    repeats = {role: np.bincount(chosen) for role, chosen in samples.pictures.items()}
    seen = dict.fromkeys(topics, 0)
    reader = EpisodeReader(samples.path, checksums=False)
    streams = {topic: PictureStream(reader) for topic in topics}
    for raw in reader.raw(topics):
        at, role = seen[raw.topic], topics[raw.topic]
        seen[raw.topic] += 1
        streams[raw.topic].take(raw)
        if at < len(repeats[role]) and repeats[role][at]:
            yield role, streams[raw.topic].rgb(), int(repeats[role][at])


def _refuse_twice(episodes: Sequence[Path]) -> None:
    resolved = [EpisodeReader(episode).file.resolve() for episode in episodes if episode.exists()]
    for episode, path in zip(episodes, resolved, strict=False):
        if resolved.count(path) > 1:
            raise RecordingError(f"{episode}: given twice; a dataset takes each episode once")


def _refuse_unlike(samples: Samples, sizes: Sizes, first: Samples, wanted: Sizes) -> None:
    """Raises RecordingError when the episode is of another robot, or of another make of it, than the first."""
    mine, theirs = samples.robot, first.robot
    if mine.name != theirs.name:
        raise RecordingError(
            f"{samples.path}: of robot {mine.name}, {first.path} is of {theirs.name}; convert them apart"
        )
    cameras, others = ([one.model_copy(update={"record": None}) for one in robot.cameras] for robot in (mine, theirs))
    if mine.arms != theirs.arms or cameras != others:
        what = "arms" if mine.arms != theirs.arms else "cameras"
        raise RecordingError(f"{samples.path}: its {mine.name} has other {what} in its YAML than {first.path}'s")
    if (samples.labels is None) != (first.labels is None):
        raise RecordingError(f"{samples.path}: only one of it and {first.path} was disturbed on purpose; convert apart")
    if sizes != wanted:
        raise RecordingError(f"{samples.path}: pictures {sizes}, {first.path} has {wanted}; convert them apart")


def _sizes(samples: Samples) -> Sizes:
    """Width and height of the first used picture of every camera."""
    found: dict[str, tuple[int, int]] = {}
    for role, pixels, _ in pictures_of(samples):
        found.setdefault(role, (pixels.shape[1], pixels.shape[0]))
        if len(found) == len(samples.pictures):
            break
    return {camera.role: found[camera.role] for camera in samples.robot.cameras}


@contextmanager
def _new_folder(to: Path) -> Iterator[Path]:
    """A folder beside `to` that takes its name when all is well, and is gone when not. Nothing is overwritten."""
    if to.exists() or to.is_symlink():
        raise RecordingError(f"{to}: is there already; nothing was overwritten, choose another name")
    partial = to.with_name(f"{to.name}.partial")
    try:
        partial.mkdir(parents=True)
    except FileExistsError:
        raise RecordingError(f"{partial}: of a conversion that runs or was cut; remove it, or choose a name") from None
    except OSError as error:
        raise RecordingError(f"{partial}: cannot be made: {error.strerror}; choose another folder") from None
    try:
        yield partial
        if to.exists():
            raise RecordingError(f"{to}: appeared meanwhile; nothing was overwritten, choose another name")
        os.rename(partial, to)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise RecordingError(f"{to}: cannot be written: {error.strerror or error}; nothing is left of it") from None
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
