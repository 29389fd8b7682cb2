"""GEAR-VLA: pixels, state and a sentence -> latent action tokens -> their K/V -> a chunk (paper, Fig. 2)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import DynamicCache

from gear_vla_ros.model import from_nothing, sequence
from gear_vla_ros.model.convolutions import Convolutions
from gear_vla_ros.model.dropping import Dropped, language_keep
from gear_vla_ros.model.expert import Expert, Latents, StateTokens
from gear_vla_ros.model.latents import LatentDecoder, Prefix
from gear_vla_ros.model.normalise import ActionStatistics
from gear_vla_ros.model.projector import ExpandedProjector
from gear_vla_ros.model.qwen import MERGE, Gather, build_qwen, merge_order, normalised, patchify, view_grid
from gear_vla_ros.model.spatial import Aggregator
from gear_vla_ros.model.state import StateProjectors
from gear_vla_ros.model.text import TextTokens
from gear_vla_ros.model.tower import CellStem, Tower
from gear_vla_ros.settings.model import VIEWS, ModelSpec, VisionSpec


@dataclass(frozen=True)
class Inputs:
    """One batch.

    views: float [B, V, 3, S, S] RGB 0 to 1, head, left wrist, right wrist; view_mask bool [B, V]. state: float
    [B, A, numbers], left and right; arm_mask bool [B, A]. text, text_mask: [B, T] (see `text.batch`).
    """

    views: Tensor
    view_mask: Tensor
    embodiment: str
    state: Tensor
    arm_mask: Tensor
    text: Tensor
    text_mask: Tensor


class GearVla(nn.Module):
    """All parts. `read` and `decode` are the slow path, `velocity` the fast one."""

    def __init__(self, spec: ModelSpec, tokens: TextTokens) -> None:
        super().__init__()
        self.spec, self.tokens = spec, tokens
        self.qwen: Any = build_qwen(spec)
        merger = self.qwen.model.visual.merger
        merged = spec.vision.width * MERGE * MERGE
        self.projector = ExpandedProjector(merged, spec.spatial.output_width * MERGE * MERGE, spec.language.width)
        self.projector.flat, self.projector.out = merger.mlp[0], merger.mlp[2]
        self.qwen.model.visual.merger = Gather(merger.ln_q)
        self._tower: Callable[[Tensor], Tensor] | None = None
        if spec.vision.stem == "cells":
            self.qwen.model.visual.patch_embed = CellStem(spec.vision, spec.view_size)
            self._tower = Tower(self.qwen.model.visual, spec.vision, spec.view_size)
        self.qwen.model.visual.requires_grad_(False)
        self.spatial = Aggregator(spec.spatial)
        self.state = StateProjectors(spec.embodiments, spec.language.width)
        self.latents = LatentDecoder(spec)
        self.expert = Expert(spec)
        if spec.vision.stem == "cells":
            from_nothing.begin(self.qwen, self.projector, self.latents.queries)
        self.statistics = ActionStatistics(spec.expert.steps)
        self.recompute = False
        """In training: both picture encoders are run again for the gradient instead of kept in memory."""

    def add_embodiment(self, embodiment: str, joints: int) -> None:
        """A state projector for a new robot. Raises ValueError if there is one of that name."""
        self.state.add(embodiment, joints)
        self.spec = self.spec.model_copy(update={"embodiments": self.spec.embodiments | {embodiment: joints}})

    def add_convolutions(self, channels: int) -> None:
        """To a stem of cells that has none; what the network says stays the same. Raises ValueError where there are
        others, or another stem."""
        stem, vision = self.qwen.model.visual.patch_embed, self.spec.vision
        if vision.convolutions or not isinstance(stem, CellStem):
            found = f"convolutions: the network has {vision.convolutions} and the stem '{vision.stem}'"
            raise ValueError(f"{found}; allowed for the stem 'cells' without any, or ask for as many as it has")
        vision = VisionSpec.model_validate(vision.model_dump() | {"convolutions": channels})
        stem.convolutions = Convolutions(channels, vision.width, vision.patch_size)
        self.spec = self.spec.model_copy(update={"vision": vision})

    def convolved(self, views: Tensor) -> Tensor:
        """What the stem's convolutions find in `views` [B, V, 3, S, S], RGB 0 to 1, four patches of a token side by
        side [B, V, T, 4 * channels]. Raises ValueError where it has none."""
        convolutions = getattr(self.qwen.model.visual.patch_embed, "convolutions", None)
        if convolutions is None:
            raise ValueError("convolutions: the network's stem has none; add_convolutions gives it some")
        found: Tensor = convolutions.features(normalised(views.flatten(0, 1)))
        return found.unflatten(1, (-1, MERGE**2)).flatten(2).unflatten(0, views.shape[:2])

    def see(self, views: Tensor, view_mask: Tensor, with_spatial: bool = True) -> Tensor:
        """Picture tokens [B, V, T, D]: both pathways, projected. A masked view's tokens are zero.

        A view that no sample of the batch has costs nothing.
        """
        self._check_views(views, view_mask)
        there = view_mask.any(dim=0)
        if there.all() or not there.any():
            return self._see(views, view_mask, with_spatial)
        seen = self._see(views[:, there], view_mask[:, there], with_spatial)
        whole = seen.new_zeros(seen.shape[0], VIEWS, *seen.shape[2:])
        whole[:, there] = seen
        return whole

    def _see(self, views: Tensor, view_mask: Tensor, with_spatial: bool) -> Tensor:
        spec, batch = self.spec, views.shape[0]
        shown = torch.where(view_mask[..., None, None, None], views, 0.0)
        patches = patchify(shown.flatten(0, 1), spec.vision.patch_size)  # [B * V * P, 3 * 2 * p * p]
        flat = self._flat(patches.to(self.projector.flat.weight.dtype))
        spatial = self._spatial(shown, view_mask) if with_spatial else None
        seen = self.projector(flat, spatial).unflatten(0, (batch, -1, spec.tokens_per_view))
        return torch.where(view_mask[..., None, None], seen, 0.0)

    def compile_parts(self) -> None:
        """By torch.compile, at the first call; it takes a few minutes."""
        self.spatial.compile()
        self.expert.compile()
        self.qwen.model.language_model.compile()
        if self._tower is None:
            self.qwen.model.visual.compile()
        else:
            self._tower = torch.compile(self._tower)

    def _flat(self, patches: Tensor) -> Tensor:
        """2D features [B * V * T, 4 * width]; of a parent's weights as transformers computes them, to the bit."""
        if self._tower is not None:
            return self._tower(patches)
        spec, stills = self.spec, patches.shape[0] // (self.spec.tokens_per_view * MERGE * MERGE)
        grid = view_grid(stills, spec.view_size, spec.vision.patch_size, patches.device)
        flat: Tensor = self.qwen.model.visual(patches, grid_thw=grid).pooler_output
        return flat

    def _spatial(self, views: Tensor, view_mask: Tensor) -> Tensor:
        """3D features in the order of merging, four patches side by side [B * V * T, 4 * 2 * width]."""
        features = self.spatial(views, view_mask)  # [B, V, P, 2 * width]
        order = merge_order(self.spec.view_size // self.spec.spatial.patch_size).to(views.device)
        together = features[:, :, order].reshape(-1, MERGE * MERGE * features.shape[-1])
        return together.to(self.projector.flat.weight.dtype)

    def embed(self, inputs: Inputs) -> Tensor:
        """The prefix of the language model's sequence [B, L, D] (see `sequence`).

        Raises ValueError naming the input that has a wrong shape, type or value.
        """
        _check_values(inputs)
        embed = self.qwen.get_input_embeddings()
        seen = self._seen(inputs)
        batch = seen.shape[0]
        start = embed(inputs.text.new_tensor(self.tokens.vision_start)).expand(batch, 1, -1)
        end = embed(inputs.text.new_tensor(self.tokens.vision_end)).expand(batch, 1, -1)
        views = [part for view in range(VIEWS) for part in (start, seen[:, view], end)]
        state = self.state(inputs.embodiment, inputs.state.to(seen.dtype), inputs.arm_mask)
        return torch.cat([*views, state, embed(inputs.text)], dim=1)

    def _seen(self, inputs: Inputs) -> Tensor:
        if self.recompute and self.training and torch.is_grad_enabled():
            seen: Tensor = checkpoint(self.see, inputs.views, inputs.view_mask, use_reentrant=False)
            return seen
        return self.see(inputs.views, inputs.view_mask)

    def read(self, inputs: Inputs) -> Prefix:
        """Read the prefix; the slow path's long part. In training without views that no sample has."""
        embeds = self.embed(inputs)
        mask = sequence.prefix_mask(self.spec, inputs.view_mask, inputs.arm_mask, inputs.text_mask)
        positions = sequence.prefix_positions(self.spec, inputs.text_mask)
        there = inputs.view_mask.any(dim=0).tolist() if self.training else [True] * sequence.VIEWS
        if not all(there):
            kept = sequence.without(self.spec, there, embeds.shape[1]).to(embeds.device)
            embeds, mask, positions = embeds[:, kept], mask[:, kept], positions[:, :, kept]
        cache = DynamicCache(config=self.qwen.config.text_config)
        out = self.qwen.model.language_model(
            inputs_embeds=embeds,
            attention_mask=mask.long(),
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        )
        at = sequence.layout(self.spec, inputs.text.shape[1], there)
        return Prefix(cache, mask, positions, out.last_hidden_state[:, -1], embeds, at)

    def decode(self, prefix: Prefix) -> tuple[Tensor, Latents]:
        """Latent ids [B, N] and their K/V in every layer."""
        return self.latents.decode(self.qwen, prefix)

    def teach(
        self,
        inputs: Inputs,
        answer: Tensor,
        is_action: Tensor,
        dropped: Dropped | None = None,
        paid: list[Tensor] | None = None,
    ) -> tuple[Tensor, Prefix]:
        """Teacher forcing with `answer` [B, M] (ids of the vocabulary): logits [B, M + 1, vocabulary], and the prefix.

        logits[:, i] are about answer[:, i]; the last ones about what follows. `latents.cached` gives the K/V of an
        answer that begins with the latent tokens. is_action: bool [M], true for latent action and FAST tokens; from
        those `dropped` is hidden. paid: gets the attention of the answer in each layer, if `dropped` is given.
        """
        prefix = self.read(inputs)
        count = answer.shape[1]
        keep: dict[str, Any] = {}
        if dropped is not None:
            keep["attention_keep"] = language_keep(dropped, prefix.layout, is_action, prefix.mask.shape[1] + count)
            keep["attention_paid"] = paid
        embeds = self.qwen.get_input_embeddings()(answer)
        hidden = self.latents.continue_with(self.qwen, prefix, embeds, **keep)
        logits: Tensor = self.qwen.lm_head(torch.cat([prefix.last_hidden[:, None], hidden], dim=1))
        return logits, prefix

    def state_tokens(self, inputs: Inputs, dropped: Dropped | None = None) -> StateTokens:
        """Fresh state for the expert."""
        tokens = self.state(inputs.embodiment, inputs.state.to(self.expert.step.dtype), inputs.arm_mask)
        keep = None
        if dropped is not None:
            keep = (~dropped.state)[:, None].expand(-1, tokens.shape[1]).to(tokens.dtype)
        return StateTokens(tokens, inputs.arm_mask, keep)

    def _check_views(self, views: Tensor, view_mask: Tensor) -> None:
        size = self.spec.view_size
        if tuple(views.shape[1:]) != (VIEWS, 3, size, size) or not views.is_floating_point():
            found = f"{views.dtype} {list(views.shape)}"
            raise ValueError(f"views: {found}, allowed floating point [B, {VIEWS}, 3, {size}, {size}], RGB 0 to 1")
        if view_mask.dtype != torch.bool or view_mask.shape != views.shape[:2]:
            found = f"{view_mask.dtype} {list(view_mask.shape)}"
            raise ValueError(f"view_mask: {found}, allowed torch.bool {list(views.shape[:2])}")


def _check_values(inputs: Inputs) -> None:
    views, state = inputs.views, inputs.state
    shown = views[inputs.view_mask] if inputs.view_mask.shape == views.shape[:2] else views
    if shown.numel() and not (shown.min() >= 0 and shown.max() <= 1):
        raise ValueError(f"views: {shown.min():g} to {shown.max():g}, allowed 0 to 1 (divide bytes by 255)")
    if inputs.arm_mask.dtype != torch.bool or inputs.arm_mask.shape != state.shape[:2]:
        found = f"{inputs.arm_mask.dtype} {list(inputs.arm_mask.shape)}"
        raise ValueError(f"arm_mask: {found}, allowed torch.bool {list(state.shape[:2])}")
    if not state[inputs.arm_mask].isfinite().all():
        raise ValueError("state: holds NaN or infinity, allowed are finite numbers")
