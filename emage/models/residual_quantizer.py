"""Residual vector quantisation: each level quantises what the levels before it left over.

Shapes: B batch, N code steps, C channels, K codebook entries, Q levels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from emage.config import MotionVQVAEConfig
from emage.models.quantizer import EMAQuantizer, Quantized, StraightThroughQuantizer


class ResidualQuantizer(nn.Module):
    """One or more quantizers, one behind the other; with one level it is plain vector quantisation.

    Args:
        config: codebook size, dimension, kind and number of levels.

    Source: Zeghidour et al. 2021 (SoundStream), algorithm 1; for motion Guo et al. 2024 (MoMask), section 3.1.
    """

    def __init__(self, config: MotionVQVAEConfig) -> None:
        super().__init__()
        self.levels = nn.ModuleList(_level(config) for _ in range(config.num_quantizers))

    def level_embeddings(self, level: int) -> Tensor:
        """The codebook of a level, (K, C)."""
        return self.levels[level].entries

    def lookup(self, codes: Tensor) -> Tensor:
        """Codes (..., Q) int64 -> the sum of their entries (..., C)."""
        return torch.stack([level.lookup(codes[..., q]) for q, level in enumerate(self.levels)]).sum(dim=0)

    def encode(self, latents: Tensor) -> Tensor:
        """Codes alone: (B, N, C) -> (B, N, Q) int64, without losses; no codebook learns from them."""
        total = torch.zeros_like(latents)
        codes = []
        for level in self.levels:
            codes.append(level.encode(latents - total))
            if len(codes) < len(self.levels):
                total = total + level.lookup(codes[-1]).detach()
        return torch.stack(codes, dim=-1)

    @torch.no_grad()
    def initialise(self, micro_batches: Sequence[Tensor]) -> None:
        """Puts the codes of EMA codebooks on latents of the first step, (B, N, C) a micro-batch."""
        totals = [torch.zeros_like(latents) for latents in micro_batches]
        for level in self.levels:
            residuals = [latents - total for latents, total in zip(micro_batches, totals, strict=True)]
            if isinstance(level, EMAQuantizer):
                level.initialise(residuals)
            entries = [level.lookup(level.encode(residual)) for residual in residuals]
            totals = [total + entry for total, entry in zip(totals, entries, strict=True)]

    def forward(self, latents: Tensor) -> Quantized:
        """(B, N, C) -> `Quantized` with codes (B, N, Q); loss and perplexity are means over the levels.

        Every level is pulled towards its own residual; the gradient of the sum goes to the encoder unchanged.
        """
        total = torch.zeros_like(latents)
        parts = []
        for level in self.levels:
            part = level(latents - total)
            # A level's residual depends on the encoder alone: gradients of its loss do not reach earlier codebooks.
            total = total + part.entries.detach()
            parts.append(part)
        value = torch.stack([part.entries for part in parts]).sum(dim=0)
        return Quantized(
            latents=latents + (total - latents).detach(),
            entries=value,
            codes=torch.stack([part.codes for part in parts], dim=-1),
            loss=torch.stack([part.loss for part in parts]).mean(),
            perplexity=torch.stack([part.perplexity for part in parts]).mean(),
        )


def _level(config: MotionVQVAEConfig) -> nn.Module:
    if config.codebook == "ema":
        return EMAQuantizer(
            config.codebook_size,
            config.code_dim,
            decay=config.codebook_decay,
            dead_threshold=config.dead_code_threshold,
        )
    return StraightThroughQuantizer(config.codebook_size, config.code_dim)
