"""Qwen2.5-VL from transformers, in the sizes of a ModelSpec, and its pictures as patches (paper, 3.2)."""

import torch
from torch import Tensor, nn
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from gear_vla_ros.model import attention
from gear_vla_ros.settings.model import ModelSpec

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of CLIP's pictures, as Qwen2.5-VL's processor takes them."""
MERGE, TEMPORAL = 2, 2


def qwen_config(spec: ModelSpec, attention_name: str = attention.NAME) -> Qwen2_5_VLConfig:
    """transformers' configuration of these sizes."""
    language, vision = spec.language, spec.vision
    return Qwen2_5_VLConfig(  # type: ignore[call-arg]
        text_config={
            "vocab_size": spec.vocabulary,
            "hidden_size": language.width,
            "intermediate_size": language.mlp_width,
            "num_hidden_layers": language.depth,
            "num_attention_heads": language.heads,
            "num_key_value_heads": language.kv_heads,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": language.rope_theta,
                "mrope_section": list(language.mrope_section),
            },
            "tie_word_embeddings": language.tied,
            "use_sliding_window": False,
            "max_position_embeddings": 128000,
            "bos_token_id": None,
            "eos_token_id": None,
        },
        vision_config={
            "depth": vision.depth,
            "hidden_size": vision.width,
            "num_heads": vision.heads,
            "intermediate_size": vision.mlp_width,
            "out_hidden_size": language.width,
            "patch_size": vision.patch_size,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": TEMPORAL,
            "window_size": vision.window_size,
            "fullatt_block_indexes": list(vision.full_attention_layers),
        },
        tie_word_embeddings=language.tied,
        attn_implementation={"text_config": attention_name, "vision_config": "sdpa"},
    )


def build_qwen(spec: ModelSpec) -> Qwen2_5_VLForConditionalGeneration:
    """Qwen2.5-VL with random weights, on the current default device."""
    attention.register()
    return Qwen2_5_VLForConditionalGeneration(qwen_config(spec))


class Gather(nn.Module):
    """In place of the tower's merger: its norm, and four neighbouring patches side by side [T, 4 * width]."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.ln_q = norm

    def forward(self, patches: Tensor) -> Tensor:
        """`patches` [4 T, width]."""
        normed: Tensor = self.ln_q(patches)
        return normed.reshape(-1, MERGE * MERGE * normed.shape[-1])


def merge_order(grid: int) -> Tensor:
    """Index of each patch of a `grid` x `grid` view in the order of merging: 2x2 blocks, row by row. [grid * grid]."""
    index = torch.arange(grid * grid).view(grid // MERGE, MERGE, grid // MERGE, MERGE)
    return index.permute(0, 2, 1, 3).reshape(-1)


def normalised(images: Tensor) -> Tensor:
    """Pictures [N, 3, S, S] (RGB, 0 to 1) as the tower takes their pixels."""
    return (images - images.new_tensor(MEAN).view(1, 3, 1, 1)) / images.new_tensor(STD).view(1, 3, 1, 1)


def patchify(images: Tensor, patch: int) -> Tensor:
    """Pictures [N, 3, S, S] (RGB, 0 to 1) -> patches in the order of merging [N * P, 3 * 2 * patch * patch].

    Each picture stands twice, as the tower's two frames of a still.
    """
    count, channels, size, _ = images.shape
    grid = size // patch
    patches = normalised(images).reshape(count, channels, grid, patch, grid, patch)
    patches = patches.permute(0, 2, 4, 1, 3, 5).reshape(count, grid * grid, channels, patch, patch)  # [N, P, 3, p, p]
    patches = patches[:, merge_order(grid).to(images.device)]
    patches = patches[:, :, :, None].expand(-1, -1, -1, TEMPORAL, -1, -1)  # [N, P, 3, 2, p, p]
    return patches.reshape(count * grid * grid, -1)


def view_grid(images: int, size: int, patch: int, device: torch.device) -> Tensor:
    """`grid_thw` [N, 3] of N square stills."""
    side = size // patch
    return torch.tensor([[1, side, side]], device=device).expand(images, 3)
