"""What is known of the speech -> features at the steps of the motion codes: content (words) and rhythm (sound), fused.

Every input can be left out: a learned vector then stands for it. Networks trained with inputs left out at random work
with any subset of them, and the difference that an input makes can be amplified (guidance).

Shapes: B batch, T frames, S samples, N steps (T / downsample, rounded up), C channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emage.config import MaskedTransformerConfig
from emage.models.encoders import (
    MEL_BANDS,
    MEL_STEPS_PER_FRAME,
    LogMelEncoder,
    WaveformEncoder,
    frame_log_mel,
)
from emage.models.pretrained_speech import PretrainedEncoder

INPUTS = ("audio", "words", "speaker", "emotion")
CONV_KERNEL = 5


class ConvLayer(nn.Module):
    """A convolution over time beside a shortcut; its normalisation looks at one frame at a time, never at the batch."""

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.conv = nn.Conv1d(dim, dim, CONV_KERNEL, padding=CONV_KERNEL // 2)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        return x + self.drop(F.gelu(self.conv(self.norm(x).transpose(1, 2)).transpose(1, 2)))


class MelOnsetEncoder(nn.Module):
    """Log-mel spectrogram with its energy and its rise (onset strength), four steps a frame, exactly on the frame times.

    Args:
        dim: features per frame.
        num_layers: convolutions over the frames.
        dropout: of them.
    """

    def __init__(self, dim: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        self.project = nn.Linear(MEL_STEPS_PER_FRAME * (MEL_BANDS + 2), dim)
        self.layers = nn.Sequential(*(ConvLayer(dim, dropout) for _ in range(num_layers)))

    def forward(self, waveform: Tensor, num_frames: int, *, fps: float, sample_rate: int) -> Tensor:
        """(B, S) -> (B, T, dim)."""
        mel = frame_log_mel(waveform, num_frames, fps=fps, sample_rate=sample_rate)  # (B, 4T, bands)
        energy = mel.mean(dim=-1, keepdim=True)
        onset = mel.diff(dim=1, prepend=mel[:, :1]).clamp(min=0).mean(dim=-1, keepdim=True)
        steps = torch.cat([mel, energy, onset], dim=-1).unflatten(1, (num_frames, MEL_STEPS_PER_FRAME)).flatten(2)
        return self.layers(self.project(steps.to(self.project.weight.dtype)))


class _PublishedEncoder(nn.Module):
    """CaMN's audio encoders brought to `dim` features."""

    def __init__(self, encoder: nn.Module, channels: int, dim: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.project = nn.Linear(channels, dim)

    def forward(self, waveform: Tensor, num_frames: int, *, fps: float, sample_rate: int) -> Tensor:
        features = self.encoder(waveform.to(self.project.weight.dtype), num_frames, fps=fps, sample_rate=sample_rate)
        return self.project(features)


class WordEncoder(nn.Module):
    """Word ids per frame -> features, looking both ways: a gesture begins before its word.

    Words outside the vocabulary have ids behind it, chosen by their spelling. So that these rows learn something, training
    reads a known word by its spelling now and then.
    """

    def __init__(self, config: MaskedTransformerConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.num_words + config.word_buckets, config.word_dim)
        nn.init.normal_(self.embedding.weight, std=config.word_dim**-0.5)
        self.project = nn.Linear(config.word_dim, config.audio_dim)
        self.layers = nn.Sequential(*(ConvLayer(config.audio_dim, config.dropout) for _ in range(config.text_layers)))

    def forward(self, words: Tensor) -> Tensor:
        """(B, T) int64 -> (B, T, C)."""
        return self.layers(self.project(self.embedding(words)))


class SpeechEncoder(nn.Module):
    """Sound, words, speaker and emotion of a stretch of speech -> one feature vector a step.

    Content and rhythm are mixed channel by channel, by weights that depend on both (EMAGE 2024, section 4.2).

    Args:
        config: sizes.
        downsample: frames a step.
    """

    def __init__(self, config: MaskedTransformerConfig, downsample: int) -> None:
        super().__init__()
        self.downsample = downsample
        dim = config.audio_dim
        self.audio = _audio_encoder(config)
        self.words = WordEncoder(config)
        self.mixing = nn.Linear(2 * dim, 2 * dim)
        self.to_steps = nn.Linear(downsample * dim, config.dim)
        # With mirrored windows each speaker has a second row, num_speakers further on.
        self.num_speakers = config.num_speakers
        self.speaker = nn.Embedding((2 if config.mirror_share else 1) * config.num_speakers, config.dim)
        self.emotion = nn.Embedding(config.num_emotions, config.dim)
        self.no_audio, self.no_words = nn.Parameter(torch.zeros(dim)), nn.Parameter(torch.zeros(dim))
        self.no_speaker, self.no_emotion = nn.Parameter(torch.zeros(config.dim)), nn.Parameter(torch.zeros(config.dim))
        for embedding in (self.speaker, self.emotion):
            nn.init.normal_(embedding.weight, std=0.1)

    def check_sample_rate(self, sample_rate: int) -> None:
        """Checks that the audio encoder takes sound of this rate, in Hz; most take any.

        Raises:
            InputError: a pretrained encoder of another rate.
        """
        if isinstance(self.audio, PretrainedEncoder):
            self.audio.check_sample_rate(sample_rate)

    def forward(self, speech: dict[str, Tensor], given: dict[str, Tensor], *, fps: float, sample_rate: int) -> Tensor:
        """Features of T frames.

        Args:
            speech: waveform (B, S), words (B, T), speaker (B,), emotion (B, T), as in a batch; what stands in an input
                that is not given has no effect. Optional: mirrored (B,) bool, windows of a mirrored speaker.
            given: (B,) bool by input: audio, words, speaker, emotion.
            fps: frames per second.
            sample_rate: samples per second of the waveform.

        Returns:
            (B, N, C).
        """
        num_frames = speech["words"].shape[1]
        audio = self.audio(speech["waveform"], num_frames, fps=fps, sample_rate=sample_rate)  # (B, T, C)
        audio = torch.where(given["audio"][:, None, None], audio, self.no_audio)
        words = torch.where(given["words"][:, None, None], self.words(speech["words"]), self.no_words)
        weights = self.mixing(torch.cat([audio, words], dim=-1)).unflatten(-1, (2, -1)).softmax(dim=-2)
        mixed = weights[..., 0, :] * audio + weights[..., 1, :] * words  # (B, T, C)
        steps = self.to_steps(frames_to_steps(mixed, self.downsample))  # (B, N, C)
        emotion = frames_to_steps(self.emotion(speech["emotion"]), self.downsample)
        emotion = emotion.unflatten(-1, (self.downsample, -1)).mean(dim=-2)
        emotion = torch.where(given["emotion"][:, None, None], emotion, self.no_emotion)
        row = speech["speaker"]
        if "mirrored" in speech:
            row = row + self.num_speakers * speech["mirrored"]
        speaker = torch.where(given["speaker"][:, None], self.speaker(row), self.no_speaker)
        return steps + emotion + speaker[:, None]


def frames_to_steps(x: Tensor, downsample: int) -> Tensor:
    """Frames side by side: (B, T, C) -> (B, N, downsample * C); a last step that is not full repeats the last frame."""
    missing = -x.shape[1] % downsample
    if missing:
        x = torch.cat([x, x[:, -1:].expand(-1, missing, -1)], dim=1)
    return x.unflatten(1, (-1, downsample)).flatten(2)


def _audio_encoder(config: MaskedTransformerConfig) -> nn.Module:
    if config.audio_encoder == "mel_onset":
        return MelOnsetEncoder(config.audio_dim, config.audio_layers, config.dropout)
    if config.audio_encoder == "pretrained":
        return PretrainedEncoder(config.audio_model, config.audio_dim)
    encoder = {"log_mel": LogMelEncoder, "waveform": WaveformEncoder}[config.audio_encoder](config.audio_channels)
    return _PublishedEncoder(encoder, config.audio_channels[-1], config.audio_dim)
