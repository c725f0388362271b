import copy
import multiprocessing
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from emage.config import MotionVQVAEConfig
from emage.errors import InputError
from emage.models.quantizer import REVIVAL_JITTER, EMAQuantizer, Quantized, StraightThroughQuantizer, update_codebooks
from emage.models.residual_quantizer import ResidualQuantizer


def ema(num_codes: int = 6, dim: int = 3, *, decay: float = 0.9, dead_threshold: float = 1.0) -> EMAQuantizer:
    torch.manual_seed(0)
    return EMAQuantizer(num_codes, dim, decay=decay, dead_threshold=dead_threshold)


def normal(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def trained(quantizer: EMAQuantizer, *micro_batches: Tensor) -> Quantized:
    """One step of training; what the last micro-batch became."""
    results = [quantizer(latents) for latents in micro_batches]
    update_codebooks([quantizer])
    return results[-1]


def warmed(quantizer: EMAQuantizer, latents: Tensor, num_updates: int = 3) -> EMAQuantizer:
    quantizer.train()
    for _ in range(num_updates):
        trained(quantizer, latents)
    return quantizer


@pytest.mark.parametrize("kind", [StraightThroughQuantizer, ema])
def test_the_nearest_entry_is_chosen(kind):
    latents = normal(4, 5, 3)
    quantizer = kind(6, 3)
    quantizer = warmed(quantizer, latents).eval() if kind is ema else quantizer.eval()
    codebook = quantizer.lookup(torch.arange(6))
    distances = (latents[:, :, None] - codebook).norm(dim=-1)  # (B, N, K)
    result = quantizer(latents)
    assert torch.equal(result.codes, distances.argmin(dim=-1))
    torch.testing.assert_close(result.latents, codebook[result.codes])
    assert torch.equal(quantizer.lookup(result.codes), codebook[result.codes])


@pytest.mark.parametrize("kind", [StraightThroughQuantizer, ema])
def test_what_is_a_code_already_stays_as_it_is(kind):
    quantizer = kind(6, 3)
    quantizer = (warmed(quantizer, normal(4, 5, 3)) if kind is ema else quantizer).eval()
    codes = torch.arange(6)[None]
    result = quantizer(quantizer.lookup(codes))
    assert torch.equal(result.codes, codes)
    assert result.loss.item() == pytest.approx(0, abs=1e-12)
    assert result.perplexity.item() == pytest.approx(6, rel=1e-5)


def test_straight_through_gradients():
    """d|sg(z)-e|^2/de and d|z-sg(e)|^2/dz by hand; what follows acts on the latent as if there were no quantizer."""
    torch.manual_seed(0)
    quantizer = StraightThroughQuantizer(4, 2)
    latents = normal(1, 3, 2).requires_grad_()
    result = quantizer(latents)
    weight = normal(1, 3, 2, seed=5)
    ((result.latents * weight).sum() + result.loss).backward()
    entries = quantizer.lookup(result.codes).detach()
    pull = 2 * (latents.detach() - entries) / entries.numel()
    torch.testing.assert_close(latents.grad, weight + pull)
    expected = torch.zeros(4, 2).index_add_(0, result.codes[0], -pull[0])
    torch.testing.assert_close(quantizer.embedding.weight.grad, expected)


def test_ema_update_is_the_formula():
    latents = normal(2, 10, 3)
    quantizer = warmed(ema(dead_threshold=0.0), latents)
    before = copy.deepcopy(quantizer.state_dict())
    codes = trained(quantizer, latents).codes.flatten()
    flat = latents.flatten(0, 1)
    for k in range(6):
        chosen = flat[codes == k]
        count = 0.9 * before["ema_counts"][k] + 0.1 * len(chosen)
        total = 0.9 * before["ema_sums"][k] + 0.1 * chosen.sum(dim=0)
        torch.testing.assert_close(quantizer.ema_counts[k], count)
        torch.testing.assert_close(quantizer.codebook[k], total / count)
    assert quantizer.num_updates == before["num_updates"] + 1


def test_codes_revived_on_equal_latents_do_not_tie():
    latents = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]).repeat(20, 1)[None]  # every latent occurs 20 times
    quantizer = ema(8, dead_threshold=0.0).train()
    quantizer(latents)
    assert len(torch.unique(quantizer.codebook, dim=0)) == 8


