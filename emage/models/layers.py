"""Building blocks that several networks share.

Shapes: B batch, T frames, C channels; convolutions take (B, C, T), everything else (B, T, C).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two convolutions with BatchNorm around a shortcut, LeakyReLU 0.01 after the first and after the sum.

    Args:
        in_channels: C of the input.
        out_channels: C of the output.
        kernel_size: of all convolutions in it (odd).
        stride: of the first convolution and of the shortcut.
        padding: of the same two; None keeps the length at stride 1. The second convolution always keeps it.
        shortcut_conv: the shortcut has a convolution too; needed wherever length or channels change.

    Source: `BasicBlock` of the BEAT 2022 networks, whose parameter names it keeps.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int,
        stride: int = 1,
        padding: int | None = None,
        shortcut_conv: bool = True,
    ) -> None:
        super().__init__()
        same = kernel_size // 2
        padding = same if padding is None else padding
        self.conv1 = nn.Conv1d(in_channels, out_channels, kernel_size, stride=stride, padding=padding)
        self.bn1 = nn.BatchNorm1d(out_channels)
        self.conv2 = nn.Conv1d(out_channels, out_channels, kernel_size, padding=same)
        self.bn2 = nn.BatchNorm1d(out_channels)
        self.downsample = None
        if shortcut_conv:
            self.downsample = nn.Sequential(
                nn.Conv1d(in_channels, out_channels, kernel_size, stride=stride, padding=padding),
                nn.BatchNorm1d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C', T')."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.leaky_relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        return F.leaky_relu(x + shortcut)


class CausalConv1d(nn.Module):
    """Weight-normalised convolution that sees no later frame.

    The weight is g * v / |v| per output channel. Written out rather than through torch's parametrization, because the
    published checkpoints hold `weight_g` and `weight_v`.

    Source: Salimans & Kingma 2016, eq. 2.
    """

    def __init__(self, in_channels: int, out_channels: int, *, kernel_size: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.left_padding = (kernel_size - 1) * dilation
        self.weight_v = nn.Parameter(torch.empty(out_channels, in_channels, kernel_size).normal_(0, 0.01))
        self.weight_g = nn.Parameter(self.weight_v.detach().norm(dim=(1, 2), keepdim=True))
        bound = (in_channels * kernel_size) ** -0.5
        self.bias = nn.Parameter(torch.empty(out_channels).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C', T)."""
        weight = self.weight_g * self.weight_v / self.weight_v.norm(dim=(1, 2), keepdim=True)
        return F.conv1d(F.pad(x, (self.left_padding, 0)), weight, self.bias, dilation=self.dilation)


class TemporalBlock(nn.Module):
    """Two causal convolutions with ReLU and dropout, and a residual.

    Source: Bai et al. 2018, figure 1b; names as in the BEAT 2022 text encoder.
    """

    def __init__(self, in_channels: int, out_channels: int, *, kernel_size: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.conv1 = CausalConv1d(in_channels, out_channels, kernel_size=kernel_size, dilation=dilation)
        self.conv2 = CausalConv1d(out_channels, out_channels, kernel_size=kernel_size, dilation=dilation)
        self.drop = nn.Dropout(dropout)
        self.downsample = nn.Conv1d(in_channels, out_channels, 1) if in_channels != out_channels else None
        if self.downsample is not None:
            nn.init.normal_(self.downsample.weight, 0, 0.01)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C', T)."""
        y = self.drop(F.relu(self.conv1(x)))
        y = self.drop(F.relu(self.conv2(y)))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


def bidirectional_lstm(input_size: int, hidden: int, *, num_layers: int, dropout: float) -> nn.LSTM:
    """A batch-first BiLSTM; dropout acts between layers, so a single layer has none (torch would warn)."""
    dropout = dropout if num_layers > 1 else 0.0
    return nn.LSTM(input_size, hidden, num_layers, batch_first=True, bidirectional=True, dropout=dropout)


def run_bidirectional(lstm: nn.LSTM, x: Tensor) -> Tensor:
    """(B, T, C) -> (B, T, hidden): the two directions are summed, as CaMN does, not concatenated."""
    output, _ = lstm(x)
    forward, backward = output.chunk(2, dim=-1)
    return forward + backward


def sample_at(features: Tensor, positions: Tensor) -> Tensor:
    """Linear interpolation of a sequence at fractional positions.

    Args:
        features: (B, N, C).
        positions: (T,) float64 in units of the index along N; before the first and after the last the end is held.

    Returns:
        (B, T, C).
    """
    # In float64 and on the CPU: in ten minutes of audio float32 has no bits left for the fraction.
    positions = positions.to("cpu", torch.float64).clamp(0, features.shape[1] - 1)
    left = positions.floor().long()
    right = (left + 1).clamp(max=features.shape[1] - 1)
    fraction = (positions - left).to(features.device, features.dtype)[:, None]  # (T, 1)
    left, right = left.to(features.device), right.to(features.device)
    return torch.lerp(features[:, left], features[:, right], fraction)
