"""Transformer layers whose only notion of time is the distance between two steps, so that any length can be run.

Shapes: B batch, N steps, C channels, H heads.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ROTARY_BASE = 10000.0
FEED_FORWARD = 4  # width of the hidden layer, in C


class TransformerLayer(nn.Module):
    """Self-attention and a feed-forward network, each behind a LayerNorm and beside a shortcut.

    Args:
        dim: C.
        num_heads: H; C / H must be even if `rotary`.
        dropout: of both branches.
        rotary: attention depends on the distance between steps; without, steps are an unordered set.

    Source: Xiong et al. 2020, "On Layer Normalization in the Transformer Architecture" (pre-LN).
    """

    def __init__(self, dim: int, num_heads: int, *, dropout: float, rotary: bool = True) -> None:
        super().__init__()
        self.num_heads, self.rotary = num_heads, rotary
        self.attention_norm = nn.LayerNorm(dim)
        self.query_key_value = nn.Linear(dim, 3 * dim, bias=False)
        self.attention_out = nn.Linear(dim, dim)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, FEED_FORWARD * dim), nn.GELU(), nn.Linear(FEED_FORWARD * dim, dim)
        )
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        x = x + self.drop(self._attend(self.attention_norm(x)))
        return x + self.drop(self.feed_forward(x))

    def _attend(self, x: Tensor) -> Tensor:
        heads = self.query_key_value(x).unflatten(-1, (3, self.num_heads, -1))  # (B, N, 3, H, C / H)
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # (B, H, N, C / H) each
        if self.rotary:
            turn = rotary_turns(x.shape[1], query.shape[-1], x.device)
            query, key = _rotate(query, turn), _rotate(key, turn)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.attention_out(mixed.transpose(1, 2).flatten(2))


def rotary_turns(num_steps: int, dim: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosine and sine of the angle by which step n turns channel pair c, (N, dim / 2) each.

    Source: Su et al. 2021, "RoFormer", eq. 14 and 15.
    """
    rates = ROTARY_BASE ** (-torch.arange(0, dim, 2, device=device, dtype=torch.float32) / dim)
    angles = torch.arange(num_steps, device=device, dtype=torch.float32)[:, None] * rates
    return angles.cos(), angles.sin()


def _rotate(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    cos, sin = (value.to(x.dtype) for value in turn)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)
