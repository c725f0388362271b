"""A corpus of smooth random windows with every stream, held in memory, and small networks to train on it."""

from typing import Any

import numpy as np
import torch
from tiny_bundles import skeleton, tokenizer_folders

from emage.audio import frame_to_sample
from emage.config import MODEL_CONFIGS, Config
from emage.motion.convert import convert
from emage.motion.layout import ARKIT_51, get_layout
from emage.motion.statistics import MotionStatistics
from emage.speakers import SpeakerTable
from emage.tokenizers import with_tokenizers
from emage.training import TRAINERS, Task
from emage.vocabulary import Vocabulary

BODY_MODELS = tuple(
    name for name in MODEL_CONFIGS if name != "face"
)  # the face trunk has windows of its own: test_face.py
SMALL_MODELS: dict[str, dict[str, Any]] = {
    "motion_autoencoder": {"features": 8, "channels": 8, "hidden": [16, 12]},
    "vqvae": {"channels": 16, "codebook_size": 8, "code_dim": 8, "num_quantizers": 2, "downsample": 2},
    "camn": {
        "num_speakers": 3, "num_words": 12, "word_dim": 8, "text_dim": 8, "text_hidden": 8, "text_levels": 2,
        "audio_encoder": "log_mel", "audio_channels": [4] * 6, "audio_dim": 8, "face_dim": 8, "hidden": 16,
        "num_layers": 1, "dropout": 0.0, "word_dropout": 0.0,
    },
    "masked_transformer": {
        "num_speakers": 3, "num_words": 12, "word_buckets": 4, "word_dim": 8, "audio_dim": 16, "audio_layers": 1,
        "text_layers": 1, "hint_dim": 8, "dim": 32, "num_heads": 2, "speech_layers": 1, "motion_layers": 1,
        "part_dim": 32, "part_layers": 1, "dropout": 0.0,
    },
}  # fmt: skip


def small_config(name: str, output_dir: str = "", **model: Any) -> Config:
    """A config of a small network that starts with full speed and does not depend on the number of processes."""
    model_config, loss_config = MODEL_CONFIGS[name]
    options = SMALL_MODELS[name] | ({"tokenizers": tokenizer_folders()} if name == "masked_transformer" else {}) | model
    loss = loss_config(latent=1.0) if name == "masked_transformer" else loss_config()
    config = Config(model=model_config(**options), loss=loss, output_dir=str(output_dir))
    config = with_tokenizers(config)
    optim = config.optim
    optim.max_steps, optim.batch_size, optim.eval_every, optim.warmup_steps, optim.lr = 20, 8, 20, 10, 3e-4
    optim.freeze_batch_norm = True
    return config


def task_of(config: Config, corpus: "WindowCorpus") -> Task:
    """The task that the config's model is trained by, as train.py makes it."""
    return TRAINERS[config.model.name](config, corpus)


class WindowCorpus:
    """`num_train` + `num_val` windows: slow sines in BEAT's joints, noise for sound, and labels."""

    def __init__(self, config: Config, num_train: int = 20, num_val: int = 6) -> None:
        data, layout = config.data, get_layout(config.model.layout)
        draw = np.random.default_rng(0)
        count, frames = num_train + num_val, data.window_frames
        phase, speed = (draw.uniform(0.2, high, (count, 1, get_layout("beat_full").dim)) for high in (6.0, 0.4))
        full = torch.from_numpy(20 * np.sin(phase + speed * np.arange(frames)[:, None])).float()  # (count, T, 228)
        motion = convert(full, "beat_full", layout)
        face = torch.from_numpy(draw.uniform(0, 1, (count, frames, len(ARKIT_51)))).float()
        streams = {
            "motion": motion.numpy(),
            "face": face.numpy(),
            "waveform": draw.normal(0, 0.1, (count, frame_to_sample(frames, data.fps, data.sample_rate))).astype("f4"),
            "words": draw.integers(0, 12, (count, frames)),
            "speaker": draw.integers(0, 3, count),
            "emotion": draw.integers(0, 8, (count, frames)),
            "semantic": draw.uniform(0, 1, (count, frames)).astype("f4"),
            "motion_valid": np.ones((count, frames), dtype=bool),
            "face_valid": np.ones((count, frames), dtype=bool),
        }
        items = [{key: values[k] for key, values in streams.items()} for k in range(count)]
        self.entries = {"train": items[:num_train], "val": items[num_train:], "test": []}
        rows = {layout.name: motion.flatten(0, 1), "arkit_51": face.flatten(0, 1)}
        self.statistics = MotionStatistics(
            means={name: values.mean(dim=0) for name, values in rows.items()},
            stds={name: values.std(dim=0) for name, values in rows.items()},
            mean_pose=full.flatten(0, 1).mean(dim=0),
        )
        self.vocabulary = Vocabulary(["one", "two"])
        self.speakers = SpeakerTable({"1": 0, "2": 1, "3": 2})
        self.skeletons = {label: skeleton(1 + place) for place, label in enumerate(self.speakers.labels)}

    def windows(self, split: str) -> list[dict[str, Any]]:
        return self.entries[split]
