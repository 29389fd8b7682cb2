"""What is wrong with an episode: pure functions from a survey of it to findings."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gear_vla_ros.kinematics.robot_model import RobotModel
from gear_vla_ros.recording.survey import Survey, Track, known_types
from gear_vla_ros.settings import RobotSpec

GAP_PERIODS, RATE_SHARE, FROZEN_FRAMES = 3.5, 0.8, 5
STILL_SHARE, LIMIT_RAD, FAR_M = 0.02, 0.02, 0.05
SCENE = "/sim/objects"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. where: topic or file, with the second of the episode where it helps."""

    verdict: Literal["warn", "fail"]
    what: str
    where: str
    found: str
    todo: str


def check(survey: Survey, robot: RobotSpec | None = None) -> list[Finding]:
    """All findings, none for a good episode. robot: the one that it should be of; None: the attached one."""
    found = list(_file(survey))
    attached = survey.robot
    if attached is None:
        what = "the robot it was recorded with is not attached"
        return [*found, Finding("warn", what, str(survey.path), "no robot.json", "give --robot to check more")]
    if robot is not None and survey.about.get("robot", attached.name) != robot.name:
        line = f"of robot {survey.about.get('robot', attached.name)}, asked for {robot.name}"
        found.append(Finding("fail", "another robot", str(survey.path), line, "check it as what it is"))
    simulated = bool(survey.tracks.get(SCENE))
    found += _topics(survey, attached)
    for camera in attached.cameras:
        rate_hz = attached.sim.camera_rate_hz if simulated else camera.rate_hz
        found += _stream(survey, survey.topic_of(camera), rate_hz)
        found += [] if simulated else _same_picture(survey, survey.topic_of(camera))
    found += _stream(survey, attached.joint_states_topic, attached.rates.joint_states_hz)
    return [*found, *_skew(survey, attached), *_joints(survey, attached)]


def _file(survey: Survey) -> Iterator[Finding]:
    where = str(survey.path)
    if survey.problem:
        yield Finding("fail", "cut", where, survey.problem, "gear-vla episodes repair")
    if not any(track.log_ns for track in survey.tracks.values()):
        yield Finding("fail", "empty", where, "no messages", "nothing to save; record again")
    if error := survey.about.get("error"):
        yield Finding("fail", "ended by an error", where, error, "see the reason; record again")
    if int(survey.about.get("dropped") or 0):
        line = ": ".join([f"{survey.about['dropped']} messages", *filter(None, [survey.about.get("refused")])])
        yield Finding("fail", "dropped while recording", where, line, "a faster disk, or fewer topics")


def _topics(survey: Survey, robot: RobotSpec) -> Iterator[Finding]:
    for topic in sorted((robot.joint_states_topic, *(survey.topic_of(camera) for camera in robot.cameras))):
        if topic not in survey.tracks:
            yield Finding("fail", "missing", topic, "no messages", "was its driver running?")
    types = known_types(robot)
    for topic, track in survey.tracks.items():
        if topic in types and types[topic] != track.type:
            yield Finding(
                "fail", "another type", topic, f"{track.type}, expected {types[topic]}", "another stack's bag?"
            )


def _stream(survey: Survey, topic: str, rate_hz: float) -> Iterator[Finding]:
    track = survey.tracks.get(topic)
    if track is None or len(track.stamps_ns) < 2:
        return
    stamps = np.array(track.stamps_ns)
    if (stamps == 0).any():
        line = f"{int((stamps == 0).sum())} stamps of zero"
        yield Finding("fail", "stamps", topic, line, "the driver must stamp with the capture time")
        return
    steps = np.diff(stamps)
    if (steps < 0).any():
        yield Finding(
            "fail", "stamps", _at(survey, topic, track, steps < 0), "go back", "two publishers, or mixed clocks"
        )
        return
    yield from _frozen(survey, topic, track, steps)
    hz = 1e9 / max(float(np.median(steps)), 1.0)
    if hz < RATE_SHARE * rate_hz:
        yield Finding("warn", "rate", topic, f"{hz:.1f} Hz, expected {rate_hz:g}", "load, or a driver's setting")
    wide = steps > GAP_PERIODS * 1e9 / rate_hz
    if wide.any():
        line = f"{int(wide.sum())} gaps, the longest {steps.max() * 1e-9:.2f} s"
        yield Finding("warn", "gaps", _at(survey, topic, track, wide), line, "lost on the way, or the driver paused")


