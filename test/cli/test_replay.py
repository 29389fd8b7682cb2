"""A recorded episode through a policy: figures that are known, the same twice, and what is refused."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from gear_vla_ros.cli import replay
from gear_vla_ros.contracts import ActionChunk, ArmChunk, LatentAction
from gear_vla_ros.contracts.latent import KvCache
from gear_vla_ros.geometry import se3
from gear_vla_ros.policies.options import PolicyOptions
from gear_vla_ros.recording.dataset.samples import take_samples
from gear_vla_ros.recording.errors import RecordingError
from gear_vla_ros.recording.replaying import moments, state_at
from gear_vla_ros.recording.scoring import by_step, score
from gear_vla_ros.settings import load_robot

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "recording"))
from moving import record

FPS, K = 30, 30


@pytest.fixture(scope="module", params=["franka", "agilex"])
def episode(request, tmp_path_factory):
    return record(tmp_path_factory.mktemp("episodes"), load_robot(request.param), seconds=3.0)


@pytest.fixture(scope="module")
def samples(episode):
    return take_samples(episode, FPS)


def true_chunk(samples, frame, offset=0.0, gripper=None):
    """What was done from a frame on, moved by `offset` m along the tool's z."""
    arms, moved = {}, np.eye(4)
    moved[2, 3] = offset
    for name, frames in samples.arms.items():
        last = len(frames.base_T_tcp) - 1
        ahead = np.minimum(np.arange(frame + 1, frame + 1 + K), last)
        anchor = frames.base_T_tcp[frame]
        told = frames.commanded[ahead] if gripper is None else np.full(K, gripper)
        arms[name] = ArmChunk(anchor, se3.inverse(anchor) @ frames.base_T_tcp[ahead] @ moved, told)
    return ActionChunk(int(samples.times_ns[frame]), 1, "true", 1, 1, arms, float(FPS))


def test_the_truth_scores_zero_and_an_offset_itself(samples):
    chunks = [true_chunk(samples, frame) for frame in (0, 20, 70)]
    for one in score(samples, chunks).values():
        assert np.nanmax(one.metres) < 1e-6 and np.nanmax(one.degrees) < 1e-4
        assert one.gripper_f1() == 1.0
        assert np.isnan(one.metres[-1, -1]), "the episode ended before the last chunk did"
    for one in score(samples, [true_chunk(samples, 10, offset=0.02, gripper=1.0)]).values():
        np.testing.assert_allclose(by_step(one.metres), 0.02, atol=1e-6)
        assert one.gripper_f1() == 0.0


def test_what_a_policy_gets_is_the_episode_by_capture_stamps(samples):
    found = list(moments(samples, every_s=0.5, latency_s=0.2))
    stamps = [moment.observation.stamp_ns for moment in found]
    assert stamps == samples.times_ns[3 : len(samples) - 6 : 15].tolist()
    for index, moment in enumerate(found):
        assert set(moment.observation.images) == {camera.role for camera in samples.robot.cameras}
        assert moment.acted_on.stamp_ns == samples.times_ns[15 * index + 9]
        for name, arm in moment.observation.state.arms.items():
            np.testing.assert_allclose(arm.q, samples.arms[name].q[15 * index + 3])
    speed = state_at(samples, 30).arms[samples.robot.arms[0].name].dq
    assert 0 < np.abs(speed).max() < 0.12, "joints follow sines of 0.1 rad"
    with pytest.raises(RecordingError, match="a latency of 5 s needs 154"):
        next(moments(samples, 0.5, 5.0))


class Told:
    """A policy that stays where it is, and counts."""

    model_id, about = "still", {}

    def __init__(self, robot, options):
        self.random = np.random.default_rng(options.seed)

    def accepts(self, instruction):
        """Everything."""

    def think(self, observation):
        nothing = np.zeros((1, 1, 1, 1), np.float32)
        anchors = {arm: state.base_T_tcp for arm, state in observation.state.arms.items()}
        ids = np.zeros(1, np.int64)
        return LatentAction(observation.stamp_ns, 1, "still", 1, ids, KvCache(nothing, nothing), anchors)

    def act(self, latents, state, under_way=None):
        noise = np.tile(np.eye(4), (K, 1, 1))
        noise[:, :3, 3] += 0.001 * self.random.standard_normal((K, 3))
        arms = {name: ArmChunk(arm.base_T_tcp, noise, np.ones(K)) for name, arm in state.arms.items()}
        return ActionChunk(state.stamp_ns, 1, "still", 1, 1, arms)

    def warm_up(self):
        """Nothing."""

    def close(self):
        """Nothing."""


def report(episode, capsys, monkeypatch, out, seed=0, **options):
    monkeypatch.setattr(replay, "make_policy", lambda name, robot, chosen: Told(robot, chosen))
    words = {"every_s": 0.5, "latency_s": 0.0, "fast": True, "out": out, "as_json": True, **options}
    assert replay.run(episode, "", "gear_vla", PolicyOptions(seed=seed), console=Console(), **words) == 0
    return json.loads(capsys.readouterr().out)


def test_the_same_episode_and_seed_give_the_same_figures(episode, capsys, monkeypatch, tmp_path):
    first, again, other = (report(episode, capsys, monkeypatch, tmp_path, seed) for seed in (1, 1, 2))
    assert first == again and first["arms"] != other["arms"]
    assert first["chunks"] == 6 and (tmp_path / "replay.png").stat().st_size > 10_000
    for arm in first["arms"].values():
        assert abs(arm["metres"][9] - arm["still_metres"][9]) < 0.005
        assert arm["gripper_f1"] == 0.0


def test_bad_input_is_one_line(episode, tmp_path):
    words = {"every_s": 0.5, "latency_s": 0.0, "fast": True, "out": tmp_path, "as_json": True, "console": Console()}
    other = "agilex" if "franka" in str(take_samples(episode, FPS).robot.name) else "franka"
    with pytest.raises(RecordingError, match=f"asked for {other}"):
        replay.run(episode, other, "gear_vla", PolicyOptions(), **words)
    with pytest.raises(RecordingError, match="no /sim/objects; policy expert needs"):
        replay.run(episode, "", "expert", PolicyOptions(), **words)
    empty = shutil.copytree(episode, tmp_path / "cut")
    file = next(empty.glob("*.mcap"))
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(RecordingError):
        replay.run(empty, "", "gear_vla", PolicyOptions(), **words)
