"""Vector quantisation: latents are replaced by the nearest entry of a learned codebook.

Two ways to learn the codebook: by gradient (`StraightThroughQuantizer`, as EMAGE), or as moving averages of the latents
that chose each code (`EMAQuantizer`), where codes that nobody chooses are put on latents of the batch.

Shapes: B batch, N code steps, C channels, K codebook entries, M = B * N latents of this process.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from emage.errors import InputError

MAX_KEPT_PASSES = 4096  # forward passes between two updates, as many as the micro-batches of a step can be
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
        perplexity: exp of the entropy of the codes in this batch: how many are in use, 1 to K. It is that of the latents
            of this forward pass alone: fewer latents use fewer codes, so the mean over the micro-batches of a step is
            lower than the perplexity of the whole batch.
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

    def encode(self, latents: Tensor) -> Tensor:
        """Codes alone: (B, N, C) -> (B, N) int64."""
        return _encode(latents, self.embedding.weight)

    def forward(self, latents: Tensor) -> Quantized:
        """(B, N, C) -> `Quantized`."""
        with torch.autocast(latents.device.type, enabled=False):  # half precision picks wrong neighbours
            latents = latents.to(self.embedding.weight.dtype)
            codes = _nearest(latents, self.embedding.weight.detach())
            entries = self.embedding(codes)
            loss = F.mse_loss(entries, latents.detach()) + F.mse_loss(latents, entries.detach())
            return _quantized(latents, entries, codes, loss, _counts(codes, len(self.entries)))


class EMAQuantizer(nn.Module):
    """A codebook of moving averages, with reset of dead codes.

    In train mode `forward` adds the latents to the counts and sums of their codes; `update_codebooks`, called once per
    optimizer step, moves the codebook. Gradient accumulation therefore changes nothing: the latents of all
    micro-batches of a step count as those of one batch.

    A training loop must call `update_codebooks` after each optimizer step: until then the latents of every forward pass
    in train mode are kept in memory, and the codebook does not learn. A forward pass that would keep more than
    MAX_KEPT_PASSES is an error; passes that are not training belong in evaluation mode, which keeps nothing.

    All state is in buffers, so that a checkpoint resumes it exactly. Under torch.distributed the counts and sums are
    added up over the processes, and a code is put on one of the latents of ALL processes, numbered by micro-batch and
    rank, drawn by a generator that depends on (seed, update) alone: N processes do what one with the whole batch does.

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
        self._micro_batches: list[_MicroBatch] = []  # since the last update; no buffer: DDP would overwrite it
        self._has_entries = False  # known on the host: to read num_updates would wait for the accelerator

    @property
    def entries(self) -> Tensor:
        """(K, C)."""
        return self.codebook

    def lookup(self, codes: Tensor) -> Tensor:
        """Codes (...) int64 -> their entries (..., C)."""
        return F.embedding(codes, self.codebook)

    def encode(self, latents: Tensor) -> Tensor:
        """Codes alone: (B, N, C) -> (B, N) int64. The codebook does not learn from them."""
        return _encode(latents, self.codebook)

    def forward(self, latents: Tensor) -> Quantized:
        """(B, N, C) -> `Quantized`; in train mode the latents are kept for the next `update_codebooks`.

        Raises:
            InputError: more than MAX_KEPT_PASSES forward passes in train mode without `update_codebooks`.
        """
        with torch.autocast(latents.device.type, enabled=False):
            latents = latents.to(self.codebook.dtype)
            if self.training:
                self.initialise([latents])
            codes = _nearest(latents, self.codebook)
            entries = self.lookup(codes)
            counts = _counts(codes, len(self.codebook))
            if self.training:
                self._keep(latents.detach().flatten(0, 1), codes.flatten(), counts)
            return _quantized(latents, entries, codes, F.mse_loss(latents, entries), counts)

    @torch.no_grad()
    def initialise(self, micro_batches: Sequence[Tensor]) -> None:
        """Puts the codes on latents of the first step; does nothing if the codebook has entries already.

        Args:
            micro_batches: (B, N, C) each: all of the step.
        """
        if not self._has_entries and self.num_updates == 0:
            rows = [latents.detach().to(self.codebook.dtype).flatten(0, 1) for latents in micro_batches]
            self._revive(rows, torch.ones_like(self.ema_counts, dtype=torch.bool))
        self._has_entries = True

    def _load_from_state_dict(self, *args: Any) -> None:
        super()._load_from_state_dict(*args)
        self._has_entries = False  # to be read from num_updates

    def _keep(self, flat: Tensor, codes: Tensor, counts: Tensor) -> None:
        if len(self._micro_batches) >= MAX_KEPT_PASSES:
            raise InputError(
                f"EMAQuantizer: {MAX_KEPT_PASSES} forward passes in train mode without update_codebooks; call"
                " emage.models.quantizer.update_codebooks after each optimizer step, or eval() where nothing is trained"
            )
        # Summed in float64: the same sums, bit for bit in nearly all cases, however the batch is spread over processes.
        sums = torch.zeros_like(self.ema_sums, dtype=torch.float64).index_add_(0, codes, flat.double())  # (K, C)
        self._micro_batches.append(_MicroBatch(flat, counts, sums))

    def _take(self) -> list["_MicroBatch"]:
        taken, self._micro_batches = self._micro_batches, []
        return taken

    def _move(self, counts: Tensor, sums: Tensor) -> Tensor:
        """Moves the averages by the counts (K,) and sums (K, C) of one step; returns which codes are dead, (K,) bool."""
        self.ema_counts.lerp_(counts.to(self.ema_counts), 1 - self.decay)
        self.ema_sums.lerp_(sums.to(self.ema_sums), 1 - self.decay)
        has_count = self.ema_counts > SMALLEST
        averages = self.ema_sums / self.ema_counts.clamp(min=SMALLEST)[:, None]
        self.codebook.copy_(torch.where(has_count[:, None], averages, self.codebook))
        even_share = counts.sum() / len(self.ema_counts)
        return self.ema_counts < (even_share / 2).clamp(max=self.dead_threshold)

    def _revive(self, rows: Sequence[Tensor], dead: Tensor) -> None:
        """Puts dead codes on latents drawn without replacement; are they too few, the rest wait for the next update."""
        sizes = _global_sizes(rows)
        num_latents = int(sizes.sum())
        generator = torch.Generator().manual_seed((int(self.seed) << 32) + int(self.num_updates))
        codes = dead.nonzero()[:, 0][:num_latents]
        drawn = torch.randperm(num_latents, generator=generator)[: len(codes)]
        entries = _gather_rows(rows, sizes, drawn)
        jitter = torch.randn(entries.shape, generator=generator).to(entries)
        entries = entries + REVIVAL_JITTER * entries.std(dim=0, correction=0) * jitter
        even_share = num_latents / len(self.ema_counts)  # starts as a code of average use, with time to find its own
        self.codebook[codes] = entries
        self.ema_counts[codes] = even_share
        self.ema_sums[codes] = entries * even_share


