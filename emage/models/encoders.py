"""Encoders of what a person says and shows: sound, words, emotion, face.

Sound is the one input with a clock of its own. Both audio encoders know where in the waveform each of their features
lies and return features AT the frame times k / fps, at any length; the reference pairs feature k with frame k although
its features come 14.81 times a second, and so is 0.75 s late after one minute.

Shapes: B batch, T frames, S samples, C channels, N audio features.
"""

import math
from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from emage.audio import log_mel
from emage.errors import InputError
from emage.models.layers import BasicBlock, TemporalBlock, sample_at

WAVEFORM_KERNEL = 15
WAVEFORM_STRIDES = (5, 6, 1, 6, 1, 6)  # 1080 samples a feature: 14.81 a second at 16 kHz
WAVEFORM_PADDINGS = (1600, 0, 7, 0, 7, 0)
CHUNK_FEATURES = 512  # 35 s of 16 kHz sound at once; long enough that the overlap (1.7 s) costs 5 %

MEL_BANDS = 64
MEL_MEAN, MEL_STD = -6.0, 4.0  # of log energies of read speech, roughly; they go from -11.5 in silence to 6
MEL_KERNEL = 5
MEL_STRIDES = (2, 1, 1, 2, 1, 1)
MEL_STEPS_PER_FRAME = 4  # the product of the strides: feature k then lies exactly on frame k
MEL_CHUNK_STEPS = 4096
MEL_CONTEXT_S = 0.25  # longer than half a spectrogram window


