"""Figures of the network; one JSON line each, every ratio within one run.

    python benchmarks/model.py [--repeats 15]

tiny.step: one training step by part. tiny.think: the slow pass, and latent tokens decoded both ways. base.flops: what
the expert costs beside the language model at base shapes, counted on the meta device (no GPU needed).
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from gear_vla_ros.model.expert import Latents, StateTokens
from gear_vla_ros.model.gear_vla import GearVla, Inputs
from gear_vla_ros.model.sampler import sample
from gear_vla_ros.model.text import ByteTokens, batch, make_tokens
from gear_vla_ros.settings.model import load_model_spec
from gear_vla_ros.training.losses import flow_matching_loss, flow_sample


def tiny(decoding: str = "autoregressive") -> GearVla:
    """The tiny network with random weights."""
    torch.manual_seed(0)
    spec = load_model_spec("tiny")
    spec = spec.model_copy(update={"latents": spec.latents.model_copy(update={"decoding": decoding})})
    return GearVla(spec, make_tokens(spec))


def some_inputs(model: GearVla, size: int) -> Inputs:
    """Random content of the right shapes."""
    ids, mask = batch(model.tokens, ["pick up the red cube"] * size, 128)
    views = torch.rand(size, 3, 3, model.spec.view_size, model.spec.view_size)
    every = torch.ones(size, 3, dtype=torch.bool)
    return Inputs(views, every, "agilex_dual_arm", torch.randn(size, 2, 16), every[:, :2], ids, mask)


def milliseconds(work: Callable[[], Any], repeats: int) -> float:
    """Median of `repeats`, after two for warming up."""
    took = []
    for _ in range(repeats + 2):
        begun = time.perf_counter()
        work()
        took.append(1e3 * (time.perf_counter() - begun))
    return round(statistics.median(took[2:]), 2)


def step(repeats: int) -> dict[str, Any]:
    """Forward and backward of a batch of 8, by part."""
    model = tiny().train()
    given, spec = some_inputs(model, 8), model.spec
    answer = torch.full((8, spec.latents.tokens), spec.language.vocabulary)
    action = torch.ones(spec.latents.tokens, dtype=torch.bool)
    with torch.no_grad():
        _, prefix = model.teach(given, answer, action)
        known = model.latents.cached(prefix)
    valid = torch.ones(8, spec.expert.steps, spec.action_numbers, dtype=torch.bool)

    def flow(latents: Latents) -> torch.Tensor:
        drawn = flow_sample(torch.randn(valid.shape), valid)
        velocity = model.expert.velocity(drawn.noisy, drawn.time, latents, model.state_tokens(given))
        return flow_matching_loss(velocity, drawn)

    def whole() -> None:
        logits, prefix = model.teach(given, answer, action)
        (logits.square().mean() + flow(model.latents.cached(prefix))).backward()

    def words() -> None:
        model.teach(given, answer, action)[0].sum().backward()

    return {
        "benchmark": "model.tiny.step",
        "batch": 8,
        "whole_ms": milliseconds(whole, repeats),
        "pictures_ms": milliseconds(lambda: model.see(given.views, given.view_mask).sum().backward(), repeats),
        "pictures_and_language_ms": milliseconds(
            lambda: model.teach(given, answer, action)[0].sum().backward(), repeats
        ),
        "expert_ms": milliseconds(lambda: flow(known).backward(), repeats),
    }


def think(repeats: int) -> dict[str, Any]:
    """Slow and fast pass of one observation."""
    one_by_one, at_once = tiny().eval(), tiny("parallel").eval()
    given = some_inputs(one_by_one, 1)
    with torch.inference_mode():
        read = milliseconds(lambda: one_by_one.read(given), repeats)
        single, parallel = (decoding(model, given, repeats) for model in (one_by_one, at_once))
        _, latents = one_by_one.decode(one_by_one.read(given))
        state, noise = one_by_one.state_tokens(given), torch.randn(1, 30, 20)

        def act() -> None:
            sample(lambda a, t: one_by_one.expert.velocity(a, t, latents, state), noise, 10)

        return {
            "benchmark": "model.tiny.think",
            "read_ms": read,
            "latents_one_by_one_ms": single,
            "latents_parallel_ms": parallel,
            "parallel_is_faster_by": round(single / parallel, 1),
            "expert_10_steps_ms": milliseconds(act, repeats),
        }


def decoding(model: GearVla, given: Inputs, repeats: int) -> float:
    """Milliseconds of decoding alone: each time from a fresh prefix, which it uses up."""
    prefixes = [model.read(given) for _ in range(repeats + 2)]
    return milliseconds(lambda: model.decode(prefixes.pop()), repeats)


def flops() -> dict[str, Any]:
    """Counted, not run: the language model's prefix and 20 tokens, and ten expert steps, at base shapes."""
    with torch.device("meta"):
        model = GearVla(load_model_spec("base"), ByteTokens()).eval()
        spec, language = model.spec, model.spec.language
        length = 3 * (spec.tokens_per_view + 2) + 2 + 24 + spec.latents.tokens
        with FlopCounterMode(display=False) as reading, torch.no_grad():
            model.qwen.model.language_model(
                inputs_embeds=torch.zeros(1, length, language.width),
                position_ids=torch.zeros(3, 1, length, dtype=torch.long),
                use_cache=False,
            )
        shape = (1, language.kv_heads, spec.latents.tokens, language.head_dim)
        latents = Latents(*([torch.zeros(shape)] * language.depth for _ in range(2)))
        state = StateTokens(torch.zeros(1, 2, language.width), torch.ones(1, 2, dtype=torch.bool))
        with FlopCounterMode(display=False) as acting, torch.no_grad():
            for _ in range(10):
                model.expert.velocity(torch.zeros(1, 30, 20), torch.zeros(1, 30), latents, state)
    read, act = reading.get_total_flops(), acting.get_total_flops()
    return {
        "benchmark": "model.base.flops",
        "language_model_tflop": round(read / 1e12, 2),
        "expert_10_steps_tflop": round(act / 1e12, 3),
        "expert_share": round(act / read, 4),
    }


def main() -> None:
    """Run all and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(2)
    for line in (step(options.repeats), think(options.repeats), flops()):
        print(json.dumps({"threads": 2, **line}), flush=True)


if __name__ == "__main__":
    main()
