"""VQ-VAE of one part of the body or of the face: motion as a sequence of codes.

It takes and returns raw values (degrees of freedom as rot6d, cm, contact, ARKit weights; see emage.motion.parts): its
normalisation is in its buffers and saved with its weights.

Shapes: B batch, T frames, P values of the part, C channels of a latent, N = ceil(T / downsample) code steps, Q levels
of codes, K codebook entries.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emage.config import DataConfig, MotionVQVAEConfig
from emage.models.residual_quantizer import ResidualQuantizer
from emage.motion.parts import PartValues

SLOPE = 0.2
OUTPUT_SCALE = 0.1  # of the last convolution's first weights: before it has learned, the decoder says the mean
CHUNK_STEPS = 2048  # code steps at a time outside training: bounds the memory of long sequences


@dataclass
class MotionVQVAEOutput:
    """What the VQ-VAE makes of a batch.

    Attributes:
        reconstruction: (B, T, P), in the units of the input; rot6d is not yet orthonormal.
        commitment_loss: scalar; with `codebook: straight_through` it holds the codebooks' own loss too.
        codes: (B, N, Q) int64.
        perplexity: scalar, how many codes of a level the batch uses, mean over the levels; see `Quantized`.
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
        values: what the P values mean.
        num_values: P.
        downsample: frames a code step.
        num_quantizers: Q.
        codebook_size: K.
        code_dim: C.
        fps: () frames per second of what it was trained on (a buffer).

    Source: VQVAEConvZero of the EMAGE code, `num_layers` convolution blocks each way; the strided steps as in T2M-GPT
    (Zhang et al. 2023).
    """

    feature_mean: Tensor
    feature_scale: Tensor
    fps: Tensor

    def __init__(self, config: MotionVQVAEConfig) -> None:
        super().__init__()
        self.values = PartValues.of(config.part, config.layout)
        self.num_values = self.values.num_values
        self.downsample, self.num_quantizers = config.downsample, config.num_quantizers
        self.codebook_size, self.code_dim = config.codebook_size, config.code_dim
        self.register_buffer("feature_mean", self.values.rest())
        self.register_buffer("feature_scale", torch.ones(self.num_values))
        self.register_buffer("fps", torch.tensor(float(DataConfig.fps)))
        self.encoder = _encoder(self.num_values, config)
        self.quantizer = ResidualQuantizer(config)
        self.decoder = _decoder(self.num_values, config)
        # Straight ways beside both networks: frames -> latent -> frames without any non-linearity.
        step_values = self.num_values * self.downsample
        self.project = nn.Linear(step_values, config.code_dim)
        self.unproject = nn.Linear(config.code_dim, step_values)
        with torch.no_grad():
            # They begin as a projection and its inverse, the networks as nearly nothing.
            basis = nn.init.orthogonal_(torch.empty(config.code_dim, step_values))
            self.project.weight.copy_(basis)
            self.unproject.weight.copy_(basis.T)
            for way in (self.project, self.unproject):
                nn.init.zeros_(way.bias)
            self.encoder[-1].weight.mul_(OUTPUT_SCALE)
            self.decoder[-1].weight.mul_(OUTPUT_SCALE)

    @torch.no_grad()
    def set_features(self, mean: Tensor, scale: Tensor, fps: float) -> None:
        """Fixes the normalisation: `mean` and `scale` (P,) of the training data, and its frame rate."""
        self.feature_mean.copy_(mean)
        self.feature_scale.copy_(scale)
        self.fps.fill_(fps)

    def forward(
        self, values: Tensor, valid: Tensor | None = None, unquantized: Tensor | None = None
    ) -> MotionVQVAEOutput:
        """(B, T, P) -> its reconstruction, codes and losses.

        In train mode an EMA codebook keeps the latents for the next `emage.models.quantizer.update_codebooks`.

        Args:
            values: (B, T, P).
            valid: (B, T) bool; the network sees the mean in frames that are not valid, whatever stands there.
            unquantized: (B,) bool; the latents of these windows are decoded as they are. None: of no window.
        """
        latents = self._latents(values, valid)
        quantized = self.quantizer(latents)
        shown = quantized.latents
        if unquantized is not None:
            shown = torch.where(unquantized[:, None, None], latents, shown)
        reconstruction = self._decode_latents(shown, values.shape[1])
        return MotionVQVAEOutput(reconstruction, quantized.loss, quantized.codes, quantized.perplexity)

    def encode(self, values: Tensor) -> Tensor:
        """(B, T, P) -> codes (B, N, Q); no loss is computed and no codebook learns.

        A tail that fills no code step is continued by holding its last frame.
        """
        return self.quantizer.encode(self._latents(values, None))

    @torch.no_grad()
    def initialise_codebooks(self, micro_batches: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Puts the codes of EMA codebooks on latents of the first step.

        Without it they are put on those of the first micro-batch alone.

        Args:
            micro_batches: values (B, T, P) and valid frames (B, T) of each micro-batch of the step.
        """
        self.quantizer.initialise([self._latents(values, valid) for values, valid in micro_batches])

    def lookup(self, codes: Tensor) -> Tensor:
        """Codes (B, N, Q) -> latents (B, N, C), the sum over the levels."""
        return self.quantizer.lookup(codes)

    def level_embeddings(self, level: int) -> Tensor:
        """The codebook of a level, (K, C)."""
        return self.quantizer.level_embeddings(level)

    def decode_latents(self, latents: Tensor, num_frames: int) -> Tensor:
        """Latents (B, N, C) -> values (B, num_frames, P); `num_frames` is at most N * downsample."""
        return self._decode_latents(latents, num_frames)

    def decode(self, codes: Tensor, num_frames: int) -> Tensor:
        """Codes (B, N, Q) -> values (B, num_frames, P)."""
        return self._decode_latents(self.lookup(codes), num_frames)

    def _latents(self, values: Tensor, valid: Tensor | None) -> Tensor:
        normalised = (values - self.feature_mean) / self.feature_scale
        if valid is not None:
            normalised = torch.where(valid[..., None], normalised, torch.zeros_like(normalised))
        x = normalised.transpose(1, 2)  # (B, P, T)
        x = F.pad(x, (0, -x.shape[2] % self.downsample), mode="replicate")
        steps = x.transpose(1, 2).unflatten(1, (-1, self.downsample)).flatten(2)  # (B, N, downsample * P)
        curved = self._run(self.encoder, x, rate_in=self.downsample, rate_out=1).transpose(1, 2)
        return self.project(steps) + curved  # (B, N, C)

    def _decode_latents(self, latents: Tensor, num_frames: int) -> Tensor:
        x = self._run(self.decoder, latents.transpose(1, 2), rate_in=1, rate_out=self.downsample)
        straight = self.unproject(latents).unflatten(2, (self.downsample, -1)).flatten(1, 2)  # (B, N * downsample, P)
        normalised = (straight + x.transpose(1, 2))[:, :num_frames].float()
        return normalised * self.feature_scale + self.feature_mean

    def _run(self, network: nn.Sequential, x: Tensor, *, rate_in: int, rate_out: int) -> Tensor:
        """Runs (B, C, N * rate_in) -> (B, C', N * rate_out); outside training in chunks whose edges see their neighbours."""
        num_steps = x.shape[2] // rate_in
        if self.training or num_steps <= CHUNK_STEPS:
            return network(x)
        context = _reach(network)
        chunks = []
        for start in range(0, num_steps, CHUNK_STEPS):
            first, last = max(0, start - context), min(num_steps, start + CHUNK_STEPS + context)
            y = network(x[..., first * rate_in : last * rate_in])
            keep = (start - first) * rate_out
            chunks.append(y[..., keep : keep + CHUNK_STEPS * rate_out])
        return torch.cat(chunks, dim=2)[..., : num_steps * rate_out]


