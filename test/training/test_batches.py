"""What is random about a step's samples."""

import numpy as np
import torch
from test_sides import batches

from gear_vla_ros.training.batches import displaced

HEAD = 0


def test_a_displaced_picture_shows_the_same_elsewhere():
    picture = np.random.default_rng(0).integers(255, size=(2, 8, 8, 3), dtype=np.uint8)
    moved = displaced(picture, np.array([[2, -1], [0, 0]]))
    np.testing.assert_array_equal(moved[0, :7, 2:], picture[0, 1:, :6])
    np.testing.assert_array_equal(moved[0, :7, 0], picture[0, 1:, 0], "what comes in is as the edge was")
    np.testing.assert_array_equal(moved[1], picture[1])


def test_a_moved_head_view_takes_its_points_with_it_and_leaves_all_else(samples, tmp_path):
    plain = {"either_side": False, "vary_pictures": False}
    _, still = batches(samples, tmp_path / "still", **plain)
    _, moved = batches(samples, tmp_path / "moved", **plain, head_moved=0.1)
    by = torch.cat([b.point - a.point for a, b in zip(still, moved, strict=True)])
    there = torch.cat([a.near_known.any(-1) for a in still])
    pixels = by[there][:, HEAD] * 96
    torch.testing.assert_close(pixels, pixels.round(), atol=1e-3, rtol=0)
    assert 5 < pixels.abs().max() <= 10.001 and not by[:, :, HEAD + 1 :].any()
    for a, b in zip(still, moved, strict=True):
        torch.testing.assert_close(a.near, b.near)
        torch.testing.assert_close(a.inputs.views[:, HEAD + 1 :], b.inputs.views[:, HEAD + 1 :])
        for one, other, (x, y) in zip(
            a.inputs.views, b.inputs.views, ((b.point - a.point)[:, 0, HEAD] * 96).round().int().tolist(), strict=True
        ):
            inner = slice(12, 84)
            torch.testing.assert_close(other[HEAD, :, inner, inner], one[HEAD, :, 12 - y : 84 - y, 12 - x : 84 - x])
