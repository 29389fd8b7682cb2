"""An episode as what a policy would have got: observations, and the state when it would have acted on them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gear_vla_ros.contracts import ArmState, Instruction, Observation, RobotState, SceneObject
from gear_vla_ros.recording.dataset.conversion import pictures_of
from gear_vla_ros.recording.dataset.samples import Samples
from gear_vla_ros.recording.errors import RecordingError

Scenes = Sequence[tuple[int, Mapping[str, SceneObject]]]
"""Ground truth of a simulator by time [ns], oldest first."""


RUN_UP = 3


@dataclass(frozen=True)
class Moment:
    """One pass of a policy: what the slow path saw, and the state that the fast path started from."""

    observation: Observation
    acted_on: RobotState


def moments(samples: Samples, every_s: float, latency_s: float, scenes: Scenes = ()) -> Iterator[Moment]:
    """A pass every `every_s` of the episode, acted on `latency_s` after its pictures were captured.

    It begins `RUN_UP` frames in, so that there is a history of states before the first. Memory: one set of pictures.
    Raises RecordingError where the episode is too short for one pass.
    """
    stride, behind = max(1, round(every_s * samples.fps)), round(latency_s * samples.fps)
    last = len(samples) - 1 - behind
    if last < RUN_UP:
        needed = behind + RUN_UP + 1
        raise RecordingError(f"{samples.path}: {len(samples)} frames, a latency of {latency_s:g} s needs {needed}")
    ids = {text: number for number, text in enumerate(dict.fromkeys(samples.tasks), start=1)}
    for frame, images in _pictures(samples, range(RUN_UP, last + 1, stride)):
        text, stamp_ns = samples.tasks[frame], int(samples.times_ns[frame])
        instruction = Instruction(ids[text], text)
        scene = _scene(scenes, stamp_ns)
        observation = Observation(stamp_ns, images, state_at(samples, frame), instruction, scene=scene)
        yield Moment(observation, state_at(samples, frame + behind))


def state_at(samples: Samples, frame: int) -> RobotState:
    """Proprioception at a frame; velocities are differences of its neighbours'."""
    before, after = max(frame - 1, 0), min(frame + 1, len(samples))
    seconds = (samples.times_ns[after] - samples.times_ns[before]) * 1e-9
    arms = {
        name: ArmState(
            frames.base_T_tcp[frame],
            frames.q[frame],
            (frames.q[after] - frames.q[before]) / seconds,
            float(np.clip(frames.opening[frame], 0.0, 1.0)),
        )
        for name, frames in samples.arms.items()
    }
    return RobotState(int(samples.times_ns[frame]), arms)


def _pictures(samples: Samples, wanted: range) -> Iterator[tuple[int, dict]]:
    """Frames of `wanted` in order, each with the pictures of all cameras."""
    shown: dict = {}
    waiting = {role: {int(chosen[frame]) for frame in wanted} for role, chosen in samples.pictures.items()}
    order = {role: iter(sorted(set(chosen.tolist()))) for role, chosen in samples.pictures.items()}
    frames = iter(wanted)
    frame = next(frames, None)
    for role, pixels, _ in pictures_of(samples):
        index = next(order[role])
        if index in waiting[role]:
            shown[role, index] = pixels
        while frame is not None and all((r, int(c[frame])) in shown for r, c in samples.pictures.items()):
            now = {r: int(c[frame]) for r, c in samples.pictures.items()}
            yield frame, {r: shown[r, i] for r, i in now.items()}
            shown = {key: value for key, value in shown.items() if key[1] >= now[key[0]]}
            frame = next(frames, None)


def _scene(scenes: Scenes, at_ns: int) -> Mapping[str, SceneObject] | None:
    newest = next((scene for ns, scene in reversed(scenes) if ns <= at_ns), None)
    return newest if newest is not None or not scenes else scenes[0][1]
