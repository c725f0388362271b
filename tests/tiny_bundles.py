"""Checkpoints of tiny networks with random weights: for tests of what is done with a checkpoint."""

import atexit
import functools
import shutil
import tempfile
from collections.abc import Iterable
from typing import Any

import torch
from raw_corpus import JOINTS, NAMES, offsets_cm

from emage.checkpoint import Bundle, save_bundle
from emage.config import (
    CaMNConfig,
    CaMNLossConfig,
    Config,
    DataConfig,
    MaskedTransformerConfig,
    MaskedTransformerLossConfig,
    MotionAutoencoderConfig,
    MotionAutoencoderLossConfig,
    MotionVQVAEConfig,
    MotionVQVAELossConfig,
)
from emage.models import MODELS
from emage.motion.layout import get_layout
from emage.motion.parts import TOKEN_PARTS
from emage.motion.skeleton import Skeleton
from emage.motion.statistics import MotionStatistics
from emage.speakers import SpeakerTable
from emage.tokenizers import load_tokenizer, with_tokenizers
from emage.vocabulary import Vocabulary

WORDS = ("the", "first", "thing", "monday")


def skeleton(scale: float = 1.0) -> Skeleton:
    """BEAT's joints with made-up bones."""
    parents = tuple(-1 if parent is None else NAMES.index(parent) for _, parent in JOINTS)
    return Skeleton(tuple(NAMES), parents, torch.from_numpy(scale * offsets_cm()))


def statistics() -> MotionStatistics:
    """Means and deviations that differ from column to column."""
    means, stds = {}, {}
    for name in ("beat_141", "beat_full", "beat_full_rot6d", "arkit_51"):
        columns = torch.arange(get_layout(name).dim, dtype=torch.float32)
        size = 0.05 if name == "arkit_51" else 5.0
        means[name], stds[name] = size * (2 + torch.sin(columns)), size * (1.5 + torch.cos(columns))
    return MotionStatistics(means, stds, 10 * torch.sin(torch.arange(get_layout("beat_full").dim) / 3.0))


def camn_bundle(*, steps: int = 5, speakers: Iterable[str] = ("2", "4"), fps: float = 15.0, **model: Any) -> Bundle:
    """A CaMN that predicts the face and takes neither face nor seed frames, unless `model` says otherwise."""
    options: dict[str, Any] = {
        "num_words": 16,
        "word_dim": 4,
        "text_dim": 4,
        "text_hidden": 6,
        "text_levels": 2,
        "audio_encoder": "log_mel",
        "audio_channels": [4] * 6,
        "audio_dim": 6,
        "face_dim": 4,
        "hidden": 8,
        "num_layers": 1,
        "seed_frames": 0,
        "face_input": False,
        "predict_face": True,
    }
    config = Config(data=DataConfig(fps=fps), model=CaMNConfig(**(options | model)), loss=CaMNLossConfig())
    return _bundle(config, steps, speakers)


def autoencoder_bundle(*, steps: int = 5, fps: float = 15.0, **model: Any) -> Bundle:
    """An FGD network of 4 features."""
    options: dict[str, Any] = {"features": 4, "channels": 4, "hidden": [8, 8]}
    network = MotionAutoencoderConfig(**(options | model))
    data = DataConfig(fps=fps, window_frames=network.window_frames)
    return _bundle(Config(data=data, model=network, loss=MotionAutoencoderLossConfig()), steps, ("2", "4"))


def vqvae_bundle(*, steps: int = 5, fps: float = 15.0, **model: Any) -> Bundle:
    """A VQ-VAE, of the upper body unless `model` says otherwise."""
    options: dict[str, Any] = {"channels": 4, "num_layers": 1, "codebook_size": 4, "code_dim": 4}
    network = MotionVQVAEConfig(**(options | model))
    config = Config(data=DataConfig(fps=fps), model=network, loss=MotionVQVAELossConfig())
    return _bundle(config, steps, ("2", "4"))


def tokenizer_bundle(part: str) -> Bundle:
    """A VQ-VAE of one part with random codes, two frames a step, two levels."""
    network = MotionVQVAEConfig(
        part=part, channels=8, num_layers=1, codebook_size=8, code_dim=6, num_quantizers=2, downsample=2
    )
    bundle = _bundle(Config(model=network, loss=MotionVQVAELossConfig()), 1, ("2", "4"))
    for name, value in bundle.model.state_dict().items():
        if name.endswith("codebook"):
            value.normal_()
    return bundle


@functools.cache
def tokenizer_folders() -> dict[str, str]:
    """Checkpoints of tokenizers of all parts, in a folder that lasts as long as the tests."""
    root = tempfile.mkdtemp(prefix="tokenizers_")
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    for part in TOKEN_PARTS:
        save_bundle(f"{root}/{part}", tokenizer_bundle(part))
    return {part: f"{root}/{part}" for part in TOKEN_PARTS}


def masked_bundle(*, steps: int = 5, speakers: Iterable[str] = ("2", "4"), fps: float = 15.0, **model: Any) -> Bundle:
    """A masked transformer over these tokenizers."""
    options: dict[str, Any] = {
        "tokenizers": tokenizer_folders(),
        "num_words": 16,
        "word_buckets": 4,
        "word_dim": 8,
        "audio_dim": 16,
        "audio_layers": 1,
        "text_layers": 1,
        "hint_dim": 8,
        "dim": 32,
        "num_heads": 2,
        "speech_layers": 1,
        "motion_layers": 1,
        "part_dim": 32,
        "part_layers": 1,
    }
    network = MaskedTransformerConfig(**(options | model))
    config = with_tokenizers(
        Config(data=DataConfig(fps=fps, window_frames=32), model=network, loss=MaskedTransformerLossConfig())
    )
    bundle = _bundle(config, steps, speakers)
    bundle.vocabulary = Vocabulary(WORDS, first_bucket=network.num_words, num_buckets=network.word_buckets)
    bundle.model.tokenizer.load_state_dict(load_tokenizer(network.tokenizers).tokenizer.state_dict())
    return bundle


def _bundle(config: Config, steps: int, speakers: Iterable[str]) -> Bundle:
    torch.manual_seed(3)
    labels = list(speakers)
    return Bundle(
        model=MODELS[config.model.name](config.model).eval(),
        config=config,
        statistics=statistics(),
        vocabulary=Vocabulary(WORDS),
        speakers=SpeakerTable.build(labels, 30),
        skeletons={label: skeleton(1 + place) for place, label in enumerate(labels)},
        info={"model": config.model.name, "steps": steps},
    )
