"""How fast the masked transformer of a config makes motion, and how fast it trains; the weights are random.

Each measurement runs in a process of its own, so that its peak memory is its own. Speed does not depend on what the
weights have learned.
"""

import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dataloaders.corpora.synthetic_body import make_skeleton
from emage.audio import SAMPLE_RATE, frame_to_sample, read_audio
from emage.checkpoint import Bundle
from emage.config import Config, GenerationConfig, load_config
from emage.generation import Generator
from emage.models import MODELS
from emage.motion.layout import get_layout
from emage.motion.statistics import MotionStatistics
from emage.speakers import SpeakerTable
from emage.text import Word
from emage.tokenizers import planned_tokenizers
from emage.training.batches import draw_seeds
from emage.training.optimizer import build_optimizer
from emage.training.tasks.masked_transformer import MaskedTransformerTask
from emage.vocabulary import Vocabulary

WAYS = {"one_pass": 1, "8_steps": 8}
LABELS = ("1", "2")


def measure_generation(config_path: Path, *, seconds: float, threads: int, speech: Path | None) -> dict[str, Any]:
    """Times body and face for a stretch of speech, batch 1, guidance off.

    Args:
        config_path: a masked_transformer config, with its vqvae configs beside it.
        seconds: length of the speech.
        threads: of torch.
        speech: folder with a wav file to repeat to that length; None: noise.
    """
    results = {name: _apart(_generate, config_path, seconds, threads, speech, steps) for name, steps in WAYS.items()}
    return {"seconds_of_speech": seconds, "threads": threads, "device": device_name(), **results}


def measure_training(config_path: Path, *, threads: int, batch_size: int, frames: int, steps: int) -> dict[str, Any]:
    """Times training steps on made-up windows.

    Args:
        config_path: a masked_transformer config, with its vqvae configs beside it.
        threads: of torch.
        batch_size: windows a step.
        frames: of a window.
        steps: that are timed, after two that are not.
    """
    result = _apart(_train, config_path, threads, batch_size, frames, steps)
    return {"batch_size": batch_size, "window_frames": frames, "threads": threads, "device": device_name(), **result}


