"""`gear-vla sim collect`: MCAP episodes of the scripted expert in randomised scenes, without a ROS graph."""

import dataclasses
import fcntl
import functools
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
from rich.console import Console

from gear_vla_ros.cli.jobs import spread
from gear_vla_ros.cli.shipped import chosen_seam
from gear_vla_ros.contracts import Instruction, Policy
from gear_vla_ros.engines.opening import AUTO
from gear_vla_ros.policies.options import PolicyOptions
from gear_vla_ros.policies.registry import LEARNED, kept_policy
from gear_vla_ros.recording.errors import RecordingError
from gear_vla_ros.recording.writer import Compression
from gear_vla_ros.runtime.under_way import followed_after_s
from gear_vla_ros.settings import RobotSpec, load_robot
from gear_vla_ros.sim.disturbance import Disturber, Span, random_spans
from gear_vla_ros.sim.episode import Disturb, Episode, Later, Outcome, Timing
from gear_vla_ros.sim.randomise import SWITCHABLE, check_task, other_instruction, random_scene
from gear_vla_ros.sim.running import SECOND_NS
from gear_vla_ros.sim.scene import Scene

SETTINGS, UNFINISHED = "collection.json", ".unfinished"
START_SPREAD = 2.5
"""How much farther from home the arms begin than in a check."""
LEARNER_UNTIL_S = (3.0, 10.0)
"""When the expert takes over from a learner, at random between these."""
SWITCHED_AFTER_S = (0.7, 3.0)
"""When another object is named, at random between these."""
_DISTURBANCES, _TAKEOVER, _SWITCHED = 1, 2, 3


@dataclass(frozen=True)
class Collection:
    """What all episodes of a folder have in common; kept in it, so that it is gone on with as it was begun.

    learner: empty, or the checkpoint that drives first, instead of disturbances. switched: share of the episodes in
    which another object is named on the way.
    """

    robot: str
    task: str
    first_seed: int
    held_out: bool
    disturbed: bool
    limit_s: float
    compression: Compression
    learner: str = ""
    switched: float = 0.0


@dataclass(frozen=True)
class Collected:
    """One episode that was written. cpu_s: of its process for it."""

    outcome: Outcome
    cpu_s: float
    bytes: int


def collection(
    robot: str,
    task: str,
    first_seed: int,
    held_out: bool,
    disturbed: bool,
    limit_s: float,
    compression: str,
    learner: str = "",
    switched: float = 0.0,
) -> Collection:
    """Raises ValueError on an unknown compression, or a task in which nothing else can be named."""
    if compression not in (allowed := get_args(Compression)):
        raise ValueError(f"compression: found '{compression}'; allowed {', '.join(allowed)}")
    if switched and task not in SWITCHABLE:
        raise ValueError(f"task: '{task}' has one object, no other can be named; allowed {', '.join(SWITCHABLE)}")
    settings = robot, task, first_seed, held_out, disturbed and not learner, limit_s, cast(Compression, compression)
    return Collection(*settings, learner, switched)


def run(collection: Collection, episodes: int, jobs: int, folder: Path, console: Console) -> int:
    """0 when all episodes are there. Raises ValueError (unknown names, another collection's folder),
    FileNotFoundError (no such robot or learner) or RecordingError (disk)."""
    spec = load_robot(collection.robot)
    check_task(spec, collection.task)
    if collection.learner:
        kept_policy(LEARNED, spec.name, PolicyOptions(collection.learner))
    begun_s, done = time.monotonic(), []
    with _alone(folder):
        _claim(folder, collection)
        missing = [index for index in range(1, episodes + 1) if not _folder(folder, index).is_dir()]
        if len(missing) < episodes:
            console.print(f"{episodes - len(missing)} of {episodes} episodes are there already", highlight=False)
        one, jobs = functools.partial(collect, spec, collection, folder), min(jobs, max(1, len(missing)))
        for collected in spread(one, missing, jobs, f"{spec.name} {collection.task}", console):
            done.append(collected)
        (folder / UNFINISHED).rmdir()
    if done:
        _tell(done, time.monotonic() - begun_s, folder, console)
    return 0


def collect(spec: RobotSpec, collection: Collection, root: Path, index: int) -> Collected:
    """One episode into a folder that gets its name when it is complete."""
    from gear_vla_ros.recording.topics import topics_of
    from gear_vla_ros.recording.writer import EpisodeWriter, WriterOptions

    begun_s = time.process_time()
    seed = collection.first_seed + index - 1
    scene = random_scene(spec, collection.task, seed, collection.held_out)
    spans = random_spans(np.random.default_rng([seed, _DISTURBANCES])) if collection.disturbed else ()
    scene = dataclasses.replace(scene, start={arm: START_SPREAD * q for arm, q in scene.start.items()})
    unfinished = root / UNFINISHED / _folder(root, index).name
    unfinished.mkdir()
    attachments = {"robot.json": spec.model_dump_json(indent=2).encode()}
    options = WriterOptions(compression=collection.compression)
    topics = topics_of(spec, drivers=False)
    later = _later(scene, seed, collection.switched)
    about = _about(spec, scene, seed, spans, collection.learner, later)
    writer = EpisodeWriter(unfinished, topics, about, attachments, options)
    outcome = _play(spec, scene, _driver(spec, collection.learner, seed, spans), collection.limit_s, writer, later)
    writer.close({"outcome": "success" if outcome.success else "failure"})
    if writer.error or writer.dropped:
        raise RecordingError(f"{writer.file}: {writer.problem}")
    unfinished.rename(_folder(root, index))
    return Collected(outcome, time.process_time() - begun_s, writer.accepted_bytes)


