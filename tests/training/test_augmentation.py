"""Sound as if recorded elsewhere: by its own seed, in its own time, and within full scale."""

import numpy as np
import pytest
import torch

from emage.training.augmentation import SoundAugmentation, _noise

RATE, S = 16000, 20011  # a prime: no length is convenient


def syllables() -> torch.Tensor:
    """(S,) three bursts of a tone with harmonics, with silence between."""
    times = torch.arange(S) / RATE
    tone = sum(torch.sin(2 * torch.pi * 150 * number * times) / number for number in range(1, 20))
    return 0.1 * tone * ((times * 3) % 1 < 0.5)


@pytest.fixture
def waveform() -> torch.Tensor:
    return torch.stack([syllables() * (1 + row / 10) for row in range(8)])


def test_without_a_share_nothing_happens(waveform):
    assert SoundAugmentation(0.0, RATE)(waveform, range(8)) is waveform


def test_a_window_is_altered_alike_in_any_company(waveform):
    augment = SoundAugmentation(1.0, RATE)
    together, alone = augment(waveform, range(8)), augment(waveform[5:6], [5])
    assert torch.allclose(together[5:6], alone, atol=1e-6)
    assert not torch.allclose(together[5:6], augment(waveform[5:6], [6]), atol=1e-3)
    assert torch.equal(waveform, torch.stack([syllables() * (1 + row / 10) for row in range(8)]))  # the batch is not


def test_the_share_of_windows(waveform):
    many = waveform[:1].expand(400, -1)
    altered = (SoundAugmentation(0.3, RATE)(many, range(400)) != many).any(dim=1)
    assert 0.2 < altered.float().mean() < 0.4


def envelope(sound: torch.Tensor) -> np.ndarray:
    return sound[: S // 80 * 80].reshape(-1, 80).square().mean(dim=1).sqrt().numpy()


def test_it_stays_in_time_finite_and_within_full_scale(waveform):
    result = SoundAugmentation(1.0, RATE)(waveform, range(8))
    assert result.shape == waveform.shape
    assert result.isfinite().all()
    assert result.abs().max() <= 1
    for before, after in zip(waveform, result, strict=True):
        a, b = (envelope(sound) - envelope(sound).mean() for sound in (before, after))
        lag = np.correlate(b, a, "full").argmax() - (len(a) - 1)
        assert abs(lag) <= 4  # of 5 ms: an echo may pull a little


def test_levels_and_spectra_differ_from_window_to_window(waveform):
    same = waveform[:1].expand(60, -1)
    result = SoundAugmentation(1.0, RATE)(same, range(60))
    level_db = 20 * result.square().mean(dim=1).sqrt().log10()
    assert level_db.max() - level_db.min() > 20
    spectrum = torch.fft.rfft(result).abs()[:, 200:8000].clamp(min=1e-6).log()
    assert (spectrum - spectrum.mean(dim=1, keepdim=True)).std(dim=0).mean() > 0.3


def test_silence_becomes_noise_of_a_steady_level(waveform):
    result = SoundAugmentation(1.0, RATE)(torch.zeros(20, S), range(20))
    assert 0 < result.square().mean(dim=1).sqrt().max() < 0.2
    halves = result[:, : S // 2].square().mean(dim=1).sqrt(), result[:, S // 2 :].square().mean(dim=1).sqrt()
    assert (halves[0] / halves[1]).log().abs().median() < 0.2


def test_noise_of_every_colour_has_the_level_that_is_asked():
    for length in (20000, 20012):
        hz = np.maximum(np.fft.rfftfreq(length, 1 / RATE), 20.0)
        sound = np.fft.irfft(_noise(np.random.default_rng(length), hz, length), length)
        assert np.sqrt(np.square(sound).mean()) == pytest.approx(1, rel=0.02)
