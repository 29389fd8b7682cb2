"""Left and right: a single arm is mapped to either at random in training (paper, App. A)."""

import dataclasses

import torch
from torch import Tensor

from gear_vla_ros.contracts import VIEW_ROLES
from gear_vla_ros.settings.model import ARMS, NUMBERS_PER_ARM
from gear_vla_ros.training.batch import Batch
from gear_vla_ros.training.losses import IGNORE

OTHER_ARM = [1, 0]
OTHER_VIEW = [VIEW_ROLES.index(role) for role in ("head", "right_wrist", "left_wrist")]


def changed(batch: Batch) -> Batch:
    """The same with left and right in each other's place. FAST ids, which are said of fixed numbers, are left out."""
    inputs = dataclasses.replace(
        batch.inputs,
        views=batch.inputs.views[:, OTHER_VIEW],
        view_mask=batch.inputs.view_mask[:, OTHER_VIEW],
        state=batch.inputs.state[:, OTHER_ARM],
        arm_mask=batch.inputs.arm_mask[:, OTHER_ARM],
    )
    return dataclasses.replace(
        batch,
        inputs=inputs,
        actions=changed_numbers(batch.actions),
        earlier=changed_numbers(batch.earlier),
        valid=changed_numbers(batch.valid),
        fast=torch.full_like(batch.fast, IGNORE),
        near=batch.near[:, :, OTHER_ARM],
        near_known=batch.near_known[:, :, OTHER_ARM],
        turn=batch.turn[:, OTHER_ARM],
        lies=batch.lies[:, OTHER_VIEW],
        point=batch.point[:, :, OTHER_VIEW],
        shown=batch.shown[:, OTHER_VIEW],
    )


def changed_numbers(actions: Tensor) -> Tensor:
    """Numbers of an action `[..., 20]`, or what is said of each, with those of the other arm first."""
    return actions.unflatten(-1, (ARMS, NUMBERS_PER_ARM))[..., OTHER_ARM, :].flatten(-2)
