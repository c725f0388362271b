"""How long the metrics take: FGD, beat alignment and kinematics on an hour of motion, with what they keep in memory.

Motion and speech are made here, recording by recording, and their making is not counted. The numbers mean nothing; the
work is that of real recordings: 47 joints in rot6d for FGD, all 75 in space for the rest, 16 kHz audio with its onsets.
"""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from emage.audio import frame_to_sample
from emage.config import MotionAutoencoderConfig
from emage.metrics import FGD, BeatAlign, Kinematics
from emage.metrics.confidence import intervals
from emage.metrics.fgd_windows import principal_windows
from emage.models import MotionAutoencoder
from emage.motion.convert import convert, to_matrices
from emage.motion.layout import get_layout
from emage.motion.skeleton import BEAT_JOINTS, forward_kinematics

SAMPLE_RATE = 16000
FULL_LAYOUT, NETWORK_LAYOUT, WINDOW_LAYOUT = "beat_full", "beat_141", "beat_141_rot6d"
ONSET_EVERY_S = 0.25
CPU = "cpu: "  # before the name of a metric: seconds of all cores together


@dataclass
class Recording:
    """One made-up pair."""

    generated: Tensor  # (T, 228) beat_full
    reference: Tensor
    waveform: np.ndarray


def measure_metrics(
    *, minutes: float = 60.0, recording_s: float = 60.0, fps: float = 15.0, threads: int = 1, network: bool = True
) -> dict[str, Any]:
    """Times each metric over `minutes` of motion in recordings of `recording_s` seconds.

    Args:
        minutes: of motion, generated and real alike.
        recording_s: length of a recording.
        fps: frames per second.
        threads: of torch; more than one helps on an idle machine alone, where another program runs they wait for it.
        network: FGD on a motion autoencoder of the published size too (with random weights: the work is the same).

    Returns:
        Seconds of each metric, of all three, of their intervals, and the most memory that the process ever held (MB).
    """
    torch.set_num_threads(threads)
    count = max(round(minutes * 60 / recording_s), 2)
    seconds: dict[str, float] = {}
    _warm_up(fps)
    metrics = {"beat_align": BeatAlign("corrected", fps, SAMPLE_RATE), "kinematics": Kinematics(fps)}
    if network:
        torch.manual_seed(0)
        metrics["fgd_network"] = FGD(MotionAutoencoder(MotionAutoencoderConfig()).eval())
    with _timed(seconds, "fgd_windows"):
        space = principal_windows(_rot6d(recording.reference) for recording in made_recordings(count, recording_s, fps))
    metrics["fgd_windows"] = FGD(space)
    for recording in made_recordings(count, recording_s, fps):
        _score(recording, metrics, seconds, fps)
    results = {}
    for name, metric in metrics.items():
        with _timed(seconds, name):
            results[name] = metric.compute()
        with _timed(seconds, f"{name}_intervals"):
            intervals(metric)
    main = ("fgd_network" if network else "fgd_windows", "beat_align", "kinematics")
    return {
        "recordings": count,
        "motion_minutes": round(count * recording_s / 60, 3),
        "fps": fps,
        "threads": threads,
        "seconds": {name: round(value, 2) for name, value in sorted(seconds.items())},
        "seconds_fgd_bc_kinematics": round(sum(seconds[name] for name in main), 2),
        "seconds_with_both_fgd": round(sum(seconds[name] for name in metrics), 2),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "num_windows": results["fgd_windows"]["num_windows_reference"],
        "num_onsets": results["beat_align"]["num_onsets"],
    }


def _score(recording: Recording, metrics: dict[str, Any], seconds: dict[str, float], fps: float) -> None:
    sides = recording.generated, recording.reference
    with _timed(seconds, "fgd_windows"):
        metrics["fgd_windows"].update(*(_rot6d(side) for side in sides))
    if "fgd_network" in metrics:
        with _timed(seconds, "fgd_network"):
            metrics["fgd_network"].update(*(convert(side, FULL_LAYOUT, NETWORK_LAYOUT) / 30 for side in sides))
    with _timed(seconds, "kinematics"):
        positions_cm = [_positions_cm(side) for side in sides]
        metrics["kinematics"].update(*positions_cm)
    with _timed(seconds, "beat_align"):
        metrics["beat_align"].update_positions(positions_cm[0], recording.waveform, joint_names=BEAT_JOINTS)


def made_recordings(count: int, recording_s: float, fps: float) -> Iterator[Recording]:
    """Smooth made-up motion and bursts of noise, one recording after the other; each time the same."""
    num_frames = round(recording_s * fps)
    for number in range(count):
        yield Recording(
            _motion(2 * number, num_frames, fps),
            _motion(2 * number + 1, num_frames, fps),
            _speech(number, frame_to_sample(num_frames, fps, SAMPLE_RATE)),
        )


def _motion(seed: int, num_frames: int, fps: float) -> Tensor:
    """(T, 228): each column a few sines, 30 degrees (or cm) at most."""
    generator = np.random.default_rng(seed)
    dim, time_s = get_layout(FULL_LAYOUT).dim, np.arange(num_frames)[:, None] / fps
    waves = sum(
        np.sin(2 * np.pi * generator.uniform(0.1, 2.0, dim) * time_s + generator.uniform(0, 6.28, dim))
        for _ in range(3)
    )
    return torch.from_numpy(10 * waves + generator.normal(0, 0.3, waves.shape)).float()


def _speech(seed: int, num_samples: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    since_s = np.arange(num_samples) / SAMPLE_RATE % ONSET_EVERY_S
    return (generator.standard_normal(num_samples) * np.exp(-since_s / 0.05) * 0.2).astype(np.float32)


def _rot6d(motion: Tensor) -> Tensor:
    return convert(motion, FULL_LAYOUT, WINDOW_LAYOUT)


def _positions_cm(motion: Tensor) -> np.ndarray:
    """(T, 75, 3) of a body whose bones are all 10 cm long; which joint hangs off which costs nothing."""
    parents = [-1, *range(len(BEAT_JOINTS) - 1)]
    parents = [max(parent - parent % 8, 0) if joint else -1 for joint, parent in enumerate(parents)]
    offsets_cm = torch.full((len(BEAT_JOINTS), 3), 10.0)
    return forward_kinematics(to_matrices(motion, FULL_LAYOUT), parents, offsets_cm)[0].numpy()


def _warm_up(fps: float) -> None:
    """The first call of librosa and of the linear algebra pays for compiling: no cost per hour."""
    metric = BeatAlign("corrected", fps, SAMPLE_RATE)
    recording = next(made_recordings(1, 5.0, fps))
    metric.update_positions(_positions_cm(recording.generated), recording.waveform, joint_names=BEAT_JOINTS)
    nn.Linear(8, 8)(torch.linalg.eigh(torch.eye(8))[1])


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    start, start_cpu = time.perf_counter(), time.process_time()
    yield
    seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - start
    seconds[CPU + name] = seconds.get(CPU + name, 0.0) + time.process_time() - start_cpu