class _ResBlock(nn.Module):
    """Two convolutions beside a plain shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.model = nn.Sequential(_conv(channels, channels), nn.LeakyReLU(SLOPE), _conv(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.model(x)


def _encoder(num_values: int, config: MotionVQVAEConfig) -> nn.Sequential:
    layers: list[nn.Module] = []
    for layer in range(config.num_layers):
        in_channels = num_values if layer == 0 else config.channels
        layers += [_conv(in_channels, config.channels), nn.LeakyReLU(SLOPE), _ResBlock(config.channels)]
    for _ in range(_halvings(config)):
        halve = nn.Conv1d(config.channels, config.channels, 4, stride=2, padding=1)
        layers += [_initialised(halve), nn.LeakyReLU(SLOPE), _ResBlock(config.channels)]
    layers.append(nn.Conv1d(config.channels, config.code_dim, 1))
    return nn.Sequential(*layers)


def _decoder(num_values: int, config: MotionVQVAEConfig) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv1d(config.code_dim, config.channels, 1)]
    layers += [_ResBlock(config.channels), _ResBlock(config.channels)]
    for _ in range(_halvings(config)):
        double = [nn.Upsample(scale_factor=2), _conv(config.channels, config.channels), nn.LeakyReLU(SLOPE)]
        layers += [*double, _ResBlock(config.channels)]
    for _ in range(config.num_layers):
        layers += [_conv(config.channels, config.channels), nn.LeakyReLU(SLOPE)]
    layers.append(_conv(config.channels, num_values))
    return nn.Sequential(*layers)


def _halvings(config: MotionVQVAEConfig) -> int:
    return config.downsample.bit_length() - 1


def _reach(network: nn.Module) -> int:
    """Code steps on either side that an output step can depend on, at most: no convolution reaches further than one."""
    return sum(isinstance(module, nn.Conv1d) and module.kernel_size[0] > 1 for module in network.modules())


def _conv(in_channels: int, out_channels: int) -> nn.Conv1d:
    return _initialised(nn.Conv1d(in_channels, out_channels, 3, padding=1))


def _initialised(conv: nn.Conv1d) -> nn.Conv1d:
    nn.init.xavier_normal_(conv.weight)
    nn.init.zeros_(conv.bias)
    return conv
