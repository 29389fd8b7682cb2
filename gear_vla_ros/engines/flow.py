"""Euler's method over the expert, its flow times as a table; on a GPU all steps are one CUDA graph.

The capture follows PyTorch's CUDA semantics, section CUDA Graphs: inputs in fixed places, warm-up on a side stream,
capture, replay. **It has not been run yet**: there is no GPU where this project is tested. What it captures has.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from gear_vla_ros.model.expert import Latents, StateTokens
from gear_vla_ros.model.gear_vla import GearVla

WARM_UPS = 3


@dataclass(frozen=True)
class Given:
    """What a chunk is made of, normalised. noise, known: [1, K, D]; clean: bool [1, K], steps that `known` holds;
    there: [1, 1, D], 0 for an arm that is not; latents, state: as `Expert.modulated` takes them."""

    noise: Tensor
    known: Tensor
    clean: Tensor
    there: Tensor
    latents: Latents
    state: StateTokens

    def tensors(self) -> list[Tensor]:
        """All of them, in one order."""
        state = (self.state.tokens, self.state.mask)
        return [self.noise, self.known, self.clean, self.there, *state, *self.latents.keys, *self.latents.values]


class Flow:
    """`chunk(given)` is `sampler.sample` with the expert's velocity; flow times become a table of modulations."""

    def __init__(self, model: GearVla) -> None:
        self._expert, self._steps = model.expert, model.spec.expert.flow_steps
        times = torch.arange(self._steps + 1, device=model.expert.step.device) / self._steps
        with torch.inference_mode():
            self._table = model.expert.modulations(times)  # by block [steps + 1, 9 W]; the last is of clean steps
        self._graph: torch.cuda.CUDAGraph | None = None
        self._places: Given | None = None
        self._made: Tensor | None = None

    def chunk(self, given: Given) -> Tensor:
        """Actions [1, K, D] step by step."""
        clean = given.clean[..., None]  # [1, K, 1]
        actions = torch.where(clean, given.known, given.noise)
        for step in range(self._steps):
            by = [torch.where(clean, part[-1], part[step]) for part in self._table]
            velocity = self._expert.modulated(actions, by, given.latents, given.state) * given.there
            actions = torch.where(clean, actions, actions + velocity / self._steps)
        return actions

    def replayed(self, given: Given) -> Tensor:
        """As `chunk`, by the CUDA graph, which the first call captures."""
        if self._graph is None or self._places is None or self._made is None:
            self._places = _copied(given)
            self._graph, self._made = self._captured(self._places)
        for place, value in zip(self._places.tensors(), given.tensors(), strict=True):
            place.copy_(value)
        self._graph.replay()
        return self._made.clone()

    def _captured(self, places: Given) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(WARM_UPS):
                self.chunk(places)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # the slow path may allocate in its thread
            made = self.chunk(places)
        return graph, made


def _copied(given: Given) -> Given:
    latents = Latents([k.clone() for k in given.latents.keys], [v.clone() for v in given.latents.values])
    state = StateTokens(given.state.tokens.clone(), given.state.mask.clone())
    return Given(given.noise.clone(), given.known.clone(), given.clean.clone(), given.there.clone(), latents, state)