def test_the_nearest_code_is_found_in_a_crowd_far_from_zero():
    generator = torch.Generator().manual_seed(0)
    quantizer = StraightThroughQuantizer(64, 32)
    offset = 100 * torch.ones(32)
    with torch.no_grad():
        quantizer.embedding.weight.copy_(offset + 0.01 * torch.randn(64, 32, generator=generator))
    latents = offset + 0.01 * torch.randn(2, 200, 32, generator=generator)
    distances = torch.cdist(latents.double(), quantizer.embedding.weight.detach().double()[None])
    assert torch.equal(quantizer(latents).codes, distances.argmin(dim=2))


def test_the_first_codes_are_latents_of_the_first_batch():
    latents = normal(2, 10, 3)
    quantizer = ema(dead_threshold=0.0).train()
    result = quantizer(latents)
    flat = latents.flatten(0, 1)
    distances = (result.latents.flatten(0, 1)[:, None] - flat).norm(dim=-1)
    assert distances.min(dim=1).values.max() < 5 * REVIVAL_JITTER * flat.std()  # but for the jitter
    assert result.perplexity > 3


def test_eval_mode_changes_nothing():
    quantizer = warmed(ema(), normal(2, 10, 3)).eval()
    before = copy.deepcopy(quantizer.state_dict())
    quantizer(normal(2, 10, 3, seed=9))
    assert all(torch.equal(before[name], value) for name, value in quantizer.state_dict().items())


def test_a_dead_code_is_put_on_a_latent_of_the_batch_and_lives():
    latents = normal(4, 25, 3)
    quantizer = warmed(ema(decay=0.5), latents, 20)
    quantizer.codebook[2] = quantizer.ema_sums[2] = 1e4  # where nobody comes
    quantizer.ema_counts[2] = 1.0
    updates = 0
    while quantizer.codebook[2].abs().max() > 100:
        trained(quantizer, latents)
        updates += 1
        assert updates < 5
    assert (latents.flatten(0, 1) - quantizer.codebook[2]).abs().sum(dim=1).min() < 1e-6
    assert (quantizer(latents).codes == 2).any()
    kept = warmed(ema(decay=0.5, dead_threshold=0.0), latents, 20)
    kept.codebook[2] = kept.ema_sums[2] = 1e4
    kept.ema_counts[2] = 1.0
    for _ in range(200):
        trained(kept, latents)
    assert kept.codebook[2].min() > 100  # threshold 0: never, and its average stays finite though its count fades


@pytest.mark.parametrize("num_latents", [4, 40])
def test_evenly_used_codes_never_die_however_small_the_batch(num_latents):
    """With 10 codes and 4 latents a batch no code reaches the threshold of one latent an update."""
    quantizer = ema(10, 2, decay=0.99)
    centres = torch.arange(20.0).view(10, 2)
    quantizer.codebook.copy_(centres)
    quantizer.ema_counts.fill_(num_latents / 10)
    quantizer.ema_sums.copy_(centres * num_latents / 10)
    quantizer.num_updates.fill_(1)
    for step in range(400):
        chosen = (torch.arange(num_latents) + step * num_latents) % 10
        assert torch.equal(trained(quantizer, centres[chosen][None]).codes[0], chosen)
    torch.testing.assert_close(quantizer.codebook, centres, rtol=1e-4, atol=1e-4)


