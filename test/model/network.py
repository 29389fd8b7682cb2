"""The tiny network and a batch for it."""

import torch

from gear_vla_ros.model.gear_vla import GearVla, Inputs
from gear_vla_ros.model.text import batch, make_tokens
from gear_vla_ros.settings.model import load_model_spec


def tiny(**latents):
    """The tiny network, without the zeros that would hide an influence at the start."""
    torch.set_num_threads(2)
    torch.manual_seed(0)
    spec = load_model_spec("tiny")
    spec = spec.model_copy(update={"latents": spec.latents.model_copy(update=latents)})
    model = GearVla(spec, make_tokens(spec)).eval()
    for parameter in model.expert.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    return model


def inputs(model, views=(True, True, True), arms=(True, True), size=2, embodiment="agilex_dual_arm", seed=0):
    """A batch of random content."""
    random = torch.Generator().manual_seed(seed)
    spec = model.spec
    numbers = model.state.by_embodiment[embodiment].mlp[0].in_features
    ids, mask = batch(model.tokens, ["pick up the red cube", "lift it"][:size], spec.max_text_tokens)
    return Inputs(
        views=torch.rand(size, 3, 3, spec.view_size, spec.view_size, generator=random),
        view_mask=torch.tensor([views] * size),
        embodiment=embodiment,
        state=torch.randn(size, 2, numbers, generator=random),
        arm_mask=torch.tensor([arms] * size),
        text=ids,
        text_mask=mask,
    )
