import math

import pytest
import torch
from torch import nn

from emage.errors import InputError
from emage.models import encoders
from emage.models.encoders import LogMelEncoder, TextEncoder, WaveformEncoder

SAMPLE_RATE = 16000
NARROW = [2, 2, 2, 2, 2, 2]
PUBLISHED = [32, 32, 32, 64, 64, 128]


def smoothing(encoder: nn.Module) -> nn.Module:
    """Every convolution a mean over its window: the response to a click is then symmetric about where it fell."""
    for module in encoder.modules():
        if isinstance(module, nn.Conv1d):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
            nn.init.zeros_(module.bias)
    return encoder.eval()


def click(at_s: float, duration_s: float) -> torch.Tensor:
    waveform = torch.zeros(1, round(duration_s * SAMPLE_RATE))
    waveform[0, round(at_s * SAMPLE_RATE)] = 1.0
    return waveform


def test_geometry_of_the_published_encoder():
    encoder = WaveformEncoder(PUBLISHED)
    assert encoder.samples_per_feature == 1080
    assert encoder.num_features(36266) == 34
    assert encoder.num_features(36266) == encoder.eval().features(torch.zeros(1, 36266)).shape[1]


def test_centre_and_reach_are_what_the_gradient_says():
    encoder = smoothing(WaveformEncoder(NARROW))
    waveform = torch.zeros(1, 120 * 1080, requires_grad=True)
    encoder.features(waveform)[0, 60].sum().backward()
    reached = waveform.grad[0].nonzero()[:, 0]
    centre = encoder.first_centre + 60 * encoder.samples_per_feature
    assert (reached.min(), reached.max()) == (centre - encoder.reach, centre + encoder.reach)


@pytest.mark.parametrize("encoder_class", [WaveformEncoder, LogMelEncoder])
@pytest.mark.parametrize(
    ("at_s", "fps"), [(1.3, 15), (60.0, 15), (60.21, 30), (60.21, 29.97), (600.0, 15), (599.37, 30)]
)
def test_a_click_is_seen_at_its_frame_after_ten_minutes_too(encoder_class, at_s, fps):
    torch.manual_seed(0)
    encoder = smoothing(encoder_class(NARROW))
    waveform = click(at_s, at_s + 3)
    num_frames = round((at_s + 3) * fps)
    with torch.no_grad():
        heard = encoder(waveform, num_frames, fps=fps, sample_rate=SAMPLE_RATE)
        silence = encoder(torch.zeros_like(waveform), num_frames, fps=fps, sample_rate=SAMPLE_RATE)
    assert heard.shape == (1, num_frames, 2)
    response = (heard - silence)[0].sum(dim=1)
    assert abs(response.argmax().item() - round(at_s * fps)) <= 1


def test_features_lie_where_they_say_to_three_milliseconds():
    at_s, fps = 601.2345, 200
    with torch.no_grad():
        heard = smoothing(WaveformEncoder(NARROW))(click(at_s, 605), 605 * fps, fps=fps, sample_rate=SAMPLE_RATE)
    response = heard[0].sum(dim=1).double()
    centre_s = (response * torch.arange(605 * fps) / fps).sum() / response.sum()
    assert centre_s.item() == pytest.approx(at_s, abs=3e-3)


def test_feature_k_for_frame_k_as_in_the_reference_drifts():
    encoder = smoothing(WaveformEncoder(NARROW))
    with torch.no_grad():
        feature = encoder.features(click(60.0, 63))[0].sum(dim=1).argmax().item()
    assert round(60.0 * 15) - feature > 10


