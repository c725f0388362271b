import pytest
import torch
from torch import nn

from emage.models.layers import (
    BasicBlock,
    CausalConv1d,
    TemporalBlock,
    bidirectional_lstm,
    run_bidirectional,
    sample_at,
)


def test_causal_convolution_is_torchs_weight_norm_shifted_to_the_past():
    torch.manual_seed(0)
    ours = CausalConv1d(3, 5, kernel_size=2, dilation=4).double()
    theirs = nn.utils.parametrizations.weight_norm(nn.Conv1d(3, 5, 2, dilation=4).double())
    with torch.no_grad():
        ours.weight_g.mul_(1.7)
        theirs.parametrizations.weight.original0.copy_(ours.weight_g)
        theirs.parametrizations.weight.original1.copy_(ours.weight_v)
        theirs.bias.copy_(ours.bias)
    x = torch.randn(2, 3, 11, dtype=torch.float64)
    torch.testing.assert_close(ours(x)[:, :, 4:], theirs(x), rtol=0, atol=1e-14)
    assert ours(x).shape == (2, 5, 11)


def test_temporal_block_never_looks_ahead():
    torch.manual_seed(0)
    block = TemporalBlock(3, 4, kernel_size=2, dilation=2, dropout=0.0)
    x = torch.randn(1, 3, 12, requires_grad=True)
    block(x)[0, :, 5].sum().backward()
    reached = x.grad[0].abs().sum(dim=0) > 0
    assert reached.nonzero()[:, 0].tolist() == [
        1,
        3,
        5,
    ]  # two convolutions of kernel 2 and dilation 2, and the residual


@pytest.mark.parametrize(("stride", "padding", "length"), [(1, None, 20), (2, None, 10), (6, 0, 1), (5, 1600, 642)])
def test_basic_block_lengths(stride, padding, length):
    block = BasicBlock(2, 3, kernel_size=15, stride=stride, padding=padding).eval()
    assert block(torch.randn(1, 2, 20)).shape == (1, 3, length)


def test_directions_of_the_lstm_are_summed():
    torch.manual_seed(0)
    lstm = bidirectional_lstm(3, 4, num_layers=1, dropout=0.5)
    x = torch.randn(2, 6, 3)
    output, _ = lstm(x)
    assert torch.equal(run_bidirectional(lstm, x), output[..., :4] + output[..., 4:])


def test_sample_at_interpolates_inside_and_holds_the_ends():
    features = torch.tensor([[[0.0, 10.0], [2.0, 20.0], [6.0, 0.0]]])
    positions = torch.tensor([-3.0, 0.0, 0.25, 1.5, 2.0, 9.0], dtype=torch.float64)
    expected = [[0.0, 10.0], [0.0, 10.0], [0.5, 12.5], [4.0, 10.0], [6.0, 0.0], [6.0, 0.0]]
    torch.testing.assert_close(sample_at(features, positions)[0], torch.tensor(expected))


def test_sample_at_keeps_the_fraction_of_a_large_position():
    ramp = torch.arange(2.0)[None, :, None].expand(1, 2, 1)
    features = torch.cat([torch.zeros(1, 2**24, 1), ramp], dim=1)  # float32 holds no fraction beyond 2 ** 24
    assert sample_at(features, torch.tensor([2**24 + 0.25], dtype=torch.float64)).item() == pytest.approx(0.25)
