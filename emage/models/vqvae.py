"""VQ-VAE of one part of the body: motion as a sequence of codes, one a frame.

Shapes: B batch, T frames, P columns of the part, C channels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emage.config import MotionVQVAEConfig
from emage.models.quantizer import EMAQuantizer, StraightThroughQuantizer
from emage.motion.convert import from_matrices
from emage.motion.layout import get_layout

SLOPE = 0.2
OUTPUT_SCALE = 0.1  # of the last convolution's first weights: small turns about the unturned joints


@dataclass
class MotionVQVAEOutput:
    """What the VQ-VAE makes of a batch.

    Attributes:
        reconstruction: (B, T, P), in the units of the input.
        commitment_loss: scalar; with `codebook: straight_through` it holds the codebook's own loss too.
        codes: (B, T) int64.
        perplexity: scalar, how many codes the batch uses.
    """

    reconstruction: Tensor
    commitment_loss: Tensor
    codes: Tensor
    perplexity: Tensor


class MotionVQVAE(nn.Module):
    """Motion of one part -> codes -> motion.

    Args:
        config: part, sizes and kind of the codebook; the sizes are EMAGE's by default.

    Attributes:
        columns: (P,) int64, the columns of the layout that the part holds: the caller selects `motion[..., columns]`.

    Source: VQVAEConvZero of the EMAGE code: no downsampling, `num_layers` convolution blocks each way.
    """

    columns: Tensor

    def __init__(self, config: MotionVQVAEConfig) -> None:
        super().__init__()
        layout = get_layout(config.layout)
        self.register_buffer("columns", layout.part_columns(config.part), persistent=False)
        self.encoder = _encoder(len(self.columns), config)
        self.decoder = _decoder(len(self.columns), config)
        # Before it has learned, the decoder says that no joint turns. Outputs about zero would be rot6d of rotations at
        # random: half a turn off, where the gradient of the angle jumps.
        unturned = from_matrices(torch.eye(3).expand(layout.num_joints, 3, 3), layout, torch.zeros(3))  # (D,)
        with torch.no_grad():
            self.decoder[-1].bias.copy_(unturned[self.columns])
            self.decoder[-1].weight.mul_(OUTPUT_SCALE)
        if config.codebook == "ema":
            self.quantizer: nn.Module = EMAQuantizer(
                config.codebook_size,
                config.code_dim,
                decay=config.codebook_decay,
                dead_threshold=config.dead_code_threshold,
            )
        else:
            self.quantizer = StraightThroughQuantizer(config.codebook_size, config.code_dim)

    def forward(self, motion: Tensor) -> MotionVQVAEOutput:
        """(B, T, P) -> its reconstruction, codes and losses. In train mode an EMA codebook learns from the batch."""
        quantized = self.quantizer(self._latents(motion))
        reconstruction = self._decode_latents(quantized.latents)
        return MotionVQVAEOutput(reconstruction.float(), quantized.loss, quantized.codes, quantized.perplexity)

    def encode(self, motion: Tensor) -> Tensor:
        """(B, T, P) -> codes (B, T). Use in eval mode: in train mode an EMA codebook would learn from it."""
        return self.quantizer(self._latents(motion)).codes

    def decode(self, codes: Tensor) -> Tensor:
        """Codes (B, T) -> motion (B, T, P)."""
        return self._decode_latents(self.quantizer.lookup(codes)).float()

    def _latents(self, motion: Tensor) -> Tensor:
        return self.encoder(motion.transpose(1, 2)).transpose(1, 2)  # (B, T, C)

    def _decode_latents(self, latents: Tensor) -> Tensor:
        return self.decoder(latents.transpose(1, 2)).transpose(1, 2)


class _ResBlock(nn.Module):
    """Two convolutions beside a plain shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.model = nn.Sequential(_conv(channels, channels), nn.LeakyReLU(SLOPE), _conv(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.model(x)


def _encoder(num_columns: int, config: MotionVQVAEConfig) -> nn.Sequential:
    layers: list[nn.Module] = []
    for layer in range(config.num_layers):
        in_channels = num_columns if layer == 0 else config.channels
        layers += [_conv(in_channels, config.channels), nn.LeakyReLU(SLOPE), _ResBlock(config.channels)]
    if config.code_dim != config.channels:
        layers.append(nn.Conv1d(config.channels, config.code_dim, 1))
    return nn.Sequential(*layers)


def _decoder(num_columns: int, config: MotionVQVAEConfig) -> nn.Sequential:
    layers: list[nn.Module] = []
    if config.code_dim != config.channels:
        layers.append(nn.Conv1d(config.code_dim, config.channels, 1))
    layers += [_ResBlock(config.channels), _ResBlock(config.channels)]
    for layer in range(config.num_layers):
        out_channels = num_columns if layer == config.num_layers - 1 else config.channels
        layers += [_conv(config.channels, out_channels), nn.LeakyReLU(SLOPE)]
    layers.append(_conv(num_columns, num_columns))
    return nn.Sequential(*layers)


def _conv(in_channels: int, out_channels: int) -> nn.Conv1d:
    conv = nn.Conv1d(in_channels, out_channels, 3, padding=1)
    nn.init.xavier_normal_(conv.weight)
    nn.init.zeros_(conv.bias)
    return conv