@pytest.mark.parametrize("seconds", [40.0, 75.03, 103.9999])
def test_long_sound_in_pieces_equals_the_whole(seconds, monkeypatch):
    torch.manual_seed(0)
    encoder = WaveformEncoder([4, 4, 4, 4, 4, 4]).double().eval()
    for module in encoder.modules():  # statistics that do something
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.uniform_(-0.1, 0.1)
    waveform = torch.randn(2, round(seconds * SAMPLE_RATE), dtype=torch.float64)
    with torch.no_grad():
        pieces = encoder.features(waveform)
        monkeypatch.setattr(encoders, "CHUNK_FEATURES", 10**9)
        whole = encoder.features(waveform)
    assert pieces.shape == whole.shape == (2, encoder.num_features(waveform.shape[1]), 4)
    torch.testing.assert_close(pieces, whole, rtol=0, atol=1e-12)


def test_cuts_are_exact_at_any_length(monkeypatch):
    """Lengths on both sides of a cut, with pieces so small that first, middle and last occur."""
    torch.manual_seed(0)
    encoder = WaveformEncoder([1, 1, 1, 1, 1, 1]).double().eval()
    waveform = torch.randn(1, 90 * 1080, dtype=torch.float64)
    for num_samples in range(80 * 1080 - 700, 80 * 1080 + 700, 175):
        monkeypatch.setattr(encoders, "CHUNK_FEATURES", 10**9)
        whole = encoder.features(waveform[:, :num_samples])
        monkeypatch.setattr(encoders, "CHUNK_FEATURES", 16)
        torch.testing.assert_close(encoder.features(waveform[:, :num_samples]), whole, rtol=0, atol=1e-12)


def test_a_spectrogram_in_pieces_equals_the_whole(monkeypatch):
    torch.manual_seed(0)
    encoder = LogMelEncoder(NARROW).eval()
    waveform = torch.randn(1, 40 * SAMPLE_RATE + 77)
    with torch.no_grad():
        whole = encoder(waveform, 600, fps=15, sample_rate=SAMPLE_RATE)
        monkeypatch.setattr(encoders, "MEL_CHUNK_STEPS", 300)
        pieces = encoder(waveform, 600, fps=15, sample_rate=SAMPLE_RATE)
    torch.testing.assert_close(pieces, whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("encoder_class", [WaveformEncoder, LogMelEncoder])
@pytest.mark.parametrize("num_frames", [1, 2, 17, 34, 151])
@pytest.mark.parametrize("fps", [15, 24, 60])
def test_as_many_features_as_frames(encoder_class, num_frames, fps):
    waveform = torch.randn(2, round(num_frames * SAMPLE_RATE / fps))
    encoder = encoder_class([3, 3, 3, 3, 3, 7]).eval()
    features = encoder(waveform, num_frames, fps=fps, sample_rate=SAMPLE_RATE)
    assert features.shape == (2, num_frames, 7)
    assert features.isfinite().all()


def test_a_word_reaches_its_own_and_later_frames_only():
    torch.manual_seed(0)
    encoder = TextEncoder(20, 6, hidden=64, num_levels=3, out_dim=5, dropouts=(0.1, 0.3)).double().eval()
    for name, parameter in encoder.named_parameters():
        if name.endswith("weight_g"):  # they start so small that the far end of the reach is rounded away
            nn.init.ones_(parameter)
    words = torch.zeros(1, 30, dtype=torch.int64)
    changed = words.clone()
    changed[0, 10] = 7
    difference = (encoder(words) - encoder(changed))[0].abs().sum(dim=1)
    reach = 2 * sum(2**level for level in range(3))
    assert difference.nonzero()[:, 0].tolist() == list(range(10, 10 + reach + 1))


@pytest.mark.parametrize("channels", [[32], [32, 32, 32, 64, 64, 0]])
def test_wrong_channels_are_named(channels):
    with pytest.raises(InputError, match="model.audio_channels: got"):
        WaveformEncoder(channels)


def test_a_quiet_and_a_loud_voice_both_stay_finite():
    encoder = LogMelEncoder(NARROW)
    for gain in (0.0, 1e-6, 1e3):
        waveform = gain * torch.sin(torch.arange(36267) * 2 * math.pi * 200 / SAMPLE_RATE)[None].repeat(2, 1)
        assert encoder(waveform, 34, fps=15, sample_rate=SAMPLE_RATE).isfinite().all()
