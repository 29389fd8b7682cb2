"""A single arm is left or right in training, with all that belongs to it."""

import torch
from test_trainer import stage

from gear_vla_ros.contracts import VIEW_ROLES
from gear_vla_ros.training import run as runs
from gear_vla_ros.training.batches import Batches
from gear_vla_ros.training.losses import IGNORE
from gear_vla_ros.training.sides import changed

RIGHT_WRIST, LEFT_WRIST = VIEW_ROLES.index("right_wrist"), VIEW_ROLES.index("left_wrist")


def batches(samples, folder, **changed_settings):
    training = stage(steps=12, **changed_settings)
    model, start = runs.network("demo", 0)
    sources = runs.begin(model, start, [samples], training, folder, 2, lambda at, left: None)
    return model, [Batches(sources, model, training).batch(step) for step in range(12)]


def test_steps_take_either_side_and_the_other_is_empty(samples, tmp_path):
    model, drawn = batches(samples, tmp_path)
    sides = [int(batch.inputs.arm_mask[0].nonzero()) for batch in drawn]
    assert set(sides) == {0, 1}
    for side, batch in zip(sides, drawn, strict=True):
        wrist = (LEFT_WRIST, RIGHT_WRIST)[side]
        assert batch.inputs.view_mask[0].nonzero()[:, 0].tolist() == [0, wrist]
        assert batch.near_known[:, :, 1 - side].sum() == 0 and not batch.inputs.state[:, 1 - side].any()
        assert not batch.valid.unflatten(-1, (2, 10))[:, :, 1 - side].any()
    left, right = model.statistics.half_range.unflatten(-1, (2, 10)).unbind(1)
    torch.testing.assert_close(left, right)


def test_a_robot_s_own_side_is_kept_when_told_so(samples, tmp_path):
    _, drawn = batches(samples, tmp_path, either_side=False)
    assert {int(batch.inputs.arm_mask[0].nonzero()) for batch in drawn} == {1}


def test_changing_twice_changes_nothing_but_fast(samples, tmp_path):
    batch = batches(samples, tmp_path, either_side=False)[1][0]
    again = changed(changed(batch))
    assert torch.equal(again.inputs.views, batch.inputs.views) and torch.equal(again.actions, batch.actions)
    assert torch.equal(changed(batch).earlier, changed(batch).actions), "what is under way is of the same arm"
    assert torch.equal(again.near, batch.near) and torch.equal(again.shown, batch.shown)
    assert (again.fast == IGNORE).all()
