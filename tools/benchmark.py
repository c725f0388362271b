"""Measures the project on this machine and prints one json object.

`data`: how long a cache takes to build, how large it is and how fast windows come out of it, beside the reference's way
(pickled overlapping windows, built here by its own steps), in one run on one core. It runs on `data.root=DIR`, else on
the real recording in ../shared/data/beat_sample if that is there, else on a recording that it makes itself.
`corpora`: how fast the corpora of faces go into their caches and mixed windows out of them, on sets that it makes.
`metrics`: the time that each metric takes.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import benchmark_reference as reference
import numpy as np
import soundfile
import textgrid
import torch
from benchmark_corpora import measure_corpora
from benchmark_generation import measure_generation, measure_training
from benchmark_metrics import measure_metrics
from benchmark_report import measure_report
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from dataloaders.batch import collate
from dataloaders.cache import MotionCache, build_cache
from dataloaders.corpora import DATASETS
from dataloaders.corpora.beat import ENDINGS
from dataloaders.recordings import Recording
from dataloaders.splits import SplitEntry
from dataloaders.statistics import count_words
from dataloaders.window_dataset import WindowDataset
from emage.config import DataConfig, load_config
from emage.errors import InputError, one_line_errors
from emage.motion.arkit import write_arkit_json
from emage.motion.bvh import bvh_from_rotations, write_bvh
from emage.motion.layout import ARKIT_51
from emage.motion.skeleton import BEAT_JOINTS, Skeleton
from emage.speakers import SpeakerTable
from emage.vocabulary import SPECIAL_WORDS, Vocabulary

EXAMPLE = """
examples:
  python tools/benchmark.py data
  python tools/benchmark.py data data.root=DIR --recordings 12 --seconds 5
  python tools/benchmark.py corpora
  python tools/benchmark.py metrics
  python tools/benchmark.py generate
  python tools/benchmark.py train --batch-size 8 --frames 64
