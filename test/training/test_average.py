"""What is kept of a run is an average of its weights, and the run goes on as if nothing had been averaged."""

import torch
from test_trainer import stage, train, weights

from gear_vla_ros.training.average import Average
from gear_vla_ros.training.trainer import newest_step


def test_it_follows_at_its_pace_and_stands_in_only_for_a_while():
    weight = torch.zeros(3, requires_grad=True)
    average = Average([weight], keep=0.5)
    for step in range(40):
        with torch.no_grad():
            weight.fill_(step + 1.0)
        average.update(step)
    with average.in_place() as trained:
        torch.testing.assert_close(weight.detach(), torch.full((3,), 39.0), atol=1e-3, rtol=0)
        assert trained[0].eq(40).all()
    assert weight.eq(40).all()


def test_without_it_the_weights_are_kept_as_they_are():
    weight = torch.ones(3, requires_grad=True)
    average = Average([weight], keep=0.0)
    average.update(0)
    with average.in_place() as trained:
        assert weight.eq(1).all() and trained == []


def test_a_run_that_was_cut_goes_on_to_the_same_losses_and_the_same_average(samples, tmp_path):
    plain = train(samples, tmp_path / "plain", stage())
    averaged = stage(averaged=0.9)
    whole = train(samples, tmp_path / "whole", averaged)
    assert whole == plain, "training does not see the average"
    train(samples, tmp_path / "cut", averaged, save_every=2, stop_at=3)
    assert newest_step(tmp_path / "cut").name == "step-0000002"
    assert train(samples, tmp_path / "cut", averaged) == whole[2:]
    kept, mine, theirs = (weights(tmp_path / name) for name in ("plain", "cut", "whole"))
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    assert any(not torch.equal(kept[name], theirs[name]) for name in theirs)
