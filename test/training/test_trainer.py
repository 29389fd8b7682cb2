"""The loop: every loss falls, a run goes on to the bit, two processes train as one with the same batch."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from gear_vla_ros.model import checkpoint
from gear_vla_ros.settings.model import load_model_spec
from gear_vla_ros.settings.training import TrainingSpec
from gear_vla_ros.training import run as runs
from gear_vla_ros.training.prepared import prepare
from gear_vla_ros.training.trainer import MODEL, newest_step, saved_steps

LIMIT_S = 170


def stage(**changed):
    usual = {
        "stage": "continuous_policy", "learning_rate": 1e-3, "steps": 4, "batch": 4, "precision": "float32",
        "gradient_checkpointing": False, "from_nothing": True, "max_delay_steps": 12, "retold": 0.3,
        "weights": {"grounding": 1.0},
    }  # fmt: skip
    return TrainingSpec.model_validate(usual | changed)


def train(samples, folder, training, start="demo", save_every=100, stop_at=None):
    """The trainer's run; stop_at: end as a kill would after that step."""
    model, begun = runs.network(start, training.seed)
    runs.grow(model, training)
    sources = runs.begin(
        model, begun, samples if isinstance(samples, list) else [samples], training, folder, 3, lambda at, left: None
    )
    trainer = runs.trainer(model, begun, sources, training, folder, cpu=True)
    losses = []

    def told(progress):
        losses.append(progress.parts)
        if progress.step == stop_at:
            raise KeyboardInterrupt

    try:
        trainer.run(told, save_every, log_every=1)
    except KeyboardInterrupt:
        assert stop_at is not None
    return losses


def weights(folder):
    return checkpoint.load(newest_step(folder) / MODEL).state_dict()