@dataclass
class _MicroBatch:
    """What an update needs of one forward pass: latents (M, C), and by code their counts (K,) and sums (K, C)."""

    latents: Tensor
    counts: Tensor
    sums: Tensor


@torch.no_grad()
def update_codebooks(quantizers: Iterable[EMAQuantizer]) -> None:
    """Moves codebooks by the latents of all forward passes since the last call, and resets their dead codes.

    Every process calls it once per optimizer step, after the last backward pass. There is one all-reduce and one
    transfer to the host for all quantizers together; a reset has its own.

    Args:
        quantizers: those without a forward pass in train mode since the last call are left as they are.
    """
    taken = [(quantizer, quantizer._take()) for quantizer in quantizers]
    taken = [(quantizer, parts) for quantizer, parts in taken if parts]
    if not taken:
        return
    totals = []
    for _, parts in taken:
        totals += [sum(part.counts for part in parts), sum(part.sums for part in parts)]
    joined = torch.cat([total.flatten() for total in totals])
    _sum_over_processes(joined)
    totals = [x.view_as(total) for x, total in zip(joined.split([t.numel() for t in totals]), totals, strict=True)]
    dead = [
        quantizer._move(counts, sums)
        for (quantizer, _), counts, sums in zip(taken, totals[::2], totals[1::2], strict=True)
    ]
    has_dead = torch.stack([codes.any() for codes in dead]).tolist()
    for (quantizer, parts), codes, is_any in zip(taken, dead, has_dead, strict=True):
        if is_any:
            quantizer._revive([part.latents for part in parts], codes)
        quantizer.num_updates += 1


