import librosa.filters
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sounds import RATE, tone

from emage.audio import frame_to_sample, log_mel, mel_matrix, resample_audio, rms_envelope


@pytest.mark.parametrize(
    ("frame", "fps", "expected"), [(0, 15, 0), (855, 15, 912000), (34, 15, 36267), (1, 29.97, 534), (9000, 15, 9600000)]
)
def test_frame_to_sample_known_cases(frame, fps, expected):
    assert frame_to_sample(frame, fps, RATE) == expected


@given(st.integers(0, 10**6), st.sampled_from([12.5, 15, 25, 29.97, 30, 60]))
def test_frame_to_sample_never_drifts(frame, fps):
    assert abs(frame_to_sample(frame, fps, RATE) - frame * RATE / fps) <= 0.5


def test_resampling_does_not_alias():
    high = tone(9500, 1.0, 48000)  # above what 16 kHz can hold
    assert np.abs(resample_audio(high, 48000, RATE)[500:-500]).max() < 1e-3


def test_rms_of_a_tone_and_of_silence():
    sound = np.concatenate([tone(400, 1.0), np.zeros(RATE, np.float32)])
    envelope = rms_envelope(sound, RATE, 15)
    assert envelope.shape == (30,)
    np.testing.assert_allclose(envelope[1:14], 0.5 / np.sqrt(2), rtol=1e-3)
    assert envelope[17:].max() == 0
    assert rms_envelope(np.zeros(0, np.float32), RATE, 15).shape == (0,)


def test_mel_matrix_equals_librosa():
    expected = librosa.filters.mel(sr=RATE, n_fft=1024, n_mels=64)
    np.testing.assert_allclose(mel_matrix(RATE, 1024, 64), expected, atol=1e-7)


@pytest.mark.parametrize("num_samples", [10, 1067, 16000, 36267])
def test_log_mel_has_a_frame_at_each_hop(num_samples):
    features = log_mel(torch.zeros(2, num_samples), RATE, 400)
    assert features.shape == (2, num_samples // 400 + 1, 64)
    assert torch.isfinite(features).all()


def test_log_mel_frame_is_centred_on_its_sample():
    click = torch.zeros(1, RATE)
    click[0, 10 * 400] = 1.0
    energy = log_mel(click, RATE, 400).exp().sum(dim=-1)[0]
    assert energy.argmax() == 10
    torch.testing.assert_close(energy[9], energy[11])


def test_log_mel_peaks_in_the_band_of_the_tone():
    features = log_mel(torch.from_numpy(tone(1000, 1.0))[None], RATE, 400)[0, 20]
    centres_hz = librosa.filters.mel_frequencies(66, fmin=0, fmax=RATE / 2)[1:-1]
    assert abs(centres_hz[features.argmax()] - 1000) < 60


def test_log_mel_passes_gradients():
    waveform = torch.from_numpy(tone(500, 0.2))[None].requires_grad_()
    log_mel(waveform, RATE, 400).sum().backward()
    assert torch.isfinite(waveform.grad).all()
    assert waveform.grad.abs().sum() > 0
