import numpy as np
import pytest
import torch
from scipy.stats import gumbel_r, kstest

from emage.slow_noise import SlowNoise

EVERY = 8


def noise(num_steps: int, sizes: tuple[int, ...] = (500,), seed: int = 0) -> SlowNoise:
    return SlowNoise(np.random.SeedSequence(seed), num_steps, every=EVERY, sizes=sizes)


@pytest.mark.parametrize("step", [0, 1, 4, 7, 8, 15])
def test_each_value_by_itself_is_gumbel_noise_also_between_two_knots(step):
    (values,) = noise(16, (20_000,)).at(torch.tensor([step]))
    assert kstest(values[0].numpy(), gumbel_r.cdf).pvalue > 0.001


def test_neighbours_are_alike_and_distant_steps_are_not():
    (values,) = noise(400).at(torch.arange(400))

    def likeness(distance: int) -> float:
        return float(np.corrcoef(values[:-distance].flatten(), values[distance:].flatten())[0, 1])

    assert likeness(1) > 0.9
    assert likeness(1) > likeness(4) > likeness(7)
    assert abs(likeness(2 * EVERY)) < 0.02


def test_draws_follow_the_probabilities_and_stay_with_one_code_for_a_while():
    logits = torch.tensor([0.6, 0.3, 0.1]).log()
    codes = []
    for seed in range(200):
        (values,) = noise(EVERY * 10, (3,), seed).at(torch.arange(EVERY * 10))
        codes.append((logits + values).argmax(dim=-1))
    codes = torch.stack(codes)
    shares = torch.bincount(codes.flatten(), minlength=3) / codes.numel()
    torch.testing.assert_close(shares, logits.exp(), atol=0.03, rtol=0)
    independent = float((logits.exp() ** 2).sum())  # how often two independent draws are the same
    assert (codes[:, 1:] == codes[:, :-1]).float().mean() > 0.8 > independent + 0.3


def test_a_longer_sequence_begins_with_the_same_noise():
    short, long = noise(20, (5, 7)), noise(90, (5, 7))
    for few, many in zip(short.at(torch.arange(20)), long.at(torch.arange(20)), strict=True):
        assert torch.equal(few, many)


def test_each_level_has_its_own_width_and_any_order_of_steps_is_right():
    made = noise(30, (5, 7))
    rows = made.at(torch.arange(30))
    assert [tuple(row.shape) for row in rows] == [(30, 5), (30, 7)]
    places = torch.tensor([29, 3, 3, 17])
    for row, some in zip(rows, made.at(places), strict=True):
        assert torch.equal(row[places], some)


def test_another_seed_gives_other_noise():
    assert not torch.equal(noise(5).at(torch.arange(5))[0], noise(5, seed=1).at(torch.arange(5))[0])
