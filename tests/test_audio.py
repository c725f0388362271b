import librosa.filters
import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from emage.audio import check_audio, frame_to_sample, log_mel, mel_matrix, read_audio, resample_audio, rms_envelope
from emage.errors import InputError

RATE = 16000


def tone(hz: float, seconds: float, sample_rate: int = RATE, size: float = 0.5) -> np.ndarray:
    return (size * np.sin(2 * np.pi * hz * np.arange(round(seconds * sample_rate)) / sample_rate)).astype(np.float32)


@pytest.mark.parametrize(
    ("frame", "fps", "expected"), [(0, 15, 0), (855, 15, 912000), (34, 15, 36267), (1, 29.97, 534), (9000, 15, 9600000)]
)
def test_frame_to_sample_known_cases(frame, fps, expected):
    assert frame_to_sample(frame, fps, RATE) == expected


@given(st.integers(0, 10**6), st.sampled_from([12.5, 15, 25, 29.97, 30, 60]))
def test_frame_to_sample_never_drifts(frame, fps):
    assert abs(frame_to_sample(frame, fps, RATE) - frame * RATE / fps) <= 0.5


def test_16_bit_file_is_read_exactly(tmp_path):
    whole = (tone(440, 0.5) * 32768).round().astype(np.int16)
    soundfile.write(tmp_path / "a.wav", whole, RATE, subtype="PCM_16")
    waveform = read_audio(tmp_path / "a.wav")
    assert waveform.dtype == np.float32
    assert np.array_equal(waveform * 32768, whole)


def test_channels_are_averaged(tmp_path):
    left, right = tone(300, 0.2), tone(500, 0.2)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), RATE, subtype="FLOAT")
    np.testing.assert_allclose(read_audio(tmp_path / "a.wav"), (left + right) / 2, atol=1e-7)


@pytest.mark.parametrize("source_rate", [8000, 22050, 44100, 48000])
@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_another_rate_keeps_pitch_length_and_phase(tmp_path, source_rate, ending):
    soundfile.write(tmp_path / f"a.{ending}", tone(440, 1.2345, source_rate), source_rate)
    waveform = read_audio(tmp_path / f"a.{ending}", RATE)
    assert len(waveform) == round(round(1.2345 * source_rate) * RATE / source_rate)
    middle = slice(2000, -2000)
    np.testing.assert_allclose(waveform[middle], tone(440, 1.2345)[: len(waveform)][middle], atol=2e-3)


def test_a_file_read_in_blocks_is_the_file_read_at_once(tmp_path):
    samples = np.random.default_rng(0).normal(0, 0.1, 45 * 8000).astype(np.float32)  # two blocks and a part
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
    assert np.array_equal(read_audio(tmp_path / "a.wav", 8000), samples)
    whole = resample_audio(samples, 8000, 11025)
    in_blocks = read_audio(tmp_path / "a.wav", 11025)
    assert len(in_blocks) == len(whole) == 45 * 11025
    assert np.abs(in_blocks - whole).max() < 1e-4


def test_resampling_does_not_alias():
    high = tone(9500, 1.0, 48000)  # above what 16 kHz can hold
    assert np.abs(resample_audio(high, 48000, RATE)[500:-500]).max() < 1e-3


def test_bad_files(tmp_path):
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), RATE)
    with pytest.raises(InputError, match="empty.wav: empty: it holds no samples"):
        read_audio(tmp_path / "empty.wav")
    (tmp_path / "zero.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("no sound at all")
    with pytest.raises(InputError, match="zero.wav: empty: it holds no bytes"):
        read_audio(tmp_path / "zero.wav")
    with pytest.raises(InputError, match="text.wav: cannot be read as sound"):
        read_audio(tmp_path / "text.wav")
    with pytest.raises(InputError, match=r"none.wav: no such sound file"):
        read_audio(tmp_path / "none.wav")
    with_nan = tone(440, 0.1)
    with_nan[[7, 9]] = np.nan
    soundfile.write(tmp_path / "nan.wav", with_nan, RATE, subtype="FLOAT")
    with pytest.raises(InputError, match="nan.wav: sample 7 is nan; 2 samples"):
        read_audio(tmp_path / "nan.wav")


def test_check_audio_passes_the_waveform_through():
    waveform = tone(440, 0.1)
    assert check_audio(waveform, "x") is waveform


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
