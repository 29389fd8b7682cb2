"""What is random about a step's samples."""

import dataclasses

import numpy as np
import pytest
import torch
from test_sides import batches
from test_trainer import stage

from gear_vla_ros.training import run as runs
from gear_vla_ros.training.batches import Batches, displaced, learned_from, varied

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


@pytest.mark.parametrize(("light", "tint"), [(0.0, 0.0), (0.3, 0.0), (0.0, 0.3)])
def test_pictures_in_another_light_change_by_what_they_may(light, tint):
    shown = torch.full((200, 3, 4, 4), 0.5)
    shown[:, :, 0] = 0.0
    random = np.random.default_rng(0)
    lit = varied(shown, random.random((200, 8)), random, light, tint)
    assert not lit[:, :, 0].any(), "black bars stay black"
    colours = lit[:, :, 1:].mean(dim=(-2, -1))
    apart = (colours.amax(dim=1) - colours.amin(dim=1)).max()
    assert apart < 0.05 if not tint else 0.2 < apart < 0.35, "colours change alone by the tint"
    widest = (colours.mean(dim=1) - 0.5).abs().max()
    most = 0.06 + 0.5 * (light + tint) + 0.02
    assert 0.5 * most < widest < most


def test_of_what_is_only_held_a_share_is_learned_from(samples):
    held = samples.held()
    assert 0.2 < held.mean() < 0.8, "of a lift's samples about half"
    up = samples.actions.reshape(len(samples), -1, 2, 10)[held][..., 9].max()
    assert up < 0.5, "no finger is told to open"
    near = np.linalg.norm(samples.near[held][..., 1, :3], axis=-1)
    assert (np.where(samples.near[held].any(axis=(-2, -1)), near, 1.0).min(axis=1) < 0.03).all()
    rows = learned_from(samples, 0.25)
    assert held[rows].sum() == -(-held.sum() // 4) and (~held)[rows].sum() == (~held).sum()
    assert abs(held[learned_from(samples, 0.7)].sum() - 0.7 * held.sum()) <= 1
    np.testing.assert_array_equal(learned_from(samples, 1.0), np.arange(len(samples)))


def test_what_is_carried_somewhere_is_learned_from(samples):
    carried = samples.actions.copy()
    carried[:, -1, [0, 10]] += 0.1
    assert samples.held().any() and not dataclasses.replace(samples, actions=carried).held().any()


def test_steps_take_only_those(samples, tmp_path):
    model, start = runs.network("demo", 0)
    training = stage(steps=40, either_side=False, held=0.1)
    sources = runs.begin(model, start, [samples], training, tmp_path, 2, lambda at, left: None)
    drawn = np.concatenate([Batches(sources, model, training).rows(step)[1] for step in range(40)])
    assert set(drawn) == set(learned_from(samples, 0.1))