def test_reset_raises_the_perplexity_of_a_bad_start():
    """All codes but one far away: without resets they never come into use."""
    latents = normal(8, 25, 3) * 0.05 + 4 * normal(8, 1, 3, seed=3)

    def perplexity(dead_threshold: float) -> float:
        quantizer = warmed(ema(16, decay=0.9, dead_threshold=dead_threshold), latents, 1)
        quantizer.codebook[1:] = quantizer.ema_sums[1:] = 1e3 + torch.arange(15.0)[:, None]
        quantizer.ema_counts.fill_(1.0)
        warmed(quantizer, latents, 60)
        return quantizer.eval()(latents).perplexity.item()

    assert perplexity(0.0) < 2
    assert perplexity(1.0) > 6


def test_a_restored_codebook_goes_on_as_if_never_stopped():
    batches = [normal(2, 15, 3, seed=seed) for seed in range(20)]
    whole = ema(24)
    for batch in batches:
        trained(whole, batch)
    first = ema(24)
    for batch in batches[:10]:
        trained(first, batch)
    torch.manual_seed(99)
    second = EMAQuantizer(24, 3, decay=0.9, dead_threshold=1.0)
    second.load_state_dict(first.state_dict())
    for batch in batches[10:]:
        torch.rand(3)  # the process' own randomness has no part in it
        trained(second, batch)
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in whole.state_dict().items())


def _train_share(rank: int, shares: list[list[Tensor]], folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=len(shares))
    quantizer = ema(24)
    torch.manual_seed(rank + 1)  # the processes' own randomness differs
    codes = torch.cat([trained(quantizer, batch).codes for batch in shares[rank]])
    torch.save({**quantizer.state_dict(), "codes": codes}, f"{folder}/rank{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize("first_share", [3, 1])
def test_two_processes_learn_the_codebook_that_one_learns(tmp_path: Path, first_share):
    """Also with uneven shares, and while codes die and are put on latents of the other process."""
    batches = [normal(6, 15, 3, seed=seed) for seed in range(20)]
    alone = ema(24)
    codes = [trained(alone, batch).codes for batch in batches]
    shares = [[batch[:first_share] for batch in batches], [batch[first_share:] for batch in batches]]
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_train_share, args=(rank, shares, str(tmp_path))) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    states = [torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in range(2)]
    for name, value in alone.state_dict().items():
        assert torch.equal(states[0][name], states[1][name])
        torch.testing.assert_close(states[0][name], value, rtol=1e-6, atol=1e-6)
    assert torch.equal(states[0]["codes"], torch.cat([step[:first_share] for step in codes]))
    assert torch.equal(states[1]["codes"], torch.cat([step[first_share:] for step in codes]))


def test_the_seed_of_the_draws_follows_torchs():
    torch.manual_seed(1)
    one, other = (EMAQuantizer(4, 2, decay=0.9, dead_threshold=1.0) for _ in range(2))
    torch.manual_seed(1)
    again = EMAQuantizer(4, 2, decay=0.9, dead_threshold=1.0)
    assert one.seed == again.seed != other.seed


def residual(num_quantizers: int = 3, **options) -> ResidualQuantizer:
    torch.manual_seed(0)
    return ResidualQuantizer(
        MotionVQVAEConfig(codebook_size=12, code_dim=3, num_quantizers=num_quantizers, codebook_decay=0.9, **options)
    )


def assert_same_state(one: torch.nn.Module, other: torch.nn.Module) -> None:
    for name, value in one.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value, rtol=1e-6, atol=1e-6)


def test_four_micro_batches_learn_the_codebooks_of_one_batch():
    """From the first codes on, and while codes die and are put on latents of any of the micro-batches."""
    whole, split = residual(), residual()
    for step in range(20):
        batch = normal(8, 15, 3, seed=step)
        parts = batch.chunk(4)
        if step == 0:
            split.initialise(parts)
        codes = whole(batch).codes
        update_codebooks(whole.levels)
        assert torch.equal(torch.cat([split(part).codes for part in parts]), codes)
        update_codebooks(split.levels)
        assert_same_state(whole, split)
    assert all(level.num_updates == 20 for level in split.levels)


