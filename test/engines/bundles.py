"""Bundles of a network that is smaller than tiny."""

import numpy as np
import torch

from gear_vla_ros.engines.engine import SlowInput, StateInput
from gear_vla_ros.engines.export import export
from gear_vla_ros.model.checkpoint import save
from gear_vla_ros.model.gear_vla import GearVla
from gear_vla_ros.model.text import make_tokens
from gear_vla_ros.settings.model import load_model_spec

ROBOTS = {"franka": "franka_single_arm", "agilex": "agilex_dual_arm"}
TEXT_TOKENS = 32


def smaller(**latents):
    """tiny with half its layers, without the zeros that would hide an influence at the start."""
    tiny = load_model_spec("tiny")
    spec = tiny.model_copy(
        update={
            "language": tiny.language.model_copy(update={"depth": 2}),
            "expert": tiny.expert.model_copy(update={"depth": 2, "flow_steps": 4}),
            "spatial": tiny.spatial.model_copy(update={"depth": 1, "encoder_depth": 1}),
            "latents": tiny.latents.model_copy(update={"transitions": 2, **latents}),
        }
    )
    torch.manual_seed(0)
    model = GearVla(spec, make_tokens(spec)).eval()
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    return model


def given(seed=0, present=(True, True, True), arms=(False, True), text="pick up the red cube", robot="franka"):
    """One input of the slow path."""
    random = np.random.default_rng(seed)
    numbers = {"franka": 17, "agilex": 16}[robot]
    state = random.standard_normal((2, numbers)).astype(np.float32)
    views = random.integers(0, 255, (3, 112, 112, 3), dtype=np.uint8)
    return SlowInput(views, np.array(present), StateInput(ROBOTS[robot], state, np.array(arms)), text)


def make(folder, decoding, **options):
    """A checkpoint and a bundle of it inside `folder`."""
    save(smaller(decoding=decoding), folder / "made_from")
    samples = [given(0), given(1, arms=(True, True), robot="agilex")]
    learned = {"tasks": ["lift"], "seam": "rtc", "text_tokens": TEXT_TOKENS, **options}
    return export(folder / "made_from", folder / "bundle", ROBOTS, samples, **learned)
