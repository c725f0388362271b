"""What is known of the speech -> features at the steps of the motion codes: content (words) and rhythm (sound), fused.

Every input can be left out: a learned vector then stands for it. Networks trained with inputs left out at random work
with any subset of them, and the difference that an input makes can be amplified (guidance).

Shapes: B batch, T frames, S samples, N steps (T / downsample, rounded up), C channels.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emage.config import MaskedTransformerConfig
from emage.errors import InputError, warn_input
from emage.models.encoders import (
    MEL_BANDS,
    MEL_STEPS_PER_FRAME,
    LogMelEncoder,
    WaveformEncoder,
    frame_log_mel,
)
from emage.models.layers import sample_at

INPUTS = ("audio", "words", "speaker", "emotion")
CONV_KERNEL = 5
PRETRAINED_SAMPLE_RATE = 16000  # of wav2vec2 and HuBERT, where their folder does not say
VARIANCE_FLOOR = 1e-7  # of Wav2Vec2FeatureExtractor
UNREAD_WEIGHTS = ("masked_spec_embed",)  # in evaluation mode; published files may lack them
MAX_LISTED_KEYS = 3  # of weights in an error
MAX_REASON_LENGTH = 200  # characters


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


@dataclass(frozen=True)
class FeatureClock:
    """When the features of a stack of convolutions without padding are: feature n is at sample centre + n * stride.

    Attributes:
        stride: samples from one feature to the next.
        field: samples that one feature sees (the receptive field).
    """

    stride: int
    field: int

    @classmethod
    def of(cls, kernels: Sequence[int], strides: Sequence[int]) -> "FeatureClock":
        """The clock of convolutions, first to last."""
        stride, field = 1, 1
        for kernel, step in zip(kernels, strides, strict=True):
            field += (kernel - 1) * stride
            stride *= step
        return cls(stride, field)

    @property
    def centre(self) -> float:
        """The sample in the middle of what the first feature sees."""
        return (self.field - 1) / 2

    def num_features(self, num_samples: int) -> int:
        """Features of so many samples."""
        return max(0, (num_samples - self.field) // self.stride + 1)

    def positions(self, num_frames: int, *, fps: float, sample_rate: int) -> Tensor:
        """Where the frames, at k / fps seconds, lie among the features: (T,) float64."""
        samples = torch.arange(num_frames, dtype=torch.float64) * (sample_rate / fps)
        return (samples - self.centre) / self.stride


class PretrainedEncoder(nn.Module):
    """Features of a wav2vec2 or HuBERT model that lies in a folder of the user's; it is not trained, and not saved.

    The sound is prepared as the folder's preprocessor_config.json says: brought to zero mean and unit variance if
    `do_normalize`, and refused at another rate than `sampling_rate`. The times of the features follow from the model's
    `conv_kernel` and `conv_stride`; with the published values they are 320 samples apart, the first at sample 199.5.

    Limitations: mean and variance are those of the window that the model gets, in training as in generation, not those of
    the whole recording, which a training window does not know.

    Args:
        folder: as `transformers` saves models.
        dim: features per frame.

    Raises:
        InputError: the package transformers is missing, the folder holds no such model or not all of its weights, or its
            preprocessor_config.json cannot be used.
    """

    def __init__(self, folder: str, dim: int) -> None:
        super().__init__()
        network = _load_network(folder)
        config = network.config
        lacking = [key for key in ("conv_kernel", "conv_stride", "hidden_size") if not hasattr(config, key)]
        if lacking or getattr(config, "add_adapter", False):
            reason = "add_adapter is on" if not lacking else f"its config has no {', '.join(lacking)}"
            raise InputError(f"model.audio_model: {folder} is no wav2vec2 or HuBERT model as published: {reason}")
        self.folder = folder
        self.clock = FeatureClock.of(config.conv_kernel, config.conv_stride)
        self.sample_rate, self.normalises = _preprocessing(Path(folder))
        self._network = [network.requires_grad_(False)]  # in a list: no part of the state that is trained and saved
        self.project = nn.Linear(config.hidden_size, dim)

    def check_sample_rate(self, sample_rate: int) -> None:
        """Checks the rate of the sound, in Hz.

        Raises:
            InputError: it is not the one that the model was trained with.
        """
        if sample_rate != self.sample_rate:
            raise InputError(
                f"data.sample_rate: got {sample_rate}; the speech model {self.folder} takes {self.sample_rate} Hz"
            )

    def forward(self, waveform: Tensor, num_frames: int, *, fps: float, sample_rate: int) -> Tensor:
        """(B, S) -> (B, T, dim)."""
        self.check_sample_rate(sample_rate)
        network = self._network[0] = self._network[0].to(waveform.device)
        waveform = F.pad(waveform.float(), (0, max(0, self.clock.field - waveform.shape[1])))
        with torch.no_grad():
            if self.normalises:
                waveform = _standardised(waveform)
            features = network(waveform).last_hidden_state  # (B, n, hidden)
        expected = self.clock.num_features(waveform.shape[1])
        if features.shape[1] != expected:
            raise InputError(
                f"model.audio_model: {self.folder} makes {features.shape[1]} features of {waveform.shape[1]} samples;"
                f" its conv_kernel and conv_stride say {expected}, so their times are unknown"
            )
        positions = self.clock.positions(num_frames, fps=fps, sample_rate=sample_rate)
        return self.project(sample_at(features, positions))


def _load_network(folder: str) -> nn.Module:
    """The speech model of a folder, in evaluation mode, with every weight read from its file.

    `from_pretrained` draws weights that the file lacks at random and goes on; here that is an error. Two differences are
    accepted: `masked_spec_embed` may be missing, since only training with masked spans reads it, and the heads of another
    task (lm_head of a CTC model, the quantizer of a pretraining model) are not used.

    Raises:
        InputError: no package transformers, no such folder, a model that cannot be read, or weights that do not fit it.
    """
    try:
        from transformers import AutoModel
    except ImportError as error:
        raise InputError("model.audio_encoder: pretrained needs `pip install transformers`") from error
    if not Path(folder).is_dir():
        raise InputError(f"model.audio_model: {folder}: no such folder; give the folder of a wav2vec2 or HuBERT model")
    log = logging.getLogger("transformers")
    level = log.level
    log.setLevel(logging.ERROR)  # what it would warn of is checked below
    try:
        network, info = AutoModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except Exception as error:  # safetensors, huggingface_hub and torch raise their own classes
        reason = _first_sentence(error)
        raise InputError(f"model.audio_model: {folder} holds no speech model that can be read: {reason}") from error
    finally:
        log.setLevel(level)
    _check_loaded(folder, network, {key: sorted(values) for key, values in info.items()})
    return network.eval()


def _check_loaded(folder: str, network: nn.Module, info: dict[str, list[Any]]) -> None:
    """Checks the loading info of `from_pretrained`.

    Raises:
        InputError: weights that are missing or of another shape than config.json says.
    """
    unexpected = set(info["unexpected_keys"])
    # Some versions of transformers 4 load the old names of the weight norm, but list both names as differences.
    renamed = {_old_weight_norm_name(key): key for key in info["missing_keys"]}
    renamed = {old: new for old, new in renamed.items() if old in unexpected}
    missing = [
        key for key in info["missing_keys"] if key.split(".")[-1] not in UNREAD_WEIGHTS and key not in renamed.values()
    ]
    mismatched = [str(key if isinstance(key, str) else key[0]) for key in info["mismatched_keys"]]
    remedy = "copy config.json and the weights again from the published model"
    if missing:
        raise InputError(f"model.audio_model: {folder}: its weights lack {_listed(missing)}; {remedy}")
    if mismatched:
        raise InputError(
            f"model.audio_model: {folder}: the shapes of {_listed(mismatched)} are not those of config.json; {remedy}"
        )
    own = {name for name, _ in network.named_children()}
    unused = sorted(key for key in unexpected - renamed.keys() if own.intersection(key.split(".")[:2]))
    if unused:
        warn_input(f"model.audio_model: {folder}: config.json has no place for {_listed(unused)}; they are not used")


def _old_weight_norm_name(key: str) -> str:
    key = key.replace("parametrizations.weight.original0", "weight_g")
    return key.replace("parametrizations.weight.original1", "weight_v")


def _listed(keys: Sequence[str]) -> str:
    rest = len(keys) - MAX_LISTED_KEYS
    return ", ".join(keys[:MAX_LISTED_KEYS]) + (f" and {rest} more" if rest > 0 else "")


def _first_sentence(error: Exception) -> str:
    """Of an error of another library, whose text may have many lines or list every model it knows."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text.split(". ")[0].rstrip(".")[:MAX_REASON_LENGTH]


