"""An episode at a fixed rate: which pictures, where the tools were, what was asked, by capture stamp."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.recording.checks import GAP_PERIODS, check
from gear_vla_ros.recording.dataset import labels as expert
from gear_vla_ros.recording.dataset.grippers import MEASURED, command_topics, commands
from gear_vla_ros.recording.dataset.resampling import NONE, Times, asof, hold, interpolate, longest_run
from gear_vla_ros.recording.errors import RecordingError
from gear_vla_ros.recording.survey import Survey, attached_robot, survey
from gear_vla_ros.recording.topics import INSTRUCTION
from gear_vla_ros.settings import ArmSpec, RobotSpec

Array = NDArray[np.float64]
EARLY_PERIODS = 0.25
"""A picture may be captured that share of a frame after its frame's time: clocks jitter."""
UNBROKEN_SHARE = 0.8
"""Of an episode that must be one stretch without a gap."""


class LeftOutError(RecordingError):
    """An episode that is not to be learned from."""


@dataclass(frozen=True)
class ArmFrames:
    """One arm at the N + 1 times of an episode's frames; the last is only where the frame before it led to.

    base_T_tcp: `[N+1, 4, 4]` by forward kinematics of the joint states. q: `[N+1, n]` rad. opening: `[N+1]` measured.
    commanded: `[N+1]`, the gripper's set point in force, 0 closed to 1 open; commanded_by: the topic it is from.
    """

    base_T_tcp: Array
    q: Array
    opening: Array
    commanded: Array
    commanded_by: str


@dataclass(frozen=True)
class Samples:
    """An episode's N frames. times_ns: `[N+1]`. tasks: `[N]` instructions in force.

    pictures: by view role, `[N]` which of the camera's messages, counted from its first. ages_ns: how old they are.
    topics: by view role, where those messages are.
    left_out_s: seconds before and after the stretch that is without a gap. labels: of simulated episodes that were
    disturbed on purpose.
    """

    path: Path
    robot: RobotSpec
    about: Mapping[str, str]
    fps: int
    times_ns: Times
    arms: Mapping[str, ArmFrames]
    tasks: tuple[str, ...]
    pictures: Mapping[str, NDArray[np.int64]]
    ages_ns: Mapping[str, Times]
    topics: Mapping[str, str]
    left_out_s: float
    labels: expert.Labels | None = None

    def __len__(self) -> int:
        return len(self.tasks)


def take_samples(
    path: Path, fps: int, robot: RobotSpec | None = None, instruction: str = "", leave_out: Collection[str] = ()
) -> Samples:
    """`fps` samples a second of an episode.

    robot: the one it must be of, and is taken to be of where none is attached. instruction: where none was recorded.
    Raises LeftOutError where its outcome is one of `leave_out`; RecordingError: what `gear-vla episodes check` fails,
    a missing camera, no instruction, gaps.
    """
    spec = attached_robot(path) or robot
    if spec is None:
        raise RecordingError(f"{path}: the robot it was recorded with is not attached; say --robot")
    if robot is not None and robot.name != spec.name:
        raise RecordingError(f"{path}: of robot {spec.name}, asked for {robot.name}; convert it as what it is")
    seen = survey(path, spec, {INSTRUCTION, expert.CHUNK, expert.SCENE, *command_topics(spec)})
    if seen.about.get("outcome", "") in leave_out:
        raise LeftOutError(f"{path}: its outcome is {seen.about['outcome']}")
    _refuse_bad(seen, spec)
    times_ns, asked = _grid(seen, spec, fps), _instructions(seen, instruction)
    _, joints_fit = interpolate(seen.joint_ns, times_ns, round(spec.staleness.joint_states_s * 1e9))
    fit = {spec.joint_states_topic: joints_fit, INSTRUCTION: hold(asked[0], times_ns) != NONE}
    topics: dict[str, str] = {camera.role: seen.topic_of(camera) for camera in spec.cameras}
    pictures = {role: _pictures(seen, topic, spec, times_ns, fps) for role, topic in topics.items()}
    fit |= {topic: pictures[role] != NONE for role, topic in topics.items()}
    run = _unbroken(path, fit, fps)
    frames = slice(run.start, run.stop - 1)
    model, names = RobotModel(spec), seen.joint_names
    return Samples(
        path=path,
        robot=spec,
        about=seen.about,
        fps=fps,
        times_ns=times_ns[run],
        arms={arm.name: _arm(arm, seen, model, names, times_ns[run]) for arm in spec.arms},
        tasks=tuple(asked[1][i] for i in hold(asked[0], times_ns[frames])),
        pictures={role: found[frames] for role, found in pictures.items()},
        ages_ns={
            role: times_ns[frames] - _stamps(seen, topic)[pictures[role][frames]] for role, topic in topics.items()
        },
        topics=topics,
        left_out_s=(len(times_ns) - (run.stop - run.start)) / fps,
        labels=_labels(seen, spec, times_ns[frames]),
    )


