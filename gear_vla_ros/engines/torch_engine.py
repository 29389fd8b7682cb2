"""The reference engine: PyTorch as the model is written."""

import hashlib
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from gear_vla_ros.contracts import KvCache
from gear_vla_ros.engines.engine import SlowInput, SlowOutput, StateInput, check_cache
from gear_vla_ros.engines.flow import Flow
from gear_vla_ros.model.expert import Latents, StateTokens
from gear_vla_ros.model.gear_vla import GearVla, Inputs
from gear_vla_ros.model.sampler import sample
from gear_vla_ros.model.text import batch, make_tokens
from gear_vla_ros.settings.model import NUMBERS_PER_ARM, ModelSpec, load_model_spec

LEAST_COSINE = 0.99
"""Of a captured chunk to one that was not."""


class TorchEngine:
    """On the GPU if there is one, with the flow's steps as one CUDA graph, else on the CPU."""

    def __init__(self, model: GearVla, compiled: bool = False) -> None:
        """compiled: by `torch.compile`, at the first call; it takes a minute."""
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model = model.to(self._device).eval().requires_grad_(False)
        self._dtype = model.expert.step.dtype
        self._fingerprint = fingerprint(model)
        self._velocity = torch.compile(model.expert.velocity) if compiled else model.expert.velocity
        self._flow: Flow | None = Flow(self._model) if self._device.type == "cuda" else None
        self._flow_proved, self._note = False, ""
        if compiled:
            model.compile_parts()

    @property
    def spec(self) -> ModelSpec:
        """Its sizes."""
        return self._model.spec

    @property
    def fingerprint(self) -> str:
        """Of weights and sizes."""
        return self._fingerprint

    @property
    def about(self) -> str:
        """Backend, its version and device."""
        name = torch.cuda.get_device_name(self._device) if self._device.type == "cuda" else "CPU"
        return f"torch {torch.__version__}, {name}{self._note}"

    def accepts(self, text: str) -> None:
        """Raise ValueError for a sentence that is empty or too long."""
        batch(self._model.tokens, [text], self.spec.max_text_tokens)

    def think(self, given: SlowInput) -> SlowOutput:
        """Latent action tokens. Raises ValueError naming what does not fit."""
        begun = time.perf_counter_ns()
        with torch.inference_mode():
            prefix = self._model.read(self._inputs(given))
            self._wait()
            read = time.perf_counter_ns()
            ids, latents = self._model.decode(prefix)
            keys, values = (torch.cat(tuple(part)).float().cpu() for part in (latents.keys, latents.values))
        cache = KvCache(keys.numpy(), values.numpy())  # [layers, kv_heads, N, head_dim]
        latency = {"read": read - begun, "latents": time.perf_counter_ns() - read}
        return SlowOutput(ids[0].cpu().numpy(), cache, latency)

    def act(
        self,
        cache: KvCache,
        state: StateInput,
        noise: NDArray[np.float32],
        prefix: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Actions `[K, 20]`. Raises ValueError naming what does not fit."""
        spec = self.spec
        check_cache(spec, cache)
        with torch.inference_mode():
            latents = Latents(self._layers(cache.keys), self._layers(cache.values))
            numbers, present = self._state(state)
            tokens = StateTokens(self._model.state(state.embodiment, numbers, present), present)
            there = present.repeat_interleave(NUMBERS_PER_ARM, dim=1)[:, None]  # [1, 1, 20]
            start = self._tensor(noise)[None].to(self._dtype) * there
            known = None
            if prefix is not None:
                known = self._model.statistics.normalise(self._tensor(prefix)[None]).to(self._dtype) * there

            def velocity(noisy: Tensor, tau: Tensor) -> Tensor:
                return self._velocity(noisy, tau, latents, tokens) * there

            def stepwise() -> Tensor:
                return sample(velocity, start, spec.expert.flow_steps, known)

            if self._flow is None:
                normal = stepwise()
            else:
                normal = self._by_graph(self._flow, cache, start, known, tokens, stepwise)
            actions: NDArray[np.float32] = self._model.statistics.denormalise(normal)[0].float().cpu().numpy()
        return actions

    def close(self) -> None:
        """Nothing is held beyond memory."""

    def _by_graph(
        self,
        flow: Flow,
        cache: KvCache,
        start: Tensor,
        prefix: Tensor | None,
        state: StateTokens,
        stepwise: Callable[[], Tensor],
    ) -> Tensor:
        """The first chunk is made both ways; a graph that cannot be made or says something else is left, and `about`
        says why."""
        given = 0 if prefix is None else prefix.shape[1]
        known = torch.zeros_like(start, dtype=torch.float32)
        if prefix is not None:
            known[:, :given] = prefix
        inputs = {
            "noise": start.float(),
            "known": known,
            "clean": torch.arange(start.shape[1], device=self._device) < given,
            "there": state.mask[0].repeat_interleave(NUMBERS_PER_ARM),
            "keys": self._tensor(cache.keys),
            "values": self._tensor(cache.values),
            "state": state.tokens,
            "arms": state.mask[0],
        }
        made, why = None, ""
        try:
            made = flow.replayed(inputs)
        except RuntimeError as error:
            why = " ".join(str(error).split())[:120]
        if made is not None and self._flow_proved:
            return made
        plain = stepwise()
        if made is not None:
            near = functional.cosine_similarity(made.flatten(), plain.flatten().float(), dim=0).item()
            self._flow_proved = near >= LEAST_COSINE
            why = "" if self._flow_proved else f"its chunk has a cosine of {near:.4f} to the one made step by step"
        if why:
            self._flow, self._note = None, f", no CUDA graph: {why}"
        return plain

    def _inputs(self, given: SlowInput) -> Inputs:
        numbers, present = self._state(given.state)
        ids, mask = batch(self._model.tokens, [given.text], self.spec.max_text_tokens)
        views = self._tensor(given.views).permute(0, 3, 1, 2)[None].to(self._dtype) / 255  # [1, V, 3, S, S]
        return Inputs(
            views=views,
            view_mask=self._tensor(given.present)[None],
            embodiment=given.state.embodiment,
            state=numbers,
            arm_mask=present,
            text=ids.to(self._device),
            text_mask=mask.to(self._device),
        )

    def _state(self, state: StateInput) -> tuple[Tensor, Tensor]:
        if not np.isfinite(state.state[state.present]).all():
            raise ValueError("state: holds NaN or infinity, allowed are finite numbers")
        return self._tensor(state.state)[None].to(self._dtype), self._tensor(state.present)[None]

    def _layers(self, stacked: NDArray[np.generic]) -> list[Tensor]:
        return [layer[None].to(self._dtype) for layer in self._tensor(stacked)]

    def _tensor(self, values: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values).copy()).to(self._device)

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize()


def fingerprint(model: GearVla) -> str:
    """Twelve hexadecimal digits of a hash over sizes and weights."""
    digest = hashlib.sha256(model.spec.model_dump_json().encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:12]


def random_engine(seed: int, sizes: str = "tiny") -> TorchEngine:
    """Random weights of `seed` in the named sizes."""
    spec = load_model_spec(sizes)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return TorchEngine(GearVla(spec, make_tokens(spec)))
