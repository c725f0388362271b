"""How fast the corpora of faces go into their caches, and mixed windows out of them: part of tools/benchmark.py.

It runs on sets that it makes itself, of the sizes of the release: EMOCA sequences of 15 s, SingingHead segments of 8 s,
BEAT2 recordings of a minute.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from torch.utils.data import DataLoader

from dataloaders.batch import collate_faces
from dataloaders.cache import MotionCache, build_cache
from dataloaders.corpora.synthetic_face_files import archive_segments, write_segment, write_sequence
from dataloaders.corpora.synthetic_faces import TrackedFace
from dataloaders.face_windows import FaceWindows
from dataloaders.mixing import MixedWindows, Share, mixture_shares
from dataloaders.splits import SplitEntry
from emage.config import DataConfig
from emage.motion.skeleton import SMPLX_JOINTS

SIZES = {"emoca": (40, 15.0), "singinghead": (40, 8.0), "beat2": (4, 60.0)}  # recordings, seconds of each
RATES = {"emoca": 25.0, "singinghead": 30.0, "beat2": 30.0}
BATCH_SIZE, WINDOW_FRAMES, STRIDE_FRAMES, SAMPLE_RATE = 64, 34, 10, 16000


def measure_corpora(folder: Path, *, seconds: float, fps: float = 30.0) -> dict[str, Any]:
    """Builds the three caches in this process and reads mixed windows of 34 frames from all of them."""
    build, windows = {}, []
    for number, (name, (count, length_s)) in enumerate(SIZES.items()):
        root = folder / name
        _MAKERS[name](root, count, length_s)
        config = DataConfig(format=name, root=str(root), cache_dir=str(folder / "caches"), fps=RATES[name])
        wall_s = time.perf_counter()
        report = build_cache(config, 1, progress=False)
        wall_s = time.perf_counter() - wall_s
        assert not report.rejects, report.rejects
        build[name] = {
            "sequences": count,
            "seconds_of_each": length_s,
            "sequences_per_second": round(count / wall_s, 1),
            "recorded_minutes_per_second": round(count * length_s / 60 / wall_s, 2),
        }
        cache = MotionCache.open(config)
        entries = [SplitEntry(key, key) for key in cache.recordings()]
        options = {"sample_rate": SAMPLE_RATE, "window_frames": WINDOW_FRAMES, "stride_frames": STRIDE_FRAMES}
        windows.append(FaceWindows(cache, entries, fps=fps, corpus=number, speakers=[1] * len(entries), **options))
    shares = [Share(name, own.hours) for name, own in zip(SIZES, windows, strict=True)]
    probabilities = mixture_shares(shares, temperature=0.5)
    by_name = dict(zip(SIZES, windows, strict=True))
    mixed = MixedWindows(by_name, probabilities, seed=0, batch_size=BATCH_SIZE, num_steps=1_000_000)
    return {
        "cache": build,
        "mixture": {share.name: round(p, 3) for share, p in zip(shares, probabilities.tolist(), strict=True)},
        "fps": fps,
        "window_frames": WINDOW_FRAMES,
        "batch_size": BATCH_SIZE,
        **_windows_per_second(mixed, seconds),
    }


def _windows_per_second(mixed: MixedWindows, seconds: float) -> dict[str, int]:
    """Through a DataLoader without workers, stacked to batches, from warm memory; by the clock and by this core's time.

    The two differ where other programs want the core.
    """
    for own in mixed.corpora:
        own.read(range(0, len(own), 7))
    order = [list(range(start, start + BATCH_SIZE)) for start in range(0, 20_000 * BATCH_SIZE, BATCH_SIZE)]
    loader = DataLoader(mixed, batch_sampler=order, collate_fn=collate_faces)
    count, start, cpu_start = 0, time.perf_counter(), time.process_time()
    for batch in loader:
        count += len(batch["corpus"])
        if time.perf_counter() - start > seconds:
            break
    wall_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu_start
    return {"mixed_windows_per_second": round(count / wall_s), "mixed_windows_per_cpu_second": round(count / cpu_s)}


def _tracked_face(seconds: float, fps: float, seed: int) -> TrackedFace:
    """Smooth values that mean nothing, and noise for a sound."""
    rng = np.random.default_rng(seed)
    num_frames, num_samples = round(seconds * fps), round(seconds * SAMPLE_RATE)
    times_s = np.arange(num_frames)[:, None] / fps

    def waves(width: int, size: float) -> np.ndarray:
        return size * np.sin(2 * np.pi * rng.uniform(0.1, 2, width) * times_s + rng.uniform(0, 6, width))

    turns = (waves(3, 0.2), waves(3, 0.1), waves(3, 0.05))
    return TrackedFace(waves(50, 1.0), *turns, *(rng.normal(0, 0.05, num_samples) for _ in range(2)))


def _make_emoca(root: Path, count: int, seconds: float) -> None:
    for number in range(count):
        home = root / "trainset" / "V0-GRID" / f"V0-s{number % 4}-{number:05d}"
        write_sequence(home, _tracked_face(seconds, 25, number), rng=np.random.default_rng(number))


def _make_singinghead(root: Path, count: int, seconds: float) -> None:
    names = [f"id{number % 4}_{number}_0_0" for number in range(count)]
    for number, name in enumerate(names):
        write_segment(root, name, _tracked_face(seconds, 30, number))
    archive_segments(root, {"train": names, "val": [], "test": []})


def _make_beat2(root: Path, count: int, seconds: float) -> None:
    for folder in ("smplxflame_30", "wave16k"):
        (root / folder).mkdir(parents=True)
    for number in range(count):
        face = _tracked_face(seconds, 30, number)
        name, num_frames = f"2_made_0_{number + 1}_{number + 1}", len(face.expression)
        poses = np.tile(face.head, (1, len(SMPLX_JOINTS))).astype(np.float32)
        arrays = {
            "poses": poses,
            "trans": np.zeros((num_frames, 3)),
            "expressions": np.tile(face.expression, (1, 2)),
            "betas": np.zeros(300, np.float32),
            "mocap_frame_rate": np.array(30),
        }
        np.savez(root / "smplxflame_30" / f"{name}.npz", **arrays)
        soundfile.write(root / "wave16k" / f"{name}.wav", face.waveform, SAMPLE_RATE, "PCM_16")


_MAKERS = {"emoca": _make_emoca, "singinghead": _make_singinghead, "beat2": _make_beat2}
