"""Vector quantisation: latents are replaced by the nearest entry of a learned codebook.

Two ways to learn the codebook: by gradient (`StraightThroughQuantizer`, as EMAGE), or as moving averages of the latents
that chose each code (`EMAQuantizer`), where codes that nobody chooses are put on latents of the batch.

Shapes: B batch, N code steps, C channels, K codebook entries, M = B * N latents of this process.
"""

from dataclasses import dataclass

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

REVIVAL_JITTER = 0.01  # of the latents' spread: a code exactly on a latent, or two on equal ones, would tie
SMALLEST = torch.finfo(torch.float32).tiny  # a moving count below it has faded to nothing


@dataclass
class Quantized:
    """Latents after quantisation.

    Attributes:
        latents: (B, N, C) codebook entries; their gradient goes to the encoder unchanged.
        entries: (B, N, C) the same values, with the gradient of the codebook, if it has one.
        codes: (B, N) int64.
        loss: what pulls latents to their codes, and, if the codebook learns by gradient, codes to their latents.
        perplexity: exp of the entropy of the codes in this batch: how many are in use, 1 to K.
    """

    latents: Tensor
    entries: Tensor
    codes: Tensor
    loss: Tensor
    perplexity: Tensor


class StraightThroughQuantizer(nn.Module):
    """A codebook that learns by gradient: |sg(z) - e|^2 + |z - sg(e)|^2.

    Source: van den Oord et al. 2017, eq. 3 with beta = 1, initialised uniformly in +-1/K, as the EMAGE VQ-VAE.
    """

    def __init__(self, num_codes: int, dim: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_codes, dim)
        nn.init.uniform_(self.embedding.weight, -1 / num_codes, 1 / num_codes)

    @property
    def entries(self) -> Tensor:
        """(K, C)."""
        return self.embedding.weight

    def lookup(self, codes: Tensor) -> Tensor:
        """Codes (...) int64 -> their entries (..., C)."""
        return self.embedding(codes)

    def forward(self, latents: Tensor) -> Quantized:
        """(B, N, C) -> `Quantized`."""
        with torch.autocast(latents.device.type, enabled=False):  # half precision picks wrong neighbours
            latents = latents.to(self.embedding.weight.dtype)
            codes = _nearest(latents, self.embedding.weight.detach())
            entries = self.embedding(codes)
            loss = F.mse_loss(entries, latents.detach()) + F.mse_loss(latents, entries.detach())
            return _quantized(latents, entries, codes, loss)


