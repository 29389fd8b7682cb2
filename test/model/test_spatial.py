"""Spatial encoder: names and sizes as published, views that are related, and masked views that are not there."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gear_vla_ros.model.parents import AGGREGATOR
from gear_vla_ros.model.rope2d import grid_positions, rotate, rotation
from gear_vla_ros.model.spatial import Aggregator
from gear_vla_ros.settings.spatial import SpatialSpec

TINY = SpatialSpec.tiny()
SIDE = TINY.view_size
BLOCK = {
    "norm1.weight": (1024,), "norm1.bias": (1024,),
    "attn.qkv.weight": (3072, 1024), "attn.qkv.bias": (3072,),
    "attn.proj.weight": (1024, 1024), "attn.proj.bias": (1024,),
    "ls1.gamma": (1024,),
    "norm2.weight": (1024,), "norm2.bias": (1024,),
    "mlp.fc1.weight": (4096, 1024), "mlp.fc1.bias": (4096,),
    "mlp.fc2.weight": (1024, 4096), "mlp.fc2.bias": (1024,),
    "ls2.gamma": (1024,),
}  # fmt: skip
QK_NORM = {f"attn.{one}_norm.{what}": (64,) for one in "qk" for what in ("weight", "bias")}
TOKENS = {
    "aggregator.camera_token": (1, 2, 1, 1024),
    "aggregator.register_token": (1, 2, 4, 1024),
    "aggregator.patch_embed.cls_token": (1, 1, 1024),
    "aggregator.patch_embed.pos_embed": (1, 1370, 1024),
    "aggregator.patch_embed.register_tokens": (1, 4, 1024),
    "aggregator.patch_embed.mask_token": (1, 1024),
    "aggregator.patch_embed.patch_embed.proj.weight": (1024, 3, 14, 14),
    "aggregator.patch_embed.patch_embed.proj.bias": (1024,),
    "aggregator.patch_embed.norm.weight": (1024,),
    "aggregator.patch_embed.norm.bias": (1024,),
}
PUBLISHED_PARAMETERS = 909_112_320


def published() -> dict[str, tuple[int, ...]]:
    """Keys and shapes of the aggregator in the published VGGT-1B."""
    keys = dict(TOKENS)
    for i in range(24):
        keys |= {f"aggregator.patch_embed.blocks.{i}.{name}": shape for name, shape in BLOCK.items()}
        for kind in ("frame_blocks", "global_blocks"):
            keys |= {f"aggregator.{kind}.{i}.{name}": shape for name, shape in (BLOCK | QK_NORM).items()}
    return keys


@pytest.fixture(scope="module")
def tiny() -> Aggregator:
    """Every parameter large enough that what depends on it shows."""
    torch.manual_seed(0)
    model = Aggregator(TINY).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def views(batch: int, count: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(batch, count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def large() -> Aggregator:
    with torch.device("meta"):
        return Aggregator(SpatialSpec.vggt_1b())


def test_keys_and_shapes_are_the_published_ones(large: Aggregator) -> None:
    assert {AGGREGATOR + key: tuple(tensor.shape) for key, tensor in large.state_dict().items()} == published()
    assert sum(parameter.numel() for parameter in large.parameters()) == PUBLISHED_PARAMETERS


def test_three_views_of_448_give_1024_tokens_each(large: Aggregator) -> None:
    spec = large.spec
    images = torch.empty(2, 3, 3, spec.view_size, spec.view_size, device="meta")
    out = large(images, torch.ones(2, 3, dtype=torch.bool, device="meta"))
    assert out.shape == (2, 3, spec.patches_per_view, spec.output_width) == (2, 3, 1024, 2048)


@pytest.mark.parametrize("hidden", [torch.nan, torch.inf, 0.3])
def test_a_masked_view_changes_nothing(tiny: Aggregator, hidden: float) -> None:
    images, mask = views(2, 3), torch.tensor([[True, True, False], [True, False, True]])
    with torch.no_grad():
        before = tiny(images, mask)
        images[~mask] = hidden
        after = tiny(images, mask)
    assert torch.equal(before, after)
    assert after[~mask].abs().max() == 0
    assert after[mask].isfinite().all()


def test_a_masked_view_is_as_if_it_were_not_there(tiny: Aggregator) -> None:
    images = views(1, 3)
    with torch.no_grad():
        masked = tiny(images, torch.tensor([[True, False, True]]))[:, [0, 2]]
        absent = tiny(images[:, [0, 2]])
    torch.testing.assert_close(masked, absent, atol=1e-5, rtol=1e-4)


def test_no_view_at_all_gives_zeros(tiny: Aggregator) -> None:
    with torch.no_grad():
        out = tiny(views(1, 2), torch.zeros(1, 2, dtype=torch.bool))
    assert torch.equal(out, torch.zeros_like(out))


def test_a_full_mask_is_no_mask(tiny: Aggregator) -> None:
    images = views(2, 3)
    with torch.no_grad():
        torch.testing.assert_close(tiny(images, torch.ones(2, 3, dtype=torch.bool)), tiny(images), atol=1e-5, rtol=1e-4)


def test_views_are_related_by_global_attention_only(tiny: Aggregator) -> None:
    images = views(1, 3)
    other = images.clone()
    other[:, 1] = views(1, 1, seed=5)[:, 0]
    with torch.no_grad():
        change = (tiny(images) - tiny(other))[:, 0]
    assert change.abs().max() > 1e-3


def test_later_views_may_change_places_the_first_may_not(tiny: Aggregator) -> None:
    images, swap_later, swap_first = views(1, 4), [0, 3, 1, 2], [1, 0, 2, 3]
    with torch.no_grad():
        out = tiny(images)
        torch.testing.assert_close(tiny(images[:, swap_later]), out[:, swap_later], atol=1e-4, rtol=1e-4)
        assert (tiny(images[:, swap_first]) - out[:, swap_first]).abs().max() > 1e-3


def test_batches_are_independent(tiny: Aggregator) -> None:
    images = views(3, 2)
    with torch.no_grad():
        torch.testing.assert_close(tiny(images)[1:2], tiny(images[1:2]), atol=1e-5, rtol=1e-4)


def test_other_sizes_and_grids_interpolate_the_places(tiny: Aggregator) -> None:
    with torch.no_grad():
        out = tiny(torch.rand(1, 2, 3, 2 * SIDE, 3 * SIDE))
    assert out.shape == (1, 2, 6 * TINY.patches_per_view, TINY.output_width)
    encoder = tiny.patch_embed
    assert torch.equal(encoder._places(encoder.side, encoder.side), encoder.pos_embed[:, 1:])
    with torch.no_grad():
        flat = Aggregator(TINY).patch_embed
        flat.pos_embed.fill_(0.7)
        torch.testing.assert_close(flat._places(5, 9), torch.full((1, 45, TINY.width), 0.7))


@pytest.mark.parametrize("size", [SIDE, 2 * SIDE])
def test_the_patch_encoder_computes_what_transformers_dinov2_does(tiny: Aggregator, size: int) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.Dinov2WithRegistersConfig(
        hidden_size=TINY.width, num_hidden_layers=TINY.encoder_depth, num_attention_heads=TINY.heads, mlp_ratio=4,
        image_size=TINY.trained_size, patch_size=TINY.patch_size, num_register_tokens=TINY.registers,
    )  # fmt: skip
    theirs = transformers.Dinov2WithRegistersModel(config).eval()
    theirs.load_state_dict(as_transformers_names(tiny.patch_embed.state_dict()))
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected = theirs(images).last_hidden_state[:, 1 + TINY.registers :]
        torch.testing.assert_close(tiny.patch_embed(images), expected, atol=1e-4, rtol=1e-4)


def as_transformers_names(ours: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    renamed = {
        "blocks.": "encoder.layer.",
        "attn.proj": "attention.o_proj",
        "patch_embed.proj": "embeddings.patch_embeddings.projection",
        "ls1.gamma": "layer_scale1.lambda1",
        "ls2.gamma": "layer_scale2.lambda1",
        "pos_embed": "embeddings.position_embeddings",
        "cls_token": "embeddings.cls_token",
        "mask_token": "embeddings.mask_token",
        "register_tokens": "embeddings.register_tokens",
    }
    theirs = {}
    for key, tensor in ours.items():
        for name, other in renamed.items():
            key = key.replace(name, other)
        key = key.replace("norm.", "layernorm.") if key.startswith("norm.") else key
        if "attn.qkv" in key:
            parts = zip("qkv", tensor.chunk(3), strict=True)
            theirs |= {key.replace("attn.qkv", f"attention.{one}_proj"): part for one, part in parts}
        else:
            theirs[key] = tensor
    return theirs


@given(st.tuples(*[st.integers(0, 40)] * 4), st.tuples(*[st.integers(0, 40)] * 2))
@settings(max_examples=50, deadline=None)
def test_rotated_products_depend_on_the_distance_only(places: tuple[int, ...], shift: tuple[int, int]) -> None:
    q, k = torch.randn(2, 1, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(3))

    def product(move: tuple[int, int]) -> torch.Tensor:
        a, b = (torch.tensor([places[i : i + 2]]) + torch.tensor([move]) for i in (0, 2))
        turned = [rotate(x, rotation(at, 64, 100.0, torch.float64)) for x, at in ((q, a), (k, b))]
        return (turned[0] * turned[1]).sum()

    torch.testing.assert_close(product((0, 0)), product(shift), atol=1e-4, rtol=1e-4)


def test_rotation_turns_each_axis_by_its_frequencies() -> None:
    at = torch.tensor([[3, 0], [0, 5]])
    by = rotation(at, 8, 100.0, torch.float64)
    angles = torch.tensor([1.0, 0.1], dtype=torch.float64)
    still = torch.ones(4, dtype=torch.float64)
    torch.testing.assert_close(by.cos[0], torch.cat([(3 * angles).cos().repeat(2), still]), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(by.cos[1], torch.cat([still, (5 * angles).cos().repeat(2)]), atol=1e-6, rtol=1e-6)
    unit = torch.zeros(1, 8, dtype=torch.float64)
    unit[0, 0] = 1.0
    expected = torch.tensor([[3.0, 0, 3.0, 0, 0, 0, 0, 0]], dtype=torch.float64)
    expected[0, 0], expected[0, 2] = torch.tensor(3.0).cos(), torch.tensor(3.0).sin()
    torch.testing.assert_close(rotate(unit, rotation(at[:1], 8, 100.0, torch.float64)), expected, atol=1e-6, rtol=1e-6)


def test_a_block_is_attention_as_it_is_written_down(tiny: Aggregator) -> None:
    """One head at a time, rotation as a product of complex numbers, softmax over an explicit sum."""
    block, heads, dim = tiny.global_blocks[0].double(), TINY.heads, TINY.width // TINY.heads
    x = torch.randn(1, 7, TINY.width, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    places = torch.randint(0, 9, (7, 2), generator=torch.Generator().manual_seed(5))
    seen = torch.tensor([True, True, False, True, True, False, True])
    try:
        with torch.no_grad():
            found = block(x, rotation(places, dim, 100.0, torch.float64), seen[None, None, None])
            normal = block.norm1(x)[0]
            weights, bias = block.attn.qkv.weight.view(3, heads, dim, -1), block.attn.qkv.bias.view(3, heads, dim)
            out = []
            for head in range(heads):
                q, k, v = (normal @ weights[i, head].T + bias[i, head] for i in range(3))
                q, k = in_complex(block.attn.q_norm(q), places), in_complex(block.attn.k_norm(k), places)
                scores = (q @ k.conj().T).real / dim**0.5
                share = scores.exp() * seen
                out.append(share / share.sum(dim=1, keepdim=True) @ v)
            middle = x[0] + block.ls1.gamma * block.attn.proj(torch.cat(out, dim=1))
            hidden = torch.nn.functional.gelu(block.mlp.fc1(block.norm2(middle)))
            expected = middle + block.ls2.gamma * block.mlp.fc2(hidden)
    finally:
        block.float()
    torch.testing.assert_close(found[0], expected, atol=1e-5, rtol=1e-5)


def in_complex(features: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """`[tokens, dim / 2]` complex: feature i of each half with its partner a quarter further, turned by its place."""
    quarter = features.shape[1] // 4
    frequency = 100.0 ** (-torch.arange(quarter, dtype=torch.float64) / quarter)
    halves = []
    for axis in range(2):
        half = features[:, 2 * axis * quarter : 2 * (axis + 1) * quarter]
        number = torch.complex(half[:, :quarter], half[:, quarter:])
        halves.append(number * torch.exp(1j * places[:, axis : axis + 1] * frequency))
    return torch.cat(halves, dim=1)


def test_special_tokens_have_no_place_and_patches_go_row_by_row() -> None:
    found = grid_positions(2, 3, 2, torch.device("cpu")).tolist()
    assert found == [[0, 0], [0, 0], [1, 1], [1, 2], [1, 3], [2, 1], [2, 2], [2, 3]]


def test_every_parameter_learns_except_the_mask_token(tiny: Aggregator) -> None:
    tiny.zero_grad()
    tiny(views(1, 2)).square().mean().backward()
    still = [name for name, p in tiny.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert still == ["patch_embed.mask_token"]
    tiny.zero_grad()


@pytest.mark.parametrize(
    ("images", "mask", "line"),
    [
        (torch.rand(1, 2, 3, 55, 56), None, "multiples of 14"),
        (torch.rand(1, 2, 4, 56, 56), None, "allowed .B, V, 3, H, W."),
        (torch.zeros(1, 2, 3, 56, 56, dtype=torch.uint8), None, "torch.uint8, allowed a floating-point type"),
        (torch.rand(1, 2, 3, 56, 56), torch.ones(1, 3, dtype=torch.bool), r"allowed torch.bool \[1, 2\]"),
        (torch.rand(1, 2, 3, 56, 56), torch.ones(1, 2), "view_mask: torch.float32"),
    ],
)
def test_wrong_input_is_named(tiny: Aggregator, images: torch.Tensor, mask: torch.Tensor | None, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        tiny(images, mask)


@pytest.mark.parametrize(
    ("field", "value", "line"), [("heads", 5, "multiple of 4 x heads"), ("view_size", 450, "view_size 450")]
)
def test_sizes_that_do_not_fit_are_refused(field: str, value: int, line: str) -> None:
    with pytest.raises(ValidationError, match=line):
        SpatialSpec(**{field: value})