def _labels(seen: Survey, robot: RobotSpec, times_ns: Times) -> expert.Labels | None:
    if not expert.wanted(seen.about):
        return None
    try:
        return expert.labels_of(robot, seen.kept, times_ns)
    except RecordingError as error:
        raise RecordingError(f"{seen.path}: {error}") from None


def _refuse_bad(seen: Survey, robot: RobotSpec) -> None:
    for camera in robot.cameras if seen.tracks and not seen.problem else ():
        if seen.track_of(camera) is None:
            raise RecordingError(
                f"{seen.path}: camera {camera.role} is missing: no pictures on {camera.topic}; record it again"
            )
    bad = [finding for finding in check(seen, robot) if finding.verdict == "fail"]
    if bad:
        first, more = bad[0], f" (and {len(bad) - 1} more: gear-vla episodes check)" if bad[1:] else ""
        raise RecordingError(f"{seen.path}: {first.what}: {first.where}: {first.found}; {first.todo}{more}")


def _grid(seen: Survey, robot: RobotSpec, fps: int) -> Times:
    """Times from where every stream has begun, in the mean phase of the head camera's captures."""
    head = _stamps(seen, seen.topic_of(robot.cameras[0]))
    begin = max(int(seen.joint_ns[0]), *(int(_stamps(seen, seen.topic_of(one))[0]) for one in robot.cameras))
    turns = np.exp(2j * np.pi * (((head - begin) * fps) % 1_000_000_000) / 1e9).mean()
    phase_ns = round((np.angle(turns) / (2 * np.pi)) % 1.0 * 1e9 / fps)
    count = int((seen.joint_ns[-1] - begin - phase_ns) * fps // 1_000_000_000) + 1
    steps = np.arange(max(count, 0), dtype=np.int64)
    return begin + phase_ns + (steps * 1_000_000_000 + fps // 2) // fps


def _stamps(seen: Survey, topic: str) -> Times:
    return np.array(seen.tracks[topic].stamps_ns, dtype=np.int64)


def _pictures(seen: Survey, topic: str, robot: RobotSpec, times_ns: Times, fps: int) -> NDArray[np.int64]:
    stamps = _stamps(seen, topic)
    period_ns = float(np.median(np.diff(stamps))) if len(stamps) > 1 else 0.0
    oldest_ns = min(GAP_PERIODS * max(period_ns, 1e9 / fps), robot.staleness.camera_s * 1e9)
    return asof(stamps, times_ns, round(oldest_ns), round(EARLY_PERIODS * 1e9 / fps))


def _instructions(seen: Survey, instead: str) -> tuple[Times, list[str]]:
    """When each instruction was accepted, and its text."""
    said = [message for _, message in seen.kept[INSTRUCTION] if message.id and message.text.strip()]
    if said:
        stamps = [m.header.stamp.sec * 1_000_000_000 + m.header.stamp.nanosec for m in said]
        order = np.argsort(stamps, kind="stable")
        return np.array(stamps, dtype=np.int64)[order], [said[i].text.strip() for i in order]
    text = seen.about.get("instruction", "").strip() or instead.strip()
    if not text:
        raise RecordingError(f"{seen.path}: no instruction was recorded; say --instruction")
    return np.zeros(1, dtype=np.int64), [text]


def _unbroken(path: Path, fit: Mapping[str, NDArray[np.bool_]], fps: int) -> slice:
    """The longest stretch in which every stream has a sample. Raises RecordingError where too little is left."""
    asked = fit[INSTRUCTION]
    run = longest_run(np.logical_and.reduce(list(fit.values())))
    count, wanted = run.stop - run.start, int(asked.sum())
    if count < 3:
        raise RecordingError(f"{path}: too short: {max(count - 1, 0)} frames at {fps} a second, at least 2 are needed")
    if count < UNBROKEN_SHARE * wanted:
        worst = max(fit, key=lambda topic: int((asked & ~fit[topic]).sum()))
        raise RecordingError(
            f"{path}: gaps: only {count / fps:.1f} s of {wanted / fps:.1f} s are without one, most are in {worst}; "
            "cut them off with gear-vla episodes trim"
        )
    return run


def _arm(arm: ArmSpec, seen: Survey, model: RobotModel, names: list[str], times_ns: Times) -> ArmFrames:
    place, _ = interpolate(seen.joint_ns, times_ns, 0)
    q = seen.positions[:, [names.index(name) for name in arm.joints]]
    used = np.unique(np.concatenate([place.before, place.after]))
    base_T_tcp = np.zeros((len(q), 4, 4))
    base_T_tcp[used] = [model.fk(arm.name, q[i]) for i in used]
    measured = np.array([arm.gripper.opening_at(x) for x in seen.positions[:, names.index(arm.gripper.joint)]])
    opening, told = place.linear(measured), commands(arm, seen.kept)
    commanded = opening.copy()
    if told.source != MEASURED:
        at = hold(told.times_ns, times_ns)
        commanded[at != NONE] = told.openings[at[at != NONE]]
    return ArmFrames(place.poses(base_T_tcp), place.linear(q), opening, commanded, told.source)
