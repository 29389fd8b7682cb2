"""What a stage trains, and nothing else."""

import pytest
import torch

from gear_vla_ros.model.gear_vla import GearVla, Inputs
from gear_vla_ros.model.text import batch, make_tokens
from gear_vla_ros.settings import SettingsError
from gear_vla_ros.settings.loading import parse
from gear_vla_ros.settings.model import load_model_spec
from gear_vla_ros.settings.training import TrainingSpec, load_training_spec
from gear_vla_ros.training import groups
from gear_vla_ros.training.delays import draw_delays
from gear_vla_ros.training.losses import arms_valid, flow_matching_loss, flow_sample

STAGES = ("embodied_pretraining", "continuous_policy", "new_projector", "light_end_to_end")
EMBODIMENT = "ldt01_dual_arm"


@pytest.fixture(scope="module")
def model():
    torch.set_num_threads(2)
    torch.manual_seed(0)
    spec = load_model_spec("tiny")
    made = GearVla(spec, make_tokens(spec)).train()
    for parameter in made.expert.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    return made


def given(model):
    spec, random = model.spec, torch.Generator().manual_seed(0)
    ids, mask = batch(model.tokens, ["pick up the red cube", "lift it"], spec.max_text_tokens)
    views = torch.rand(2, 3, 3, spec.view_size, spec.view_size, generator=random)
    state = torch.randn(2, 2, 9 + 7 + 1, generator=random)
    there = torch.ones(2, 3, dtype=torch.bool)
    return Inputs(views, there, EMBODIMENT, state, there[:, :2], ids, mask)


def one_step(model, training):
    """One step of the optimiser on both losses; names of the weights that changed."""
    chosen = groups.choose(model, training)
    optimiser = torch.optim.AdamW(groups.for_optimiser(chosen, training))
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    inputs, spec = given(model), model.spec
    first = spec.language.vocabulary
    answer = torch.tensor([[first + 8 * (position % 2) for position in range(spec.latents.tokens)]] * 2)
    logits, prefix = model.teach(inputs, answer, torch.ones(spec.latents.tokens, dtype=torch.bool))
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), answer.flatten())
    loss = loss + model.latents.parallel_logits(model.qwen, model.read(inputs)).square().mean()
    if training.stage != "embodied_pretraining":
        actions = torch.randn(2, 30, 20)
        delays = draw_delays(actions, training.max_delay_steps)
        sample = flow_sample(actions, arms_valid(inputs.arm_mask, 30, 10), delays=delays)
        latents, state = model.latents.cached(prefix), model.state_tokens(inputs)
        loss = loss + flow_matching_loss(model.expert.velocity(sample.noisy, sample.time, latents, state), sample)
    loss.backward()
    optimiser.step()
    model.zero_grad()
    return {name for name, weight in model.named_parameters() if not torch.equal(before[name], weight)}


def test_a_new_projector_alone_changes_in_the_first_part_of_an_adaptation(model):
    changed = one_step(model, load_training_spec("new_projector"))
    own = {name for name, _ in model.named_parameters() if name.startswith(f"state.by_embodiment.{EMBODIMENT}.")}
    assert own and changed == own


@pytest.mark.parametrize("stage", ["embodied_pretraining", "continuous_policy", "light_end_to_end"])
def test_the_other_stages_change_every_part_but_the_2d_tower(model, stage):
    """From the second step on: until the zeros of the 3D projector have moved, nothing reaches the 3D encoder."""
    training = load_training_spec(stage)
    one_step(model, training)
    moved = one_step(model, training)
    changed = {name.split(".")[0] for name in moved}
    parts = {"qwen", "projector", "spatial", "state", "latents"}
    assert changed == (parts if stage == "embodied_pretraining" else parts | {"expert"})
    assert not any(name.startswith(groups.FROZEN) for name in moved)


def test_what_is_trained_is_said(model):
    line = groups.describe(groups.choose(model, load_training_spec("new_projector")))
    assert line.endswith("numbers are trained: state 0.019 M")


@pytest.mark.parametrize("stage", STAGES)
def test_optimiser_figures_are_the_papers(stage):
    training = load_training_spec(stage)
    assert training.stage == stage
    assert (training.weight_decay, training.clip_norm, training.seed) == (0.0, 1.0, 42)
    rising = round(0.03 * training.steps)
    assert training.learning_rate_at(0) == pytest.approx(training.learning_rate / rising)
    assert training.learning_rate_at(rising - 1) == training.learning_rate_at(10 * rising) == training.learning_rate


def test_unknown_embodiments_and_wrong_figures_are_named(model):
    training = load_training_spec("new_projector")
    with pytest.raises(ValueError, match="embodiment: 'toaster' has no state projector; there are agilex_dual_arm"):
        groups.choose(model, training.model_copy(update={"embodiment": "toaster"}))
    with pytest.raises(SettingsError, match="embodiment is to be given"):
        parse(TrainingSpec, {"stage": "new_projector", "steps": 1, "batch": 1}, "mine.yaml")
    with pytest.raises(SettingsError, match=r"learning_rate.*-1"):
        parse(TrainingSpec, {"stage": "continuous_policy", "steps": 1, "batch": 1, "learning_rate": -1}, "mine.yaml")