class WaveformEncoder(nn.Module):
    """The published audio encoder: six residual blocks on raw samples.

    Args:
        channels: output channels of the six blocks (published: 32, 32, 32, 64, 64, 128).

    Attributes:
        samples_per_feature: the product of the strides.
        first_centre: the sample that feature 0 is centred on (negative: before the start).
        reach: a feature depends on the samples up to this far from its centre.

    Raises:
        InputError: `channels` are not six.

    Source: WavEncoder of the BEAT 2022 CaMN, names and shapes kept.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        _check_channels(channels, len(WAVEFORM_STRIDES))
        blocks = []
        widths = zip((1, *channels[:-1]), channels, strict=True)
        for (before, after), stride, padding in zip(widths, WAVEFORM_STRIDES, WAVEFORM_PADDINGS, strict=True):
            shape = {"kernel_size": WAVEFORM_KERNEL, "stride": stride, "padding": padding}
            blocks.append(BasicBlock(before, after, **shape, shortcut_conv=stride != 1 or before != after))
        self.feat_extractor = nn.Sequential(*blocks)
        self.samples_per_feature, self.first_centre, self.reach = self._geometry()

    def _geometry(self) -> tuple[int, int, int]:
        """Where the features lie in the waveform, from kernels, strides and paddings."""
        step, centre, reach = 1, 0, 0
        for block in self.feat_extractor:
            half = block.conv1.kernel_size[0] // 2
            centre += step * (half - block.conv1.padding[0])
            reach += step * half
            step *= block.conv1.stride[0]
            reach += step * half  # the second convolution keeps the length, so it moves no centre
        return step, centre, reach

    def num_features(self, num_samples: int) -> int:
        """How many features a waveform of `num_samples` gives."""
        length = num_samples
        for block in self.feat_extractor:
            conv = block.conv1
            length = (length + 2 * conv.padding[0] - conv.kernel_size[0]) // conv.stride[0] + 1
        return length

    def forward(self, waveform: Tensor, num_frames: int, *, fps: float, sample_rate: int) -> Tensor:
        """Features at the frame times k / fps.

        Args:
            waveform: (B, S).
            num_frames: T.
            fps: frames per second.
            sample_rate: samples per second of the waveform.

        Returns:
            (B, T, C).
        """
        features = self.features(waveform)  # (B, N, C)
        samples = torch.arange(num_frames, dtype=torch.float64) * (sample_rate / fps)  # (T,)
        return sample_at(features, (samples - self.first_centre) / self.samples_per_feature)

    def features(self, waveform: Tensor) -> Tensor:
        """The features at their own rate: (B, S) -> (B, N, C).

        In eval mode a long waveform goes through in overlapping pieces, which gives the same numbers (up to the last
        bits) in bounded memory. In train mode it cannot: BatchNorm's statistics are those of the whole.
        """
        if self.training or self.num_features(waveform.shape[1]) <= CHUNK_FEATURES:
            return self.feat_extractor(waveform[:, None]).transpose(1, 2)
        total, step = self.num_features(waveform.shape[1]), self.samples_per_feature
        overlap = math.ceil((self.reach - self.first_centre) / step)  # features that feel the left cut
        pieces = []
        for first in range(0, total, CHUNK_FEATURES):
            last = min(first + CHUNK_FEATURES, total) - 1
            start = max(first - overlap, 0)  # cut on a whole feature, so that the strides fall as in the whole
            stop_sample = None if last == total - 1 else self.first_centre + step * last + self.reach + 1
            piece = self.feat_extractor(waveform[:, None, start * step : stop_sample])  # (B, C, n)
            pieces.append(piece[:, :, first - start : last + 1 - start])
        return torch.cat(pieces, dim=2).transpose(1, 2)


class LogMelEncoder(nn.Module):
    """A cheap audio encoder: the blocks of `WaveformEncoder` on a log-mel spectrogram, some 25 times less work.

    The spectrogram is read at exactly four steps a frame, step 0 on frame 0, and the strides take the four to one with
    symmetric padding, so feature k is centred on frame k at any frame rate and any length.

    Args:
        channels: output channels of the six blocks.

    Raises:
        InputError: `channels` are not six.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        _check_channels(channels, len(MEL_STRIDES))
        blocks = []
        for before, after, stride in zip((MEL_BANDS, *channels[:-1]), channels, MEL_STRIDES, strict=True):
            changes = stride != 1 or before != after
            blocks.append(BasicBlock(before, after, kernel_size=MEL_KERNEL, stride=stride, shortcut_conv=changes))
        self.feat_extractor = nn.Sequential(*blocks)

    def forward(self, waveform: Tensor, num_frames: int, *, fps: float, sample_rate: int) -> Tensor:
        """Features at the frame times k / fps; arguments and result as of `WaveformEncoder.forward`."""
        mel = frame_log_mel(waveform, num_frames, fps=fps, sample_rate=sample_rate)  # (B, 4T, 64)
        features = self.feat_extractor(mel.transpose(1, 2))  # (B, C, T)
        return features.transpose(1, 2)


def frame_log_mel(waveform: Tensor, num_frames: int, *, fps: float, sample_rate: int) -> Tensor:
    """Scaled log-mel features, four a frame: (B, S) -> (B, 4 T, 64); feature 4 k lies exactly on frame k."""
    # The spectrogram has no weights; half precision would round the quiet bands of it away.
    with torch.no_grad(), torch.autocast(waveform.device.type, enabled=False):
        samples_per_step = sample_rate / (fps * MEL_STEPS_PER_FRAME)
        hop_samples = max(round(samples_per_step), 1)
        spectrogram = _long_log_mel(waveform, sample_rate, hop_samples)  # (B, N, 64)
        samples = torch.arange(num_frames * MEL_STEPS_PER_FRAME, dtype=torch.float64) * samples_per_step
        return (sample_at(spectrogram, samples / hop_samples) - MEL_MEAN) / MEL_STD