"""
ROOT = Path(__file__).resolve().parents[1]
FULL_SIZE_CONFIG = ROOT / "configs" / "beat" / "masked_transformer.yaml"
DEFAULT_CONFIG = ROOT / "configs" / "demo" / "motion_autoencoder.yaml"
REAL_RECORDING = ROOT.parent / "shared" / "data" / "beat_sample"
BATCH_SIZE = 64
_REFERENCE_KINDS = {"bvh", "json", "wav", "textgrid", "emotion", "semantic"}
_SUFFIXES = {kind: ending.replace("textgrid", "TextGrid") for ending, kind in ENDINGS.items()}


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["data", "corpora", "metrics", "generate", "train"], help="what to measure")
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        default=FULL_SIZE_CONFIG,
        metavar="FILE",
        help="generate, train; default %(default)s",
    )
    parser.add_argument("--threads", type=int, default=2, help="generate, train: of torch; default %(default)s")
    parser.add_argument("--batch-size", type=int, default=8, help="train: windows a step; default %(default)s")
    parser.add_argument("--frames", type=int, default=64, help="train: of a window; default %(default)s")
    parser.add_argument("--steps", type=int, default=5, help="train: steps that are timed; default %(default)s")
    parser.add_argument(
        "--recordings", type=int, default=6, metavar="N", help="how many; fewer are repeated under new names"
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each reader is timed")
    parser.add_argument("overrides", nargs="*", metavar="data.KEY=VALUE", help="e.g. data.root=DIR")
    arguments = parser.parse_intermixed_args(argv)
    torch.set_num_threads(1)
    if arguments.what == "generate":
        made = measure_generation(arguments.config, seconds=60.0, threads=arguments.threads, speech=REAL_RECORDING)
        print(json.dumps(made | {"limits": {"one_pass_seconds": 2, "8_steps_seconds": 8, "memory_gb": 2}}, indent=1))
        return 0
    if arguments.what == "train":
        sizes = {"batch_size": arguments.batch_size, "frames": arguments.frames, "steps": arguments.steps}
        made = measure_training(arguments.config, threads=arguments.threads, **sizes)
        print(json.dumps(made | {"limits": {"seconds_per_step": 3, "memory_gb": 3}}, indent=1))
        return 0
    if arguments.what == "metrics":
        limits = {"seconds_fgd_bc_kinematics": 30, "peak_memory_mb": 1000, "report_seconds": 180}
        print(json.dumps({"metrics": measure_metrics(), "report": measure_report(), "limits": limits}, indent=1))
        return 0
    if arguments.what == "corpora":
        with tempfile.TemporaryDirectory(prefix="benchmark_") as folder:
            print(json.dumps(measure_corpora(Path(folder), seconds=arguments.seconds), indent=1))
        return 0
    given_root = any(item.startswith("data.root=") for item in arguments.overrides)
    config = load_config(DEFAULT_CONFIG, arguments.overrides).data
    with tempfile.TemporaryDirectory(prefix="benchmark_") as folder:
        root = Path(config.root) if given_root else default_root(Path(folder))
        recordings = link_recordings(replace(config, root=str(root)), Path(folder) / "corpus", arguments.recordings)
        config = replace(config, root=str(Path(folder) / "corpus"), cache_dir=str(Path(folder) / "caches"), speakers=[])
        ours = measure_ours(config, seconds=arguments.seconds)
        theirs = measure_reference(recordings, Path(folder) / "reference", seconds=arguments.seconds)
    minutes = ours["recorded_minutes"]
    report = {
        "source": os.path.relpath(root) if root.parent != Path(folder) else "a recording made for this run",
        "recordings": len(recordings),
        "recorded_minutes": minutes,
        "fps": config.fps,
        "window_frames": config.window_frames,
        "stride_frames": config.stride_frames,
        "ours": ours,
        "reference": theirs,
        "reference_over_ours": {
            key: round(theirs[key] / ours[key], 2) for key in ("cache_seconds_per_minute", "megabytes_per_minute")
        },
    }
    print(json.dumps(report, indent=1))
    return 0


def default_root(folder: Path) -> Path:
    """The real recording if it lies beside the project, else one that is made below `folder`."""
    return REAL_RECORDING if REAL_RECORDING.is_dir() else make_recording(folder / "made")


def link_recordings(config: DataConfig, folder: Path, count: int) -> list[Recording]:
    """Lays `count` recordings out below `folder` as links; where there are fewer, they come again under other takes.

    Raises:
        InputError: a corpus that is not in the raw layout, or none of whose recordings has all its files.
    """
    if config.format != "raw":
        raise InputError(f"data.format={config.format}: the benchmark reads the raw layout, which both ways start from")
    found = [r for r in DATASETS["raw"].find_recordings(config) if r.paths.keys() >= _REFERENCE_KINDS]
    if not found:
        raise InputError(
            f"data.root {config.root}: no recording has all six files (bvh, json, wav, TextGrid, csv, txt)"
        )
    linked = []
    for take, source in enumerate(islice(cycle(found), count), 1):
        home = folder / source.speaker
        home.mkdir(parents=True, exist_ok=True)
        name, paths = f"{source.speaker}_{source.speaker_name}_0_{take}_{take}", {}
        for kind in _REFERENCE_KINDS:
            paths[kind] = home / (name + _SUFFIXES[kind])
            paths[kind].symlink_to(source.paths[kind].resolve())
        linked.append(Recording.from_id(name, paths))
    return linked


def measure_ours(config: DataConfig, *, seconds: float) -> dict[str, float]:
    """Builds the cache in this process and reads all its streams."""
    # The first clip of a process pays for imports: not a cost per minute of a corpus.
    first = DATASETS["raw"].find_recordings(config)[0]
    warm_up = replace(config, cache_dir=config.cache_dir + "_warm", speakers=[first.speaker])
    build_cache(warm_up, 1, progress=False)
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    report = build_cache(config, 1, progress=False)
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    if report.path is None or report.rejects:
        raise InputError(f"data.root: {report.rejects[0][0]} cannot be used: {report.rejects[0][1]}")
    cache = MotionCache.open(config)
    minutes = sum(cache.num_frames(key) for key in cache.recordings()) / cache.fps / 60
    entries = [SplitEntry(key, key) for key in cache.recordings()]
    counts = count_words(cache, entries)
    windows = WindowDataset(
        cache,
        entries,
        layout="beat_141",
        window_frames=config.window_frames,
        stride_frames=config.stride_frames,
        vocabulary=Vocabulary.build(counts, len(counts) + len(SPECIAL_WORDS)),
        speakers=SpeakerTable.build({cache.known[key].speaker for key in cache.recordings()}, 1 << 16),
    )
    if not len(windows):
        raise InputError(f"data.root: every recording is shorter than a window of {config.window_frames} frames")
    return {
        "recorded_minutes": round(minutes, 3),
        "cache_seconds_per_minute": round(wall_s / minutes, 3),
        "cache_cpu_seconds_per_minute": round(cpu_s / minutes, 3),
        "megabytes_per_minute": round(folder_bytes(report.path) / 1e6 / minutes, 3),
        **measure_reading(windows, collate, seconds=seconds),
    }


def measure_reference(recordings: Sequence[Recording], folder: Path, *, seconds: float) -> dict[str, float]:
    """Prepares, pickles and reads the windows of the reference."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    for recording in tqdm(recordings, "the reference's way", unit="recording"):
        reference.prepare_recording(recording, folder / "text")
    count, minutes = reference.build_windows(list(recordings), folder / "text", folder / "windows")
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    windows = reference.PickledWindows(folder / "windows", count)
    return {
        "recorded_minutes": round(minutes, 3),
        "cache_seconds_per_minute": round(wall_s / minutes, 3),
        "cache_cpu_seconds_per_minute": round(cpu_s / minutes, 3),
        "megabytes_per_minute": round((folder / "windows" / "data.mdb").stat().st_size / 1e6 / minutes, 3),
        **measure_reading(windows, None, seconds=seconds),
    }


