"""How a network is trained; `config/training/` holds one file a stage, with the paper's figures."""

from typing import Literal

from pydantic import Field, model_validator

from gear_vla_ros.settings.loading import Spec, load
from gear_vla_ros.settings.paths import named_file, share_dir

Stage = Literal["embodied_pretraining", "continuous_policy", "new_projector", "light_end_to_end", "convolutional_stem"]

FOLLOWED_STEPS = 12
"""Of what was followed after a sample, so many are kept."""


class WeightsSpec(Spec):
    """Weights of the losses; 0 leaves one out. The paper gives none."""

    latent: float = Field(default=1.0, ge=0)
    fast: float = Field(default=1.0, ge=0)
    flow: float = Field(default=1.0, ge=0)
    grounding: float = Field(default=0.0, ge=0)
    """Where the named object is, and a coarse chunk, read from the latents' keys and values; ours."""


class TrainingSpec(Spec):
    """One stage (paper, 3.4 and App. A)."""

    stage: Stage
    """embodied_pretraining: stage 1, everything but the action expert. continuous_policy: stage 2, with the expert.
    new_projector: adaptation (a), one state projector alone. light_end_to_end: adaptation (b). convolutional_stem: the
    stem's convolutions alone, taught how objects lie; ours."""
    embodiment: str | None = None
    """Of the new robot; for new_projector only."""
    learning_rate: float = Field(default=2e-5, gt=0, le=1)
    weight_decay: float = Field(default=0.0, ge=0, le=1)
    clip_norm: float = Field(default=1.0, gt=0)
    """Largest norm of the gradient."""
    warm_up: float = Field(default=0.03, ge=0, lt=1)
    """Share of the steps over which the learning rate rises; constant after."""
    steps: int = Field(ge=1)
    batch: int = Field(ge=1)
    """Samples a step, over all processes."""
    precision: Literal["bfloat16", "float32"] = "bfloat16"
    gradient_checkpointing: bool = True
    seed: int = Field(default=42, ge=0)
    vision_language_share: float = Field(default=0.4, gt=0, le=1)
    """Of each vision-language source in stage 2."""
    weights: WeightsSpec = WeightsSpec()
    flow_draws: int = Field(default=1, ge=1, le=64)
    """Draws of noise and flow time a sample; ours."""
    early: float = Field(default=1.0, ge=1, le=10)
    """1 draws flow times evenly; more draws them nearer to noise, Beta(1, early); ours, pi0 has 1.5."""
    cool_down: float = Field(default=0.0, ge=0, lt=1)
    """Share of the steps at the end over which the learning rate falls to a hundredth; ours."""
    retold: float = Field(default=0.0, ge=0, le=1)
    """Share of samples whose instruction names another object that is there: only its place is learned; ours."""
    held: float = Field(default=1.0, gt=0, le=1)
    """Share of the samples in which an object is held all along that are learned from: half of a lift's samples are,
    and say nothing new; ours."""
    either_side: bool = True
    """A single arm is mapped to left or right at random (paper, App. A)."""
    mirrored: float = Field(default=0.0, ge=0, lt=1)
    """Share of the steps that see a robot of two arms in a mirror, where it is its own mirror image and no instruction
    of the dataset names a side; ours."""
    vary_pictures: bool = True
    """Other light and noise, as a robot's cameras would see it."""
    light: float = Field(default=0.25, ge=0, le=0.5)
    """Share by which a picture becomes brighter or darker at most."""
    tint: float = Field(default=0.06, ge=0, le=0.4)
    """Share by which each of its three colours does besides."""
    averaged: float = Field(default=0.0, ge=0, lt=1)
    """Share of itself that a moving average of the weights keeps at each step; the average is saved; 0: none; ours."""
    head_moved: float = Field(default=0.0, ge=0, le=0.2)
    """Largest displacement of the head's picture, in shares of its width, as by a camera that has been pushed; ours."""
    compiled: bool = False
    """By torch.compile: a minute at the beginning, faster after."""
    convolutions: int = Field(default=0, ge=0)
    """Channels of convolutions that the network gets for its stem where it has none (`model.convolutions`); ours."""
    from_nothing: bool = False
    """No parent gave the 2D tower its weights: it learns too."""
    sharded_optimiser: bool = False
    """Of several processes each keeps the optimiser's state of its part of the weights (ZeRO, stage 1)."""
    max_delay_steps: int = Field(default=0, ge=0, lt=1000)
    """Largest clean prefix of a chunk in training, for training-time real-time chunking."""
    delayed: float = Field(default=1.0, ge=0, le=1)
    """Share of chunks for which a clean prefix is drawn; the seams other than `rtc` give none; ours."""
    given_age_s: float = Field(default=0.0, ge=0, le=0.5)
    """Clean first steps are those that a sample up to so long before has for the same time, as what is under way on a
    robot was decided before; 0: the sample's own; ours."""
    given_followed: float = Field(default=0.0, ge=0, le=1)
    """Share of them that are what was followed in the episode: where a learner drove, what it had decided; ours."""

    @model_validator(mode="after")
    def _projector_is_named(self) -> "TrainingSpec":
        if (self.stage == "new_projector") != (self.embodiment is not None):
            raise ValueError("embodiment is to be given for the stage new_projector, and for no other")
        return self

    @model_validator(mode="after")
    def _there_are_convolutions(self) -> "TrainingSpec":
        if self.stage == "convolutional_stem" and not (self.convolutions and self.weights.grounding):
            found = f"convolutions {self.convolutions}, weights.grounding {self.weights.grounding:g}"
            raise ValueError(f"the stage convolutional_stem with {found}; both are to be above 0")
        return self

    @model_validator(mode="after")
    def _what_was_followed_is_long_enough(self) -> "TrainingSpec":
        if self.given_followed and self.max_delay_steps > FOLLOWED_STEPS:
            raise ValueError(f"max_delay_steps is {self.max_delay_steps}, with given_followed at most {FOLLOWED_STEPS}")
        return self

    @property
    def flow_weight(self) -> float:
        """Of the flow loss; stage 1 has no action expert."""
        return 0.0 if self.stage == "embodied_pretraining" else self.weights.flow

    def learning_rate_at(self, step: int) -> float:
        """Of step 0 and on: a linear rise, then constant, and where it cools down a linear fall."""
        rising, falling = max(1, round(self.warm_up * self.steps)), max(1, round(self.cool_down * self.steps))
        fall = min(1.0, (self.steps - step) / falling) if self.cool_down else 1.0
        return self.learning_rate * min(1.0, (step + 1) / rising) * (0.01 + 0.99 * fall)


def load_training_spec(name_or_path: str) -> TrainingSpec:
    """The stage of that name in config/training, or of a path that ends in .yaml.

    Raises FileNotFoundError with the names there are, SettingsError naming key, value and what is allowed.
    """
    return load(TrainingSpec, named_file(share_dir() / "config" / "training", name_or_path, ".yaml"))
