"""Sound: its clock against the frames of the motion, loudness and log-mel features.

`read_audio` and the endings of sound files are found here too; they are in `emage.sound_file`, `emage.sound_endings`.

Shapes: B batch, S samples, T frames, C mel bands.
"""

import functools
import math

import numpy as np
import soxr
import torch
from torch import Tensor

from emage.sound_endings import SOUND_ENDINGS, VIDEO_ENDINGS
from emage.sound_file import SAMPLE_RATE, check_audio, read_audio, read_audio_noted

__all__ = [
    "SAMPLE_RATE",
    "SOUND_ENDINGS",
    "VIDEO_ENDINGS",
    "check_audio",
    "frame_to_sample",
    "log_mel",
    "mel_matrix",
    "read_audio",
    "read_audio_noted",
    "resample_audio",
    "rms_envelope",
]

MEL_WINDOW_S = 0.064  # a power of two of samples at 16 kHz, some ten periods of a low voice
MEL_FLOOR = 1e-5  # mel power below this is silence


def frame_to_sample(frame: int, fps: float, sample_rate: int) -> int:
    """The sample at which a frame begins; the only conversion between frames and samples in the project.

    Use it on absolute frame numbers: a stretch is the difference of two conversions, and no rounding adds up.
    """
    return round(frame * sample_rate / fps)


def resample_audio(waveform: np.ndarray, source_rate: int, sample_rate: int) -> np.ndarray:
    """Brings a waveform (S,) to another rate, band-limited; d seconds become round(d * sample_rate) samples."""
    if source_rate == sample_rate or waveform.size == 0:
        return waveform
    resampled = soxr.resample(waveform, source_rate, sample_rate)
    num_samples = round(len(waveform) * sample_rate / source_rate)
    return np.pad(resampled[:num_samples], (0, max(0, num_samples - len(resampled))))


def rms_envelope(waveform: np.ndarray, sample_rate: int, fps: float, *, window_s: float = 0.05) -> np.ndarray:
    """Loudness at the times of the frames.

    Args:
        waveform: (S,).
        sample_rate: its samples per second.
        fps: frames per second of the result.
        window_s: the square window that is centred on each frame; what reaches beyond the sound counts as not there.

    Returns:
        (T,) float32 root mean square, T = round(S / sample_rate * fps).
    """
    num_frames = round(len(waveform) / sample_rate * fps)
    energy = np.concatenate([[0.0], np.cumsum(np.square(waveform, dtype=np.float64))])
    centres = np.array([frame_to_sample(frame, fps, sample_rate) for frame in range(num_frames)], dtype=np.int64)
    half = max(1, round(window_s * sample_rate / 2))
    first = np.clip(centres - half, 0, len(waveform) - 1)
    stop = np.clip(centres + half, first + 1, len(waveform))
    return np.sqrt((energy[stop] - energy[first]) / (stop - first)).astype(np.float32)


def log_mel(waveform: Tensor, sample_rate: int, hop_samples: int, num_mels: int = 64) -> Tensor:
    """Logarithm of the mel power spectrum (Slaney's scale, as librosa's default).

    Args:
        waveform: (B, S).
        sample_rate: samples per second.
        hop_samples: from one feature frame to the next.
        num_mels: C.

    Returns:
        (B, S // hop_samples + 1, C); frame k is centred on sample k * hop_samples.
    """
    window_samples = 2 ** round(math.log2(MEL_WINDOW_S * sample_rate))
    window = torch.hann_window(window_samples, dtype=waveform.dtype, device=waveform.device)
    spectrum = torch.stft(
        waveform, window_samples, hop_samples, window=window, center=True, pad_mode="constant", return_complex=True
    )
    power = spectrum.real.square() + spectrum.imag.square()  # (B, window / 2 + 1, T)
    bands = mel_matrix(sample_rate, window_samples, num_mels).to(power)
    return (power.transpose(1, 2) @ bands.T).clamp(min=MEL_FLOOR).log()  # (B, T, C)


@functools.lru_cache(maxsize=8)
def mel_matrix(sample_rate: int, window_samples: int, num_mels: int) -> Tensor:
    """Triangles of equal area on the mel scale from 0 Hz to half the sample rate, (C, window_samples // 2 + 1).

    Source: Slaney, "Auditory Toolbox" (1998): linear below 1 kHz, logarithmic above; as librosa.filters.mel.
    """
    edges_hz = _mel_to_hz(torch.linspace(0, _hz_to_mel(sample_rate / 2), num_mels + 2, dtype=torch.float64))
    bins_hz = torch.linspace(0, sample_rate / 2, window_samples // 2 + 1, dtype=torch.float64)
    low, centre, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    triangles = torch.minimum((bins_hz - low) / (centre - low), (high - bins_hz) / (high - centre)).clamp(min=0)
    return (triangles * 2 / (high - low)).float()


_HZ_PER_MEL, _BREAK_HZ, _LOG_STEP = 200.0 / 3, 1000.0, math.log(6.4) / 27


def _hz_to_mel(hz: float) -> float:
    if hz < _BREAK_HZ:
        return hz / _HZ_PER_MEL
    return _BREAK_HZ / _HZ_PER_MEL + math.log(hz / _BREAK_HZ) / _LOG_STEP


def _mel_to_hz(mel: Tensor) -> Tensor:
    break_mel = _BREAK_HZ / _HZ_PER_MEL
    return torch.where(mel < break_mel, mel * _HZ_PER_MEL, _BREAK_HZ * torch.exp(_LOG_STEP * (mel - break_mel)))