def _frozen(survey: Survey, topic: str, track: Track, steps: np.ndarray) -> Iterator[Finding]:
    if (steps == 0).any():
        line = f"{int((steps == 0).sum())} stamps repeated"
        yield Finding("fail", "frozen", _at(survey, topic, track, steps == 0), line, "restart the camera's driver")


def _same_picture(survey: Survey, topic: str) -> Iterator[Finding]:
    """A camera's noise makes every picture another one; a simulated one of a scene at rest has none."""
    track = survey.tracks.get(topic)
    if track is None:
        return
    same, longest, run, begin = np.diff(np.array(track.digests)) == 0, 0, 0, 0
    for index, equal in enumerate(same):
        run = run + 1 if equal else 0
        if run > longest:
            longest, begin = run, index - run + 1
    if longest >= FROZEN_FRAMES:
        where = f"{topic} at {(track.log_ns[begin] - survey.begin_ns) * 1e-9:.2f} s"
        yield Finding("fail", "frozen", where, f"the same picture {longest + 1} times", "restart the camera's driver")


def _skew(survey: Survey, robot: RobotSpec) -> Iterator[Finding]:
    head = survey.track_of(robot.cameras[0])
    for camera in robot.cameras[1:]:
        other = survey.track_of(camera)
        if head is None or other is None or not head.stamps_ns or not other.stamps_ns:
            continue
        theirs = np.sort(np.array(other.stamps_ns))
        at = np.clip(np.searchsorted(theirs, head.stamps_ns), 1, len(theirs) - 1) if len(theirs) > 1 else 0
        mine = np.array(head.stamps_ns)
        nearest = np.minimum(abs(theirs[at] - mine), abs(theirs[at - 1] - mine)) * 1e-9
        over, limit_s = nearest > robot.sync.max_skew_s, robot.sync.max_skew_s
        if over.mean() > 0.05:
            line = f"{over.mean():.0%} of pictures over {limit_s * 1e3:g} ms, median {np.median(nearest) * 1e3:.0f} ms"
            yield Finding("warn", "skew to head", survey.topic_of(camera), line, "trigger the cameras together")


def _joints(survey: Survey, robot: RobotSpec) -> Iterator[Finding]:
    wanted = [name for arm in robot.arms for name in (*arm.joints, arm.gripper.joint)]
    missing = [name for name in wanted if name not in survey.joint_names]
    topic = robot.joint_states_topic
    if missing:
        if topic in survey.tracks:
            yield Finding("fail", "joints", topic, f"lacks {', '.join(missing)}", "another robot, or other names")
        return
    at = {name: survey.joint_names.index(name) for name in wanted}
    if not np.isfinite(survey.positions).all():
        yield Finding("fail", "joints", topic, "NaN or infinity", "drop the episode")
        return
    model = RobotModel(robot)
    for arm in robot.arms:
        q, limits = survey.positions[:, [at[name] for name in arm.joints]], model.limits(arm.name)
        beyond = np.maximum(limits.lower - q, q - limits.upper).max(axis=0)
        if beyond.max() > LIMIT_RAD:
            line = f"{arm.joints[int(beyond.argmax())]} {beyond.max():.3f} rad beyond its limit"
            yield Finding("fail", "joint limits", topic, line, "another URDF, or degrees for radians")
        opening = np.array([arm.gripper.opening_at(x) for x in survey.positions[:, at[arm.gripper.joint]]])
        if opening.size and np.ptp(opening) < STILL_SHARE:
            yield Finding("warn", "gripper", topic, f"{arm.name}: never moved", "was it meant to stay?")
        yield from _targets(survey, arm.name, q, model)


def _targets(survey: Survey, arm: str, q: np.ndarray, model: RobotModel) -> Iterator[Finding]:
    """Where the tool was, by the joints, against where it was sent at that time."""
    sent = survey.poses.get(f"/{arm}/target_pose", [])
    if not sent or not len(q):
        return
    chosen = sent[:: max(1, len(sent) // 50)]
    index = np.clip(np.searchsorted(survey.joint_ns, [ns for ns, _ in chosen]), 0, len(q) - 1)
    off = [np.linalg.norm(model.fk(arm, q[i])[:3, 3] - xyz) for i, (_, xyz) in zip(index, chosen, strict=True)]
    if np.median(off) > FAR_M:
        line = f"median {np.median(off) * 1e3:.0f} mm between tool and target"
        yield Finding("warn", "follows its targets", f"/{arm}/target_pose", line, "another URDF, or a robot that lags")


def _at(survey: Survey, topic: str, track: Track, where: np.ndarray) -> str:
    return f"{topic} at {(track.log_ns[int(np.argmax(where)) + 1] - survey.begin_ns) * 1e-9:.2f} s"