class EMAQuantizer(nn.Module):
    """A codebook of moving averages, with reset of dead codes.

    All state is in buffers, so that a checkpoint resumes it exactly. Under torch.distributed the counts and sums are
    added up over the processes, and a code is put on one of the latents of ALL processes, numbered by rank, drawn by a
    generator that depends on (seed, update) alone: N processes do what one with the whole batch would do.

    A code is dead when its moving count falls below `dead_threshold`, though never while it is chosen half as often as
    an even share of the batch: with small batches or large codebooks every code would otherwise be reset for ever.

    Args:
        num_codes: K.
        dim: C.
        decay: of the moving averages.
        dead_threshold: latents per update; 0 resets nothing.

    Source: van den Oord et al. 2017, appendix A.1; the reset as in Jukebox (Dhariwal et al. 2020, appendix B.3).
    """

    codebook: Tensor
    ema_counts: Tensor
    ema_sums: Tensor
    num_updates: Tensor
    seed: Tensor

    def __init__(self, num_codes: int, dim: int, *, decay: float, dead_threshold: float) -> None:
        super().__init__()
        self.decay = decay
        self.dead_threshold = dead_threshold
        self.register_buffer("codebook", torch.zeros(num_codes, dim))
        self.register_buffer("ema_counts", torch.zeros(num_codes))
        self.register_buffer("ema_sums", torch.zeros(num_codes, dim))
        self.register_buffer("num_updates", torch.zeros((), dtype=torch.int64))
        self.register_buffer("seed", torch.randint(2**31, ()))  # follows the seed under which the model is built

    @property
    def entries(self) -> Tensor:
        """(K, C)."""
        return self.codebook

    def lookup(self, codes: Tensor) -> Tensor:
        """Codes (...) int64 -> their entries (..., C)."""
        return F.embedding(codes, self.codebook)

    def forward(self, latents: Tensor) -> Quantized:
        """(B, N, C) -> `Quantized`; in train mode the codebook is updated after it was used."""
        with torch.autocast(latents.device.type, enabled=False):
            latents = latents.to(self.codebook.dtype)
            flat = latents.detach().flatten(0, 1)  # (M, C)
            if self.training and self.num_updates == 0:
                self._revive(flat, torch.ones_like(self.ema_counts, dtype=torch.bool), _total_rows(flat))
            codes = _nearest(latents, self.codebook)
            entries = self.lookup(codes)
            if self.training:
                self._update(flat, codes.flatten())
            return _quantized(latents, entries, codes, F.mse_loss(latents, entries))

    @torch.no_grad()
    def _update(self, flat: Tensor, codes: Tensor) -> None:
        # Summed in float64: the same sums, bit for bit in nearly all cases, however the batch is spread over processes.
        counts = torch.bincount(codes, minlength=len(self.ema_counts)).double()  # (K,)
        sums = torch.zeros_like(self.ema_sums, dtype=torch.float64).index_add_(0, codes, flat.double())  # (K, C)
        _sum_over_processes(counts)
        _sum_over_processes(sums)
        self.ema_counts.lerp_(counts.to(self.ema_counts), 1 - self.decay)
        self.ema_sums.lerp_(sums.to(self.ema_sums), 1 - self.decay)
        known = self.ema_counts > SMALLEST
        averages = self.ema_sums / self.ema_counts.clamp(min=SMALLEST)[:, None]
        self.codebook.copy_(torch.where(known[:, None], averages, self.codebook))
        num_latents = int(counts.sum())
        even_share = num_latents / len(self.ema_counts)
        dead = self.ema_counts < min(self.dead_threshold, even_share / 2)
        if self.dead_threshold > 0 and dead.any():
            self._revive(flat, dead, num_latents)
        self.num_updates += 1

    @torch.no_grad()
    def _revive(self, flat: Tensor, dead: Tensor, num_latents: int) -> None:
        """Puts dead codes on latents drawn without replacement; are they too few, the rest wait for the next update."""
        generator = torch.Generator().manual_seed((int(self.seed) << 32) + int(self.num_updates))
        codes = dead.nonzero()[:, 0][:num_latents]
        drawn = torch.randperm(num_latents, generator=generator)[: len(codes)].to(flat.device)
        entries = _gather_rows(flat, drawn)
        jitter = torch.randn(entries.shape, generator=generator).to(entries)
        entries = entries + REVIVAL_JITTER * entries.std(dim=0, correction=0) * jitter
        even_share = num_latents / len(self.ema_counts)  # starts as a code of average use, with time to find its own
        self.codebook[codes] = entries
        self.ema_counts[codes] = even_share
        self.ema_sums[codes] = entries * even_share


def _nearest(latents: Tensor, codebook: Tensor) -> Tensor:
    """Index of the entry with the smallest Euclidean distance: (B, N, C), (K, C) -> (B, N) int64."""
    # Seen from the middle of the codebook: of a crowd far from zero, rounding would pick the neighbour.
    middle = codebook.mean(dim=0)
    flat, codebook = latents.detach().flatten(0, 1) - middle, codebook - middle
    # |z|^2 is the same for every entry and left out.
    scores = torch.addmm(codebook.square().sum(dim=1)[None], flat, codebook.T, alpha=-2)  # (M, K)
    return scores.argmin(dim=1).view(latents.shape[:2])


def _quantized(latents: Tensor, entries: Tensor, codes: Tensor, loss: Tensor) -> Quantized:
    # Straight-through estimator: the value is the entry, the gradient is the latent's.
    return Quantized(latents + (entries - latents).detach(), entries, codes, loss, _perplexity(codes))


def _perplexity(codes: Tensor) -> Tensor:
    share = torch.bincount(codes.flatten()).float() / codes.numel()
    return torch.special.entr(share).sum().exp()


def _num_processes() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def _sum_over_processes(values: Tensor) -> None:
    if _num_processes() > 1:
        dist.all_reduce(values)


def _total_rows(rows: Tensor) -> int:
    count = torch.tensor(len(rows), device=rows.device)
    _sum_over_processes(count)
    return int(count)


def _gather_rows(rows: Tensor, indices: Tensor) -> Tensor:
    """Rows by their numbers in the concatenation over all ranks, in rank order; ranks may hold different counts."""
    if _num_processes() == 1:
        return rows[indices]
    counts = torch.zeros(_num_processes(), dtype=torch.int64, device=rows.device)
    counts[dist.get_rank()] = len(rows)
    dist.all_reduce(counts)
    local = indices - counts[: dist.get_rank()].sum()
    mine = (local >= 0) & (local < len(rows))
    gathered = torch.where(mine[:, None], rows[local.clamp(0, len(rows) - 1)], torch.zeros((), device=rows.device))
    dist.all_reduce(gathered)  # every row is zero on all ranks but its own
    return gathered
