"""The flow as a GPU captures it: the same chunk as the sampler's. The capture itself needs a GPU."""

import pytest
import torch
from bundles import given, smaller

from gear_vla_ros.engines.flow import Flow
from gear_vla_ros.engines.torch_engine import TorchEngine
from gear_vla_ros.model.expert import Latents, StateTokens
from gear_vla_ros.model.sampler import sample


@pytest.fixture(scope="module")
def model():
    return smaller(decoding="parallel").requires_grad_(False)


def drawn(model, known, seed=0):
    """What a chunk is made of, its first `known` steps under way."""
    torch.manual_seed(seed)
    spec = model.spec
    cache = (spec.language.depth, spec.language.kv_heads, spec.latents.tokens, spec.language.head_dim)
    steps, numbers = spec.expert.steps, spec.action_numbers
    there = torch.tensor([0.0, 1.0]).repeat_interleave(numbers // 2)
    clean = torch.arange(steps) < known
    return {
        "noise": torch.randn(1, steps, numbers) * there,
        "known": torch.randn(1, steps, numbers) * there * clean[:, None],
        "clean": clean,
        "there": there,
        "keys": torch.randn(cache),
        "values": torch.randn(cache),
        "state": torch.randn(1, 2, spec.language.width),
        "arms": torch.tensor([False, True]),
    }


@pytest.mark.parametrize("known", [0, 1, 12, 30])
def test_the_chunk_is_the_samplers(model, known):
    about = drawn(model, known)
    latents = Latents([k[None] for k in about["keys"]], [v[None] for v in about["values"]])
    state = StateTokens(about["state"], about["arms"][None])

    def velocity(noisy, tau):
        return model.expert.velocity(noisy, tau, latents, state) * about["there"]

    prefix = about["known"][:, :known] if known else None
    wanted = sample(velocity, about["noise"], model.spec.expert.flow_steps, prefix)
    with torch.inference_mode():
        made = Flow(model).chunk(**about)
    torch.testing.assert_close(made, wanted, atol=1e-5, rtol=1e-5)
    assert torch.equal(made[:, :known], about["known"][:, :known])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="a CUDA graph needs a GPU")
def test_a_captured_flow_follows_its_inputs(model):
    engine = TorchEngine(model)
    spec, outs = engine.spec, []
    for seed in (0, 1):
        noise = torch.randn(spec.expert.steps, spec.action_numbers).numpy()
        outs.append((engine.act(engine.think(given(seed)).cache, given(seed).state, noise), noise, seed))
    assert "no CUDA graph" not in engine.about
    plain = TorchEngine(model)
    plain._flow = None
    for made, noise, seed in outs:
        wanted = plain.act(plain.think(given(seed)).cache, given(seed).state, noise)
        torch.testing.assert_close(made, wanted, atol=1e-3, rtol=1e-3)


class _Uncaptured(Flow):
    """Everything but the capture, for which a GPU is needed."""

    def replayed(self, inputs):
        return self.chunk(**inputs)


@pytest.mark.parametrize("known", [None, 4])
def test_a_flow_that_proves_itself_is_kept_and_makes_the_chunks(model, known):
    engine, plain = TorchEngine(model), TorchEngine(model)
    engine._flow = _Uncaptured(model)
    seen, noise = given(3), torch.randn(2, model.spec.expert.steps, model.spec.action_numbers).numpy()
    cache, prefix = plain.think(seen).cache, None if known is None else noise[1][:known] / 100
    for drawn_noise in noise:
        made = engine.act(cache, seen.state, drawn_noise, prefix)
        torch.testing.assert_close(made, plain.act(cache, seen.state, drawn_noise, prefix), atol=1e-5, rtol=1e-4)
    assert isinstance(engine._flow, _Uncaptured) and "no CUDA graph" not in engine.about


class _Wrong:
    """A flow whose graph says something else, or cannot be made."""

    def __init__(self, error=None):
        self._error = error

    def replayed(self, inputs):
        if self._error:
            raise self._error
        return torch.ones_like(inputs["noise"])


@pytest.mark.parametrize(
    ("flow", "line"),
    [
        (_Wrong(), r"its chunk has a cosine of"),
        (
            _Wrong(RuntimeError("CUDA error: operation not permitted\nwhen stream is capturing")),
            r"when stream is capturing",
        ),
    ],
    ids=["another chunk", "no capture"],
)
def test_a_graph_that_does_not_prove_itself_is_left_and_said(model, flow, line):
    engine, plain = TorchEngine(model), TorchEngine(model)
    engine._flow = flow
    seen, noise = given(3), torch.randn(model.spec.expert.steps, model.spec.action_numbers).numpy()
    cache = plain.think(seen).cache
    made = engine.act(cache, seen.state, noise)
    assert line in engine.about and "\n" not in engine.about
    assert engine._flow is None
    torch.testing.assert_close(made, plain.act(cache, seen.state, noise))
