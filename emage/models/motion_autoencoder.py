"""The network whose features FGD compares: an autoencoder of short windows of motion.

Published by BEAT 2022 (motion_autoencoder.py); names and shapes are kept so that its weights can be loaded.

Shapes: B batch, T frames (always `window_frames`), D columns, C channels.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from emage.config import MotionAutoencoderConfig
from emage.errors import InputError
from emage.motion.layout import get_layout

CONV_SLOPE = 0.2
MIN_WINDOW_FRAMES = 12  # below it the encoder's convolutions have nothing left


@dataclass
class MotionAutoencoderOutput:
    """What the autoencoder makes of a batch of windows.

    Attributes:
        reconstruction: (B, T, D) z-scored motion.
        features: (B, features).
    """

    reconstruction: Tensor
    features: Tensor


class MotionAutoencoder(nn.Module):
    """Window of z-scored motion -> feature vector -> the window again.

    Args:
        config: sizes; the defaults are the published ones.

    Raises:
        InputError: windows too short for the encoder, or not two hidden layers.
    """

    def __init__(self, config: MotionAutoencoderConfig) -> None:
        super().__init__()
        if config.window_frames < MIN_WINDOW_FRAMES:
            raise InputError(
                f"model.window_frames: got {config.window_frames}; it must be at least {MIN_WINDOW_FRAMES}"
            )
        if len(config.hidden) != 2:
            raise InputError(f"model.hidden: got {config.hidden}; expected two numbers, e.g. [1200, 600]")
        self.window_frames = config.window_frames
        num_columns = get_layout(config.layout).dim
        self.pose_encoder = _WindowEncoder(config, num_columns)
        self.decoder = _WindowDecoder(config, num_columns)

    def encode(self, motion: Tensor) -> Tensor:
        """(B, T, D) z-scored -> (B, features).

        Raises:
            InputError: the windows have another length than the network was made for.
        """
        if motion.shape[1] != self.window_frames:
            raise InputError(
                f"motion autoencoder: got windows of {motion.shape[1]} frames; this one reads {self.window_frames} "
                "(its model.window_frames)"
            )
        return self.pose_encoder(motion)

    def forward(self, motion: Tensor) -> MotionAutoencoderOutput:
        """(B, T, D) z-scored -> its reconstruction and features, in float32 whatever the precision inside."""
        features = self.encode(motion)
        return MotionAutoencoderOutput(self.decoder(features).float(), features.float())


class _WindowEncoder(nn.Module):
    """Four convolutions (34 > 32 > 30 > 14 > 12 frames) and four dense layers."""

    def __init__(self, config: MotionAutoencoderConfig, num_columns: int) -> None:
        super().__init__()
        wide, narrow = 2 * config.channels, config.channels
        self.net = nn.Sequential(
            _conv_norm(num_columns, narrow, kernel_size=3, stride=1),
            _conv_norm(narrow, wide, kernel_size=3, stride=1),
            _conv_norm(wide, wide, kernel_size=4, stride=2),
            nn.Conv1d(wide, narrow, 3),
        )
        num_left = (config.window_frames - 8) // 2 + 1 - 2
        first, second = config.hidden
        self.out_net = nn.Sequential(
            nn.Linear(narrow * num_left, first),
            nn.BatchNorm1d(first),
            nn.LeakyReLU(config.dense_slope),
            nn.Linear(first, second),
            nn.BatchNorm1d(second),
            nn.LeakyReLU(config.dense_slope),
            nn.Linear(second, config.features),
        )
        self.fc_mu = nn.Linear(config.features, config.features)
        # Part of the published weights, though nothing is drawn from it: the features are the means. No gradient
        # reaches it, and distributed training stops at a trainable parameter without one.
        self.fc_logvar = nn.Linear(config.features, config.features).requires_grad_(False)

    def forward(self, motion: Tensor) -> Tensor:
        x = self.net(motion.transpose(1, 2))  # (B, C, T')
        return self.fc_mu(self.out_net(x.flatten(1)))


class _WindowDecoder(nn.Module):
    """Two dense layers to a narrow sequence of full length, and four convolutions."""

    def __init__(self, config: MotionAutoencoderConfig, num_columns: int) -> None:
        super().__init__()
        self.window_frames = config.window_frames
        hidden = config.hidden[1]
        narrow, start = config.channels, max(config.features // 8, 1)
        self.pre_net = nn.Sequential(
            nn.Linear(config.features, hidden),
            nn.BatchNorm1d(hidden),
            nn.LeakyReLU(config.dense_slope),
            nn.Linear(hidden, start * config.window_frames),
        )
        self.net = nn.Sequential(
            nn.ConvTranspose1d(start, narrow, 3),
            nn.BatchNorm1d(narrow),
            nn.LeakyReLU(CONV_SLOPE),
            nn.ConvTranspose1d(narrow, narrow, 3),
            nn.BatchNorm1d(narrow),
            nn.LeakyReLU(CONV_SLOPE),
            nn.Conv1d(narrow, 2 * narrow, 3),
            nn.Conv1d(2 * narrow, num_columns, 3),
        )

    def forward(self, features: Tensor) -> Tensor:
        x = self.pre_net(features).unflatten(1, (-1, self.window_frames))  # (B, C, T)
        return self.net(x).transpose(1, 2)


def _conv_norm(in_channels: int, out_channels: int, *, kernel_size: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(in_channels, out_channels, kernel_size, stride=stride),
        nn.BatchNorm1d(out_channels),
        nn.LeakyReLU(CONV_SLOPE),
    )