def test_the_codebook_stays_until_the_step_is_over():
    quantizer = warmed(ema(), normal(2, 10, 3))
    before = copy.deepcopy(quantizer.state_dict())
    quantizer(normal(2, 10, 3, seed=4))
    assert all(torch.equal(before[name], value) for name, value in quantizer.state_dict().items())
    update_codebooks([quantizer])
    assert quantizer.num_updates == before["num_updates"] + 1
    assert not torch.equal(quantizer.codebook, before["codebook"])
    after = copy.deepcopy(quantizer.state_dict())
    update_codebooks([quantizer])  # nothing came since
    assert all(torch.equal(after[name], value) for name, value in quantizer.state_dict().items())


def test_latents_are_not_kept_without_end(monkeypatch):
    monkeypatch.setattr("emage.models.quantizer.MAX_KEPT_PASSES", 3)
    quantizer, latents = ema().train(), normal(2, 10, 3)
    for _ in range(2):  # three micro-batches a step are as many as may be
        trained(quantizer, latents, latents, latents)
    for _ in range(3):
        quantizer(latents)
    with pytest.raises(InputError, match="3 forward passes in train mode without update_codebooks; call emage.models"):
        quantizer(latents)
    quantizer.eval()(latents)  # keeps nothing


def test_the_perplexity_is_that_of_one_forward_pass():
    quantizer = StraightThroughQuantizer(4, 2)
    latents = quantizer.entries.detach()[None].clone()  # each code once
    assert quantizer(latents).perplexity.item() == pytest.approx(4)
    halves = [quantizer(part).perplexity.item() for part in latents.chunk(2, dim=1)]
    assert halves == pytest.approx([2, 2])


@pytest.mark.parametrize("codebook", ["ema", "straight_through"])
def test_encoding_gives_the_codes_of_forward_and_learns_nothing(codebook):
    quantizer = residual(codebook=codebook).train()
    for seed in range(3):
        quantizer(normal(4, 5, 3, seed=seed))
        update_codebooks(level for level in quantizer.levels if isinstance(level, EMAQuantizer))
    latents, before = normal(4, 5, 3, seed=8), copy.deepcopy(quantizer.state_dict())
    codes = quantizer.encode(latents)
    update_codebooks(level for level in quantizer.levels if isinstance(level, EMAQuantizer))
    assert all(torch.equal(before[name], value) for name, value in quantizer.state_dict().items())
    assert torch.equal(codes, quantizer.eval()(latents).codes)


def _train_micro_batches(rank: int, shares: list[list[tuple[Tensor, ...]]], folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=len(shares))
    quantizer = residual()
    for step, parts in enumerate(shares[rank]):
        if step == 0:
            quantizer.initialise(parts)
        for part in parts:
            quantizer(part)
        update_codebooks(quantizer.levels)
    torch.save(quantizer.state_dict(), f"{folder}/rank{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_with_accumulation_learn_the_codebooks_of_one_batch(tmp_path: Path):
    """The global batch is numbered micro-batch after micro-batch, within each rank after rank, as the trainer splits it."""
    batches = [normal(8, 15, 3, seed=seed) for seed in range(12)]
    alone = residual()
    for batch in batches:
        alone(batch)
        update_codebooks(alone.levels)
    shares = [[(batch.chunk(4)[rank], batch.chunk(4)[2 + rank]) for batch in batches] for rank in range(2)]
    context = multiprocessing.get_context("fork")
    arguments = [(rank, shares, str(tmp_path)) for rank in range(2)]
    processes = [context.Process(target=_train_micro_batches, args=each) for each in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    for rank in range(2):
        other = residual()
        other.load_state_dict(torch.load(tmp_path / f"rank{rank}.pt", weights_only=True))
        assert_same_state(alone, other)
