"""A wav2vec2 or HuBERT model of the user's as audio encoder: how its folder is read, and when its features are.

Shapes: B batch, T frames, S samples, n features of the model, C channels.
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

from emage.errors import InputError, warn_input
from emage.models.layers import sample_at

PRETRAINED_SAMPLE_RATE = 16000  # of wav2vec2 and HuBERT, where their folder does not say
VARIANCE_FLOOR = 1e-7  # of Wav2Vec2FeatureExtractor
UNREAD_WEIGHTS = ("masked_spec_embed",)  # in evaluation mode; published files may lack them
MAX_LISTED_KEYS = 3  # of weights in an error
MAX_REASON_LENGTH = 200  # characters


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