def _long_log_mel(waveform: Tensor, sample_rate: int, hop_samples: int) -> Tensor:
    """`log_mel` in pieces, since the spectrogram of an hour would take gigabytes: (B, S) -> (B, N, 64)."""
    num_samples = waveform.shape[1]
    total = num_samples // hop_samples + 1
    if total <= MEL_CHUNK_STEPS:
        return log_mel(waveform, sample_rate, hop_samples, num_mels=MEL_BANDS)
    context = math.ceil(MEL_CONTEXT_S * sample_rate / hop_samples)
    pieces = []
    for first in range(0, total, MEL_CHUNK_STEPS):
        last = min(first + MEL_CHUNK_STEPS, total)
        start = max(first - context, 0)
        stop_sample = num_samples if last == total else (last + context) * hop_samples
        piece = log_mel(waveform[:, start * hop_samples : stop_sample], sample_rate, hop_samples, num_mels=MEL_BANDS)
        pieces.append(piece[:, first - start : last - start])
    return torch.cat(pieces, dim=1)


class TextEncoder(nn.Module):
    """Word ids per frame -> features, through a causal temporal convolutional network.

    Args:
        num_words: rows of the embedding.
        word_dim: columns of the embedding.
        hidden: channels of the network.
        num_levels: its blocks; the dilation doubles with each.
        out_dim: features per frame.
        dropouts: of the embedded words, and inside the network.

    Source: TextEncoderTCN of the BEAT 2022 CaMN, names and shapes kept.
    """

    def __init__(
        self,
        num_words: int,
        word_dim: int,
        *,
        hidden: int,
        num_levels: int,
        out_dim: int,
        dropouts: tuple[float, float],
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_words, word_dim)
        self.drop = nn.Dropout(dropouts[0])
        blocks = []
        for level in range(num_levels):
            in_channels = word_dim if level == 0 else hidden
            blocks.append(TemporalBlock(in_channels, hidden, kernel_size=2, dilation=2**level, dropout=dropouts[1]))
        self.tcn = nn.Sequential(OrderedDict(network=nn.Sequential(*blocks)))
        self.decoder = nn.Linear(hidden, out_dim)
        nn.init.normal_(self.decoder.weight, 0, 0.01)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, words: Tensor) -> Tensor:
        """(B, T) int64 -> (B, T, out_dim)."""
        embedded = self.drop(self.embedding(words))  # (B, T, word_dim)
        return self.decoder(self.tcn(embedded.transpose(1, 2)).transpose(1, 2))


def emotion_convolutions(dim: int) -> nn.Sequential:
    """Smooths embedded emotions over time: (B, dim, T) -> (B, dim, T). Source: BEAT 2022 CaMN."""
    channels = (dim, 8, 16, 16, dim)
    layers: list[nn.Module] = []
    for before, after in zip(channels[:-1], channels[1:], strict=True):
        layers += [nn.Conv1d(before, after, 9, padding=4), nn.BatchNorm1d(after), nn.LeakyReLU(0.3)]
    return nn.Sequential(*layers)


def face_convolutions(num_channels: int, dim: int) -> nn.Sequential:
    """Encodes a captured face: (B, num_channels, T) -> (B, dim, T). Source: BEAT 2022 CaMN."""
    half = dim // 2
    return nn.Sequential(
        BasicBlock(num_channels, half, kernel_size=7),
        BasicBlock(half, half, kernel_size=3),
        BasicBlock(half, half, kernel_size=3, shortcut_conv=False),
        BasicBlock(half, dim, kernel_size=3),
    )


def fusion(in_dim: int, hidden: int, out_dim: int) -> nn.Sequential:
    """Mixes one input with those before it in the cascade. Source: audio_fusion, facial_fusion of BEAT 2022 CaMN."""
    return nn.Sequential(nn.Linear(in_dim, hidden), nn.LeakyReLU(0.1), nn.Linear(hidden, out_dim), nn.LeakyReLU(0.1))


def _check_channels(channels: Sequence[int], expected: int) -> None:
    if len(channels) != expected or min(channels) < 1:
        raise InputError(
            f"model.audio_channels: got {list(channels)}; expected {expected} positive numbers, one a block"
        )
