"""All losses of one batch, weighted by the stage: what a process computes, in one call of one module."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gear_vla_ros.model.dropping import Dropped, draw, language_keep
from gear_vla_ros.model.expert import Latents
from gear_vla_ros.model.gear_vla import GearVla
from gear_vla_ros.model.latents import Prefix, to_vocabulary
from gear_vla_ros.settings.training import TrainingSpec
from gear_vla_ros.training.batch import Batch
from gear_vla_ros.training.delays import draw_delays, gone_on_from
from gear_vla_ros.training.grounding import (
    CELL_SHARE,
    LIES_SHARE,
    LOOK_SHARE,
    READ_SHARE,
    TURN_SHARE,
    WORD_SHARE,
    GroundingHead,
    cell_loss,
    chunk_loss,
    look_loss,
    place_loss,
    read_loss,
    turn_loss,
    word_loss,
)
from gear_vla_ros.training.losses import IGNORE, FlowSample, TargetKind, flow_matching_loss, flow_sample, token_loss


@dataclass(frozen=True)
class Losses:
    """total: what is minimised. parts: scalars by name, detached."""

    total: Tensor
    parts: dict[str, Tensor]


class Objective(nn.Module):
    """The network, and in training the grounding head beside it."""

    def __init__(self, model: GearVla, training: TrainingSpec) -> None:
        super().__init__()
        self.model, self._training = model, training
        self.grounding = GroundingHead(model.spec) if training.weights.grounding > 0 else None

    def forward(self, batch: Batch, shared: torch.Generator, own: torch.Generator) -> Losses:
        """shared: of the step, the same in all processes; own: of this process. Only they decide what is drawn."""
        if self._training.stage == "convolutional_stem":
            lies = self._edges(batch)
            return Losses(lies, {"lies": lies.detach()})
        weights, parts = self._training.weights, {}
        dropped = _part(draw(self.model.spec.dropping, batch.whole, shared), batch)
        normal = self.model.statistics.normalise(batch.actions)
        if self._trains_language():
            paid: list[Tensor] = []
            latents, logits, prefix = self.say(batch, dropped, paid)
            parts["latent"] = self._token_loss(logits, to_ids(self.model, batch.codes), TargetKind.LATENT)
            if weights.fast > 0:
                parts["fast"] = self._fast(batch, prefix, dropped)
            if self.grounding is not None:
                read = self.grounding(latents)
                if batch.words.numel():
                    parts["word"] = self._words(batch, prefix)
                    parts["read"] = read_loss(paid[0], prefix.layout.text, batch.naming)
                if len(paid) > 1:
                    parts["look"] = self._looks(batch, dropped, prefix, paid)
                parts["cell"] = cell_loss(read.cells, batch.point[:, :, 0], batch.near_known.any(dim=-1))
                parts["place"] = place_loss(read.places, batch.near, batch.near_known)
                parts["turn"] = turn_loss(read.turn, batch.turn)
                parts["lies"] = self._lies(batch, prefix)
                parts["chunk"] = chunk_loss(read.chunk, normal, batch.valid)
        else:
            with torch.no_grad():
                latents = self.say(batch, dropped)[0]
        if self._training.flow_weight > 0 and (batch.acting or not parts):
            parts["flow"] = self._flow(batch, latents, dropped, own)
        share = {
            "latent": weights.latent,
            "fast": weights.fast,
            "place": weights.grounding,
            "turn": TURN_SHARE * weights.grounding,
            "lies": LIES_SHARE * weights.grounding,
            "cell": CELL_SHARE * weights.grounding,
            "look": LOOK_SHARE * weights.grounding,
            "read": READ_SHARE * weights.grounding,
            "word": WORD_SHARE * weights.grounding,
            "chunk": weights.grounding,
            "flow": self._training.flow_weight,
        }
        total = torch.stack([share[name] * loss for name, loss in parts.items()]).sum()
        return Losses(total, {name: loss.detach() for name, loss in parts.items()})

    def _words(self, batch: Batch, prefix: Prefix) -> Tensor:
        words = self.model.qwen.get_input_embeddings()(batch.words)
        there = batch.inputs.view_mask  # [B, V]; a robot's batch has the same views in all samples
        views = _shown(prefix)
        tokens = [prefix.embeds[there[:, view], prefix.layout.views[view]] for view in views]
        shown = [batch.shown[there[:, view], view] for view in views]
        return word_loss(torch.cat(tokens), words, torch.cat(shown))

    def _lies(self, batch: Batch, prefix: Prefix) -> Tensor:
        assert self.grounding is not None
        views = _shown(prefix)
        tokens = torch.stack([prefix.embeds[:, prefix.layout.views[view]] for view in views], dim=1)
        return turn_loss(self.grounding.lies(tokens.float()), batch.lies[:, views])

    def _edges(self, batch: Batch) -> Tensor:
        assert self.grounding is not None
        there = batch.inputs.view_mask[0]  # a robot's batch has the same views in all samples
        found = self.model.convolved(batch.inputs.views[:, there])
        return turn_loss(self.grounding.edges(found).float(), batch.lies[:, there])

    def _looks(self, batch: Batch, dropped: Dropped, prefix: Prefix, paid: list[Tensor]) -> Tensor:
        kept = batch.inputs.view_mask.clone()
        kept[:, 1:] &= ~dropped.wrist[:, None]
        kept &= batch.near_known[:, 0].any(dim=-1, keepdim=True)
        return look_loss(paid, prefix.layout.views, batch.point[:, 0], kept)

    def _trains_language(self) -> bool:
        weights = self._training.weights
        return weights.latent > 0 or weights.fast > 0 or weights.grounding > 0

    def say(self, batch: Batch, dropped: Dropped, paid: list[Tensor] | None = None) -> tuple[Latents, Tensor, Prefix]:
        """K/V of the latent tokens; logits `[B, N, vocabulary]` about them; where they looked goes into `paid`."""
        model = self.model
        if model.spec.latents.decoding == "parallel":
            prefix = model.read(batch.inputs)
            keep = self._keep(batch, prefix, dropped, model.spec.latents.tokens)
            logits = model.latents.parallel_logits(model.qwen, prefix, attention_keep=keep, attention_paid=paid)
            return model.latents.cached(prefix), logits, prefix
        answer = to_ids(model, batch.codes).clamp_min(model.spec.language.vocabulary)
        is_action = torch.ones(answer.shape[1], dtype=torch.bool, device=answer.device)
        logits, prefix = model.teach(batch.inputs, answer, is_action, dropped, paid)
        return model.latents.cached(prefix), logits[:, :-1], prefix

    def _fast(self, batch: Batch, prefix: Prefix, dropped: Dropped) -> Tensor:
        """FAST ids after the latent tokens, each from those before it; the first from a token that begins an action."""
        model = self.model
        targets = torch.where(batch.fast == IGNORE, IGNORE, batch.fast + model.spec.fast_id_offset)
        begin = torch.full_like(targets[:, :1], model.tokens.begin_action)
        given = torch.cat([begin, targets[:, :-1]], dim=1).clamp_min(0)
        keep = self._keep(batch, prefix, dropped, model.spec.latents.tokens, given.shape[1])
        embeds = model.qwen.get_input_embeddings()(given)
        after = model.spec.latents.tokens
        hidden = model.latents.continue_with(model.qwen, prefix, embeds, after=after, attention_keep=keep)
        return self._token_loss(model.qwen.lm_head(hidden), targets, TargetKind.FAST)

    def _keep(self, batch: Batch, prefix: Prefix, dropped: Dropped, latents: int, more: int = 0) -> Tensor:
        """Of the latent tokens, or of `more` action tokens after them."""
        asking = torch.ones(more or latents, dtype=torch.bool, device=prefix.mask.device)
        return language_keep(dropped, prefix.layout, asking, prefix.mask.shape[1] + latents + more)

    @staticmethod
    def _token_loss(logits: Tensor, targets: Tensor, kind: TargetKind) -> Tensor:
        return token_loss(logits.flatten(0, 1), targets.flatten(), torch.full_like(targets.flatten(), kind)).total

    def _flow(self, batch: Batch, latents: Latents, dropped: Dropped, generator: torch.Generator) -> Tensor:
        """Mean over several draws of noise and flow time: the expert is cheap, the latents behind it are not."""
        training, model = self._training, self.model
        state = model.state_tokens(batch.inputs, dropped)
        losses = []
        for _ in range(training.flow_draws):
            drawn = self._drawn(batch, generator)
            found = model.expert(drawn.noisy, drawn.tau, drawn.clean, latents, state)
            losses.append(flow_matching_loss(found, drawn))
        return torch.stack(losses).mean()

    def _drawn(self, batch: Batch, generator: torch.Generator) -> FlowSample:
        training = self._training
        delays = draw_delays(batch.actions, training.max_delay_steps, training.delayed, generator)
        normal = self.model.statistics.normalise(gone_on_from(batch.actions, batch.earlier, delays))
        return flow_sample(normal, batch.valid, delays=delays, early=training.early, generator=generator)


def _shown(prefix: Prefix) -> list[int]:
    """Views that have tokens."""
    return [view for view, at in enumerate(prefix.layout.views) if at.stop > at.start]


def _part(dropped: Dropped, batch: Batch) -> Dropped:
    """Of this process's samples."""
    mine = slice(batch.first, batch.first + len(batch.actions))
    device = batch.actions.device
    return Dropped(dropped.wrist[mine].to(device), dropped.state[mine].to(device))


def to_ids(model: GearVla, codes: Tensor) -> Tensor:
    """Latent ids as ids of the vocabulary; IGNORE stays."""
    return torch.where(codes == IGNORE, IGNORE, to_vocabulary(model.spec, codes))