def device_name() -> str:
    """The accelerator that is used, or "cpu"."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


def _apart(work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def _generate(config_path: Path, seconds: float, threads: int, speech: Path | None, steps: int) -> dict[str, Any]:
    torch.set_num_threads(threads)
    generator = Generator(random_bundle(config_path), "cuda" if torch.cuda.is_available() else "cpu")
    waveform = _speech(seconds, speech)
    words = [Word(word, k * 0.4, k * 0.4 + 0.3) for k, word in enumerate(["word"] * round(seconds / 0.4))]
    options = GenerationConfig(steps=steps)
    generator.generate(waveform[: 3 * SAMPLE_RATE], SAMPLE_RATE, words=words, options=options)  # warm
    times = []
    for seed in range(3):
        start = time.perf_counter()
        made = generator.generate(waveform, SAMPLE_RATE, words=words, emotion=0, seed=seed, options=options)
        times.append(time.perf_counter() - start)
    return {"frames": made.num_frames, "seconds": round(min(times), 3), "precision": "float32", **_memory()}


def _train(config_path: Path, threads: int, batch_size: int, frames: int, steps: int) -> dict[str, Any]:
    torch.set_num_threads(threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    config = _config(config_path)
    task = _RandomTask(config)
    model = task.build_model().to(device).train()
    optimizer = build_optimizer(model, config.optim)
    batch = {name: value.to(device) for name, value in made_batch(config, batch_size, frames).items()}
    on_gpu = device.type == "cuda"
    times = []
    for step in range(steps + 2):
        start = time.perf_counter()
        batch |= {"draw_seed": draw_seeds(0, step, range(batch_size)), "progress": torch.tensor(1.0)}
        with torch.autocast(device.type, torch.bfloat16, enabled=on_gpu):
            loss, _ = task.train_step(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.optim.grad_clip)
        optimizer.step()
        optimizer.zero_grad()
        if on_gpu:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    own = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return {
        "trained_parameters": own,
        "steps": steps,
        "seconds_per_step": round(float(np.median(times[2:])), 4),
        "precision": "bf16 autocast" if on_gpu else "float32",
        # 6 operations per parameter and step of the codes: forward, and backward twice.
        "tflops": round(6 * own * batch_size * frames / model.tokenizer.downsample / np.median(times[2:]) / 1e12, 3),
        **_memory(),
    }


class _RandomTask(MaskedTransformerTask):
    """The task on tokenizers that were never trained."""

    def __init__(self, config: Config) -> None:
        super().__init__(config, _MadeCorpus(config))

    def build_model(self) -> torch.nn.Module:
        model = random_model(self.config)
        self.adopt(model)
        return model


class _MadeCorpus:
    def __init__(self, config: Config) -> None:
        self.entries: dict[str, list[Any]] = {"train": [], "val": []}
        self.statistics = _statistics(config)
        self.vocabulary = Vocabulary(["word"])
        self.speakers = SpeakerTable.build(LABELS, config.model.num_speakers)
        self.skeletons = {label: make_skeleton(1.0) for label in LABELS}

    def windows(self, split: str) -> Any:
        return self.entries[split]


def random_model(config: Config) -> torch.nn.Module:
    """The network of a config; its codebooks hold random entries."""
    torch.manual_seed(0)
    model = MODELS[config.model.name](config.model)
    for name, value in model.tokenizer.state_dict().items():
        if name.endswith("codebook"):
            value.normal_()
    return model


def random_bundle(config_path: Path) -> Bundle:
    """A checkpoint in memory whose network was never trained."""
    config = _config(config_path)
    corpus = _MadeCorpus(config)
    return Bundle(
        random_model(config).eval(), config, corpus.statistics, corpus.vocabulary, corpus.speakers, corpus.skeletons
    )


def made_batch(config: Config, batch_size: int, frames: int) -> dict[str, Tensor]:
    """Windows of noise with every stream that a corpus has."""
    draw = torch.Generator().manual_seed(0)
    layout = get_layout(config.model.layout)
    samples = frame_to_sample(frames, config.data.fps, config.data.sample_rate)
    valid = torch.ones(batch_size, frames, dtype=torch.bool)
    return {
        "motion": torch.randn(batch_size, frames, layout.dim, generator=draw),
        "face": torch.rand(batch_size, frames, 51, generator=draw),
        "waveform": 0.1 * torch.randn(batch_size, samples, generator=draw),
        "words": torch.randint(0, 4, (batch_size, frames), generator=draw),
        "speaker": torch.zeros(batch_size, dtype=torch.long),
        "emotion": torch.zeros(batch_size, frames, dtype=torch.long),
        "motion_valid": valid,
        "face_valid": valid,
    }


def _config(config_path: Path) -> Config:
    return planned_tokenizers(load_config(config_path), config_path)


def _statistics(config: Config) -> MotionStatistics:
    layouts = {name: get_layout(name).dim for name in ("beat_141", "beat_full", config.model.layout, "arkit_51")}
    return MotionStatistics(
        means={name: torch.zeros(dim) for name, dim in layouts.items()},
        stds={name: torch.ones(dim) for name, dim in layouts.items()},
        mean_pose=torch.zeros(layouts["beat_full"]),
    )


def _speech(seconds: float, folder: Path | None) -> np.ndarray:
    files = sorted(folder.rglob("*.wav")) if folder is not None and folder.is_dir() else []
    number = round(seconds * SAMPLE_RATE)
    if files:
        return np.resize(read_audio(files[0], SAMPLE_RATE), number)
    return (0.1 * np.random.default_rng(0).normal(size=number)).astype(np.float32)


def _memory() -> dict[str, float]:
    peak = {"peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2, 2)}
    if torch.cuda.is_available():
        peak["peak_gpu_memory_gb"] = round(torch.cuda.max_memory_allocated() / 1024**3, 2)
    return peak