def _driver(spec: RobotSpec, learner: str, seed: int, spans: tuple[Span, ...]) -> tuple[Policy, Disturb]:
    """Who labels, and what is followed in place of its chunks."""
    from gear_vla_ros.policies.expert import ExpertPolicy
    from gear_vla_ros.sim.taught import Taught

    if not learner:
        return ExpertPolicy(spec), Disturber(spans)
    until_s = np.random.default_rng([seed, _TAKEOVER]).uniform(*LEARNER_UNTIL_S)
    driving = kept_policy(LEARNED, spec.name, PolicyOptions(learner))
    rtc = chosen_seam(AUTO, LEARNED, learner) == "rtc"
    given_s = followed_after_s(Timing().fast_s, spec.rates.target_hz) if rtc else 0.0
    taught = Taught(ExpertPolicy(spec), driving, SECOND_NS + round(until_s * 1e9), given_s)
    return taught, taught.disturb


def _later(scene: Scene, seed: int, share: float) -> Later | None:
    """What is named instead on the way, and when; None in the other episodes."""
    random = np.random.default_rng([seed, _SWITCHED])
    if random.random() >= share:
        return None
    return Later(random.uniform(*SWITCHED_AFTER_S), Instruction(2, other_instruction(scene, seed)))


def _play(
    spec: RobotSpec, scene: Scene, driver: tuple[Policy, Disturb], limit_s: float, writer: Any, later: Later | None
) -> Outcome:
    """Whoever drives in the scene, into the writer."""
    from gear_vla_ros.msg import EpisodeEvent
    from gear_vla_ros.ros.episode_log import EpisodeLog
    from gear_vla_ros.sim.eyes import Cameras
    from gear_vla_ros.sim.renderer import Renderer, sim_size
    from gear_vla_ros.sim.taught import Taught
    from gear_vla_ros.sim.world import World

    world, instruction, (policy, disturb) = World(spec, scene=scene), Instruction(1, scene.instruction), driver
    renderer = Renderer(world, *sim_size(spec))
    eyes = Cameras(world) if isinstance(policy, Taught) else None
    try:
        log = EpisodeLog(spec, writer, renderer, _serialiser(spec.name))
        timing = Timing(limit_s=limit_s)
        outcome = Episode(world, policy, instruction, timing, log, eyes, disturb, later=later).run()
        judged = later.instruction if later else instruction
        log.event(EpisodeEvent.SUCCESS if outcome.success else EpisodeEvent.STOP, outcome.reason, judged.id)
        log.flush()
    finally:
        renderer.close()
        if eyes is not None:
            eyes.close()
    return outcome


@functools.cache
def _serialiser(robot: str) -> Any:
    """One a process and robot: it learns the sizes of messages."""
    from gear_vla_ros.ros.cdr import Serialiser

    return Serialiser()


def _about(
    spec: RobotSpec, scene: Scene, seed: int, spans: tuple[Span, ...], learner: str, later: Later | None
) -> dict[str, str]:
    """Metadata of the episode; times of disturbances are stamps [ns] within it."""
    disturbances = [{"kind": span.kind, "begin_ns": span.begin_ns, "end_ns": span.end_ns} for span in spans]
    return {
        "robot": spec.name,
        "instruction": scene.instruction,
        "operator": f"{learner}, then the scripted expert" if learner else "scripted expert",
        "task": scene.task,
        "seed": str(seed),
        "held_out": str(scene.held_out).lower(),
        "disturbances": json.dumps(disturbances),
        **({"then": later.instruction.text, "then_after_s": f"{later.after_s:.2f}"} if later else {}),
    }


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Raises ValueError where another collection is at work in the folder; it would lose what is unfinished there."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            told = "another collection is at work in it; wait for it, or choose another folder"
            raise ValueError(f"{folder}: {told}") from None
        yield
    finally:
        os.close(handle)


def _claim(folder: Path, collection: Collection) -> None:
    """Make the folder, or find it begun with the same settings; what was cut off in it is made anew."""
    file, wanted = folder / SETTINGS, asdict(collection)
    if file.is_file():
        found = {"learner": "", "switched": 0.0} | json.loads(file.read_text(encoding="utf-8"))
        if differ := [key for key in wanted if found.get(key) != wanted[key]]:
            told = ", ".join(f"{key} {found.get(key)} instead of {wanted[key]}" for key in differ)
            raise ValueError(f"{file}: a collection with {told}; choose another folder, or go on with its settings")
    elif folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder}: not empty, and no collection of this command; choose another folder")
    if (folder / UNFINISHED).is_dir():
        shutil.rmtree(folder / UNFINISHED)
    (folder / UNFINISHED).mkdir(parents=True)
    file.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")


def _folder(root: Path, index: int) -> Path:
    return root / f"episode_{index:04d}"


def _tell(done: list[Collected], wall_s: float, folder: Path, console: Console) -> None:
    succeeded = sum(collected.outcome.success for collected in done)
    simulated_s, cpu_s = sum(c.outcome.seconds for c in done), sum(c.cpu_s for c in done)
    console.print(
        f"{len(done)} episodes, {succeeded} of them successes, {sum(c.bytes for c in done) / 1e6:.0f} MB of messages "
        f"in {folder}\n{simulated_s:.0f} simulated s in {wall_s:.0f} s, {simulated_s / cpu_s:.1f} times real time a "
        "core", highlight=False,
    )  # fmt: skip