def _standardised(waveform: Tensor) -> Tensor:
    """Zero mean and unit variance of each row, (B, S), as Wav2Vec2FeatureExtractor of transformers has it."""
    variance = waveform.var(dim=1, correction=0, keepdim=True)
    return (waveform - waveform.mean(dim=1, keepdim=True)) / (variance + VARIANCE_FLOOR).sqrt()


def _preprocessing(folder: Path) -> tuple[int, bool]:
    """Sample rate in Hz that a speech model takes, and whether its sound is brought to zero mean and unit variance.

    transformers writes them to preprocessor_config.json, or with a tokenizer to processor_config.json; what these leave
    out has the defaults of its Wav2Vec2FeatureExtractor.

    Raises:
        InputError: a file that is no json object, or values of another type.
    """
    for name, key in (("preprocessor_config.json", None), ("processor_config.json", "feature_extractor")):
        path = folder / name
        if not path.is_file():
            continue
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            values = values if key is None else values.get(key)
        except (ValueError, AttributeError, RecursionError) as error:
            raise InputError(f"{path}: not a json object: {error}; copy it again from the published model") from error
        if values is None:
            continue
        sample_rate = values.get("sampling_rate", PRETRAINED_SAMPLE_RATE) if isinstance(values, dict) else None
        normalises = values.get("do_normalize", True) if isinstance(values, dict) else None
        if type(sample_rate) is not int or type(normalises) is not bool:
            raise InputError(
                f"{path}: expected sampling_rate as a whole number and do_normalize as true or false; copy it again from"
                " the published model"
            )
        return sample_rate, normalises
    warn_input(
        f"model.audio_model: {folder} has no preprocessor_config.json; {PRETRAINED_SAMPLE_RATE} Hz and do_normalize=true"
        " are assumed"
    )
    return PRETRAINED_SAMPLE_RATE, True


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
