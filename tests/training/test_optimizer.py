import pytest
import torch
from models.test_tokenizer import OperatorCounts
from torch import nn

from emage.config import OptimConfig
from emage.training.optimizer import WeightAverage, build_optimizer, learning_rate, set_training


def test_rate_rises_to_lr_and_falls_to_min_lr_on_half_a_cosine():
    optim = OptimConfig(max_steps=110, warmup_steps=10, lr=1.0, min_lr=0.2)
    rates = [learning_rate(step, optim) for step in (0, 4, 9, 10, 60, 110)]
    assert rates == pytest.approx([0.1, 0.5, 1.0, 1.0, 0.6, 0.2])


@pytest.mark.parametrize("optim", [OptimConfig(max_steps=5, warmup_steps=0), OptimConfig(max_steps=5, warmup_steps=50)])
def test_rate_is_positive_and_at_most_lr_in_runs_without_warm_up_or_shorter_than_it(optim):
    rates = [learning_rate(step, optim) for step in range(optim.max_steps)]
    assert all(0 < rate <= optim.lr for rate in rates)


def test_only_matrices_decay():
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = build_optimizer(model, OptimConfig(lr=0.1, weight_decay=0.5))
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()  # without a gradient only the decay moves a weight: w (1 - lr * decay)
    for name, parameter in model.named_parameters():
        factor = 0.95 if name == "0.weight" else 1.0
        torch.testing.assert_close(parameter.detach(), before[name] * factor)


def test_average_follows_the_recursion_and_copies_buffers():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average = WeightAverage(model, decay=0.5)
    expected = model[0].weight.detach().clone()
    for step in range(12):
        with torch.no_grad():
            model[0].weight.add_(1.0)
            model[1].running_mean.add_(1.0)
        average.update(model, step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * model[0].weight.detach()
    torch.testing.assert_close(average.module[0].weight, expected)
    assert torch.equal(average.module[1].running_mean, model[1].running_mean)
    assert not average.module.training


@pytest.mark.parametrize("freeze", [True, False])
def test_frozen_batch_norm_keeps_its_statistics_and_dropout_stays_on(freeze):
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout(0.5))
    model.eval()
    set_training(model, freeze_batch_norm=freeze)
    model(torch.randn(8, 2))
    assert torch.equal(model[1].running_mean, torch.zeros(2)) is freeze
    assert model[2].training


class WithFrozenParts(nn.Module):
    """A trained layer, a frozen network with buffers, and pretrained ones that are kept in a list and in a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.frozen = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).requires_grad_(False)
        self.held = [nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).requires_grad_(False)]
        self.named = {"of": {"several": [nn.Linear(2, 2).requires_grad_(False)]}, "name": "text"}
        self.owner = (self,)  # a container may lead back
        self.codes = nn.BatchNorm1d(2, affine=False)  # buffers and no parameter: it learns


def test_the_average_shares_what_is_frozen_and_copies_no_pretrained_network():
    model = WithFrozenParts()
    average = WeightAverage(model, decay=0.5)
    own, other = average.module, model
    for frozen, copied in (
        (other.frozen, own.frozen),
        (other.held[0], own.held[0]),
        (other.named["of"]["several"][0], own.named["of"]["several"][0]),
    ):
        tensors = [*frozen.parameters(), *frozen.buffers()]
        assert tensors
        assert all(a is b for a, b in zip(tensors, [*copied.parameters(), *copied.buffers()], strict=True))
    assert own.layer.weight is not other.layer.weight
    assert own.codes.running_mean is not other.codes.running_mean
    assert sorted(average.state_dict()) == [
        "codes.num_batches_tracked", "codes.running_mean", "codes.running_var", "layer.bias", "layer.weight",
    ]  # fmt: skip
    with torch.no_grad():
        model.layer.weight.add_(1.0)
        model.codes.running_mean.add_(1.0)
    average.update(model, 1000)
    torch.testing.assert_close(own.layer.weight, other.layer.weight - 0.5)
    assert torch.equal(own.codes.running_mean, other.codes.running_mean)


def test_an_average_takes_a_constant_number_of_operators_however_many_weights_there_are():
    counts = []
    for depth in (2, 20):
        model = nn.Sequential(*(nn.Linear(2, 2) for _ in range(depth)))
        average = WeightAverage(model, decay=0.5)
        with OperatorCounts() as seen:
            average.update(model, 0)
        counts.append(sum(seen.counts.values()))
    assert counts[0] == counts[1]
