"""Euler's method over the exported graphs' velocity, in torch; on a GPU all of its steps are one CUDA graph.

The capture follows PyTorch's CUDA semantics, section CUDA Graphs: inputs in fixed places, warm-up on a side stream,
capture, replay. **It has not been run yet**: there is no GPU where this project is tested. What it captures has.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from gear_vla_ros.engines.graphs import Velocity
from gear_vla_ros.model.gear_vla import GearVla

WARM_UPS = 3


class Flow:
    """`chunk` is `sampler.sample` with the expert's velocity, on tensors alone, so that it can be captured."""

    def __init__(self, model: GearVla) -> None:
        self._velocity, self._steps = Velocity(model), model.spec.expert.flow_steps
        self._places: dict[str, Tensor] = {}
        self._captured: tuple[torch.cuda.CUDAGraph, Tensor] | None = None

    def chunk(
        self,
        noise: Tensor,
        known: Tensor,
        clean: Tensor,
        there: Tensor,
        keys: Tensor,
        values: Tensor,
        state: Tensor,
        arms: Tensor,
    ) -> Tensor:
        """Normalised actions float32 [1, K, D].

        noise, known: float32 [1, K, D]; clean: bool [K], steps that `known` holds; there: [D], 0 for the numbers of an
        arm that is not; keys, values, state, arms: as `Velocity` takes them.
        """
        actions = torch.where(clean[:, None], known, noise)
        for step in range(self._steps):
            tau = step + (self._steps - step) * clean.long()  # [K]
            velocity = self._velocity(actions, tau, keys, values, state, arms) * there
            actions = torch.where(clean[:, None], actions, actions + velocity / self._steps)
        return actions

    def replayed(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """`chunk(**inputs)` by the CUDA graph, which the first call captures. Raises RuntimeError where it cannot."""
        if self._captured is None:
            self._places = {name: value.clone() for name, value in inputs.items()}
            self._captured = self._capture()
        for name, value in inputs.items():
            self._places[name].copy_(value)
        graph, made = self._captured
        graph.replay()
        return made.clone()

    def _capture(self) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(WARM_UPS):
                self.chunk(**self._places)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # the slow path may allocate in its thread
            made = self.chunk(**self._places)
        return graph, made