def _encode(latents: Tensor, codebook: Tensor) -> Tensor:
    with torch.autocast(latents.device.type, enabled=False):  # half precision picks wrong neighbours
        return _nearest(latents.to(codebook.dtype), codebook.detach())


def _nearest(latents: Tensor, codebook: Tensor) -> Tensor:
    """Index of the entry with the smallest Euclidean distance: (B, N, C), (K, C) -> (B, N) int64."""
    # Seen from the middle of the codebook: of a crowd far from zero, rounding would pick the neighbour.
    middle = codebook.mean(dim=0)
    flat, codebook = latents.detach().flatten(0, 1) - middle, codebook - middle
    # |z|^2 is the same for every entry and left out.
    scores = torch.addmm(codebook.square().sum(dim=1)[None], flat, codebook.T, alpha=-2)  # (M, K)
    return scores.argmin(dim=1).view(latents.shape[:2])


def _quantized(latents: Tensor, entries: Tensor, codes: Tensor, loss: Tensor, counts: Tensor) -> Quantized:
    # Straight-through estimator: the value is the entry, the gradient is the latent's.
    return Quantized(latents + (entries - latents).detach(), entries, codes, loss, _perplexity(counts))


def _counts(codes: Tensor, num_codes: int) -> Tensor:
    """How often each code occurs, (K,) float64; bincount would make the host wait for the accelerator."""
    ones = torch.ones((), dtype=torch.float64, device=codes.device).expand(codes.numel())
    return torch.zeros(num_codes, dtype=torch.float64, device=codes.device).index_add_(0, codes.flatten(), ones)


def _perplexity(counts: Tensor) -> Tensor:
    share = (counts / counts.sum()).float()
    return torch.special.entr(share).sum().exp()


def _num_processes() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def _sum_over_processes(values: Tensor) -> None:
    if _num_processes() > 1:
        dist.all_reduce(values)


def _global_sizes(rows: Sequence[Tensor]) -> Tensor:
    """Latents of each micro-batch of each rank, (micro-batches, ranks) int64 on the CPU; ranks may hold different ones."""
    if _num_processes() == 1:
        return torch.tensor([[len(part)] for part in rows])
    sizes = torch.zeros(len(rows), _num_processes(), dtype=torch.int64, device=rows[0].device)
    sizes[:, dist.get_rank()] = torch.tensor([len(part) for part in rows], device=rows[0].device)
    dist.all_reduce(sizes)
    return sizes.cpu()


def _gather_rows(rows: Sequence[Tensor], sizes: Tensor, indices: Tensor) -> Tensor:
    """Rows by their numbers in the global batch: micro-batch after micro-batch, within each rank after rank.

    Args:
        rows: (M, C) of each micro-batch of this rank.
        sizes: of `_global_sizes`.
        indices: (n,) int64 on the CPU.
    """
    own = torch.cat(list(rows))
    if _num_processes() == 1:
        return own[indices.to(own.device)]
    starts = (sizes.flatten().cumsum(0) - sizes.flatten()).view_as(sizes)  # of each block in the global numbering
    rank = dist.get_rank()
    local = torch.full_like(indices, -1)
    first = 0
    for start, size in zip(starts[:, rank].tolist(), sizes[:, rank].tolist(), strict=True):
        inside = (indices >= start) & (indices < start + size)
        local = torch.where(inside, indices - start + first, local)
        first += size
    local = local.to(own.device)
    gathered = torch.where((local >= 0)[:, None], own[local.clamp(min=0)], torch.zeros((), device=own.device))
    dist.all_reduce(gathered)  # every row is zero on all ranks but its own
    return gathered