def measure_reading(
    windows: Dataset, collate_windows: Callable[[list], Any] | None, *, seconds: float
) -> dict[str, float]:
    """Windows a second, one by one and through a DataLoader without workers, in random order, from warm memory."""
    generator = np.random.default_rng(0)
    for index in range(len(windows)):
        windows[index]
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for index in generator.permutation(len(windows)).tolist():
            windows[index]
        count += len(windows)
    single = count / (time.perf_counter() - start)
    loader = DataLoader(windows, BATCH_SIZE, shuffle=True, collate_fn=collate_windows)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for _ in loader:
            pass
        count += len(windows)
    loaded = count / (time.perf_counter() - start)
    return {
        "num_windows": len(windows),
        "windows_per_second": round(single),
        "dataloader_windows_per_second": round(loaded),
    }


def make_recording(root: Path, seconds: float = 60.0) -> Path:
    """Writes one recording of the release's rates and sizes; its values are smooth and mean nothing."""
    generator = np.random.default_rng(0)
    home = root / "1"
    home.mkdir(parents=True)
    stem = str(home / "1_made_0_1_1")

    def waves(rate: float, dim: int) -> np.ndarray:
        """(N, dim) slow sines between -1 and 1."""
        times_s = np.arange(round(seconds * rate))[:, None] / rate
        return np.sin(2 * np.pi * generator.uniform(0.1, 2, dim) * times_s + generator.uniform(0, 2 * np.pi, dim))

    num_joints = len(BEAT_JOINTS)
    parents = (-1, *(0 for _ in range(num_joints - 1)))  # which joint hangs off which costs nothing
    skeleton = Skeleton(BEAT_JOINTS, parents, torch.ones(num_joints, 3))
    euler_deg = torch.from_numpy(30 * waves(120, 3 * num_joints)).reshape(-1, num_joints, 3)
    translation_cm = torch.from_numpy(waves(120, 3))
    write_bvh(f"{stem}.bvh", bvh_from_rotations(skeleton, euler_deg, root_translation_cm=translation_cm, fps=120))
    write_arkit_json(f"{stem}.json", torch.from_numpy(0.5 + 0.4 * waves(60, len(ARKIT_51))), 60)
    soundfile.write(f"{stem}.wav", generator.normal(0, 0.05, round(seconds * 16000)).astype(np.float32), 16000, "FLOAT")
    words = textgrid.IntervalTier("words", 0, seconds)
    for start_s in np.arange(0, seconds - 0.4, 0.4).round(3).tolist():
        words.add(start_s, start_s + 0.3, "word")
    grid = textgrid.TextGrid(maxTime=seconds)
    grid.append(words)
    grid.write(f"{stem}.TextGrid")
    Path(f"{stem}.csv").write_text(f"00_neutral,0,{seconds},{seconds},0\n", encoding="utf-8")
    rows = (f"01_beat_align\t{start_s}\t{start_s + 2}\t2\t0.1\tword\n" for start_s in range(0, int(seconds) - 2, 3))
    Path(f"{stem}.txt").write_text("".join(rows), encoding="utf-8")
    return root


def folder_bytes(folder: Path) -> int:
    """Bytes of all files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    sys.exit(main())