@pytest.fixture(scope="module")
def whole(samples, tmp_path_factory):
    """Four steps without an end between them."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, train(samples, folder, stage())


def test_all_losses_of_the_model_are_trained(whole):
    folder, losses = whole
    names = ["cell", "chunk", "fast", "flow", "latent", "lies", "look", "place", "read", "turn", "word"]
    assert [sorted(step) for step in losses] == [names] * 4
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert all(line[name] == step[name] for line, step in zip(lines, losses, strict=True) for name in step)
    assert list(folder.glob("events.out.tfevents.*"))


def test_grounding_is_taught_to_networks_that_decode_one_by_one_and_spell_words(dataset, tmp_path):
    """tiny: words are bytes there, none of them one id."""
    spec = load_model_spec("tiny")
    losses = train(prepare(dataset, spec.view_size), tmp_path, stage(steps=1), start="tiny")
    assert "look" in losses[0] and "word" not in losses[0] and "read" not in losses[0]


def test_a_stem_s_convolutions_are_taught_alone_and_the_network_goes_on_with_them(samples, whole, tmp_path):
    weighed = {"grounding": 1.0, "latent": 0.0, "fast": 0.0, "flow": 0.0}
    stem = stage(stage="convolutional_stem", convolutions=8, weights=weighed)
    losses = train(samples, tmp_path / "stem", stem, start=str(whole[0]))
    assert [list(step) for step in losses] == [["lies"]] * 4
    before, after = weights(whole[0]), weights(tmp_path / "stem")
    assert {name for name in after if name not in before} == {name for name in after if ".convolutions." in name}
    assert all(torch.equal(after[name], before[name]) for name in before)
    out = "qwen.model.visual.patch_embed.convolutions.out.weight"
    assert not after[out].any()
    train(samples, tmp_path / "on", stage(steps=2), start=str(tmp_path / "stem"))
    assert weights(tmp_path / "on")[out].any()


def test_a_stem_s_convolutions_have_nothing_to_learn_from_data_that_does_not_say_how_things_lie(samples, tmp_path):
    weighed = {"grounding": 1.0, "latent": 0.0, "fast": 0.0, "flow": 0.0}
    stem = stage(stage="convolutional_stem", convolutions=8, weights=weighed)
    unsaid = dataclasses.replace(samples, turn=np.full_like(samples.turn, np.nan))
    with pytest.raises(ValueError, match="no dataset says how objects lie; convert simulated episodes anew"):
        train(unsaid, tmp_path, stem)


def test_a_run_that_was_cut_goes_on_to_the_same_bits(samples, whole, tmp_path):
    _, losses = whole
    first = train(samples, tmp_path, stage(), save_every=2, stop_at=3)
    assert newest_step(tmp_path).name == "step-0000002"
    second = train(samples, tmp_path, stage(), save_every=2)
    assert first == losses[:3] and second == losses[2:]
    mine, theirs = weights(tmp_path), weights(whole[0])
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    lines = [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == [1, 2, 3, 4], "the step that was made twice stands there once"


def test_a_step_that_was_cut_while_it_was_saved_is_not_gone_on_with(samples, whole, tmp_path):
    (tmp_path / "step-0000003.partial" / MODEL).mkdir(parents=True)
    assert newest_step(tmp_path) is None
    assert train(samples, tmp_path, stage(steps=1))[0] == whole[1][0]
    assert [path.name for path in saved_steps(tmp_path)] == ["step-0000001"]


def test_a_folder_of_other_settings_is_refused(samples, whole):
    with pytest.raises(ValueError, match="a run of other settings"):
        train(samples, whole[0], stage(batch=8))


def test_adapting_moves_the_new_projector_alone(samples, whole, tmp_path):
    first = stage(stage="new_projector", embodiment="franka_single_arm", from_nothing=False)
    train(samples, tmp_path, first, start=str(whole[0]))
    mine, theirs = weights(tmp_path), weights(whole[0])
    changed = {name for name in theirs if not torch.equal(mine[name], theirs[name])}
    assert changed and all(name.startswith("state.by_embodiment.franka_single_arm.") for name in changed)


def test_memory_is_saved_without_another_result(samples, whole, tmp_path):
    losses = train(samples, tmp_path, stage(gradient_checkpointing=True, steps=2))
    for mine, theirs in zip(losses, whole[1], strict=False):
        assert mine == pytest.approx(theirs, rel=1e-4)


@pytest.mark.parametrize("sharded", [False, True])
def test_processes_share_a_batch_and_train_as_one(dataset, whole, tmp_path, sharded):
    yaml = tmp_path / "stage.yaml"
    numbers = stage(steps=6, batch=16, weights={"latent": 0.0, "fast": 0.0, "grounding": 1.0}, retold=0.0)
    changed = {"stage": "embodied_pretraining", "vary_pictures": False, "sharded_optimiser": sharded}
    yaml.write_text(json.dumps(numbers.model_copy(update=changed).model_dump(mode="json")))
    curves = [curve(yaml, dataset, tmp_path / f"run{count}", count, whole[0]) for count in (1, 2)]
    alone, shared = ([step["place"] for step in one] for one in curves)
    assert shared == pytest.approx(alone, rel=1e-3)
    assert len(set(alone)) == 6, "it did not train"
    shutil.copytree(tmp_path / "run2", tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut" / "step-0000006")
    curve(yaml, dataset, tmp_path / "cut", 2, whole[0])
    mine, theirs = weights(tmp_path / "cut"), weights(tmp_path / "run2")
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs), "it goes on to other bits"


def test_two_processes_begin_from_nothing_and_one_fits_the_tokenizers(dataset, tmp_path):
    yaml = tmp_path / "stage.yaml"
    yaml.write_text(json.dumps(stage(steps=1).model_dump(mode="json")))
    assert len(curve(yaml, dataset, tmp_path / "run", 2, "demo", "--tokenizer-steps", "2")) == 1


def test_a_trained_network_keeps_its_scale_of_actions_without_its_run(samples, whole, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(newest_step(whole[0]) / MODEL, moved)
    model = checkpoint.load(moved)
    model.statistics.half_range *= 2
    checkpoint.save(model, moved)
    train(samples, tmp_path / "run", stage(steps=1), start=str(moved))
    kept = weights(tmp_path / "run")["statistics.half_range"]
    assert torch.equal(kept, model.statistics.half_range)


def test_without_losses_of_the_language_model_no_tokenizer_is_fitted(samples, tmp_path):
    weights = {"latent": 0.0, "fast": 0.0, "grounding": 1.0}
    losses = train(samples, tmp_path, stage(steps=1, weights=weights))
    assert "flow" in losses[0] and "fast" not in losses[0] and losses[0]["latent"] == 0
    assert not (tmp_path / "latent_tokenizer").exists() and not list(tmp_path.glob("targets_*"))


def curve(yaml, dataset, out, processes, start, *more):
    words = ["--nproc-per-node", str(processes), "-m", "gear_vla_ros.cli.main", "train"]
    options = ["--stage", str(yaml), "--data", str(dataset), "--from", str(start), "-o", str(out)]
    options += ["--cpu", "--threads", "1", "--log-every", "1", "--save-every", "3", *more]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MASTER_PORT": str(29500 + os.getpid() % 1000)}
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", *words, *options],
        capture_output=True, text=True, timeout=LIMIT_S, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
