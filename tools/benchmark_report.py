"""How long the report of an evaluation takes: folders of BVH, json and wav in, metrics.json and report.html out.

The recordings are made here, and their making is not counted; see benchmark_metrics.py.
"""

import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from benchmark_metrics import FULL_LAYOUT, SAMPLE_RATE, Recording, made_recordings
from torch import Tensor

from emage.evaluation import Folders, Options, evaluate_folders
from emage.motion.arkit import write_arkit_json
from emage.motion.bvh import bvh_from_rotations, write_bvh
from emage.motion.layout import ARKIT_51, get_layout
from emage.motion.skeleton import BEAT_JOINTS, Skeleton


def measure_report(*, recordings: int = 100, recording_s: float = 60.0, fps: float = 15.0) -> dict[str, Any]:
    """Times the whole way from files to the report, with faces, controls and intervals.

    Args:
        recordings: how many.
        recording_s: length of one, seconds.
        fps: frames per second of both sides.
    """
    with tempfile.TemporaryDirectory(prefix="benchmark_report_") as folder:
        root = Path(folder)
        for number, recording in enumerate(made_recordings(recordings, recording_s, fps)):
            _write(root, f"recording_{number:03d}", recording, fps)
        start, start_cpu = time.perf_counter(), time.process_time()
        with torch.no_grad():
            folders = Folders.find(root / "generated", root / "reference", audio=root / "audio")
            evaluation = evaluate_folders(folders, options=Options(progress=False))
        evaluation.write(root / "out")
        seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
        size = (root / "out" / "report.html").stat().st_size
    measures = evaluation.results["measures"].values()
    return {
        "recordings": recordings,
        "recording_s": recording_s,
        "fps": fps,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "measures": sum(row["value"] is not None for row in measures),
        "intervals": sum(row["low"] is not None for row in measures),
        "report_mb": round(size / 1e6, 2),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _write(root: Path, name: str, recording: Recording, fps: float) -> None:
    generator = np.random.default_rng(len(name))
    for side, motion in (("generated", recording.generated), ("reference", recording.reference)):
        folder = root / side
        folder.mkdir(exist_ok=True)
        write_bvh(folder / f"{name}.bvh", _bvh(motion, fps))
        weights = torch.from_numpy(generator.uniform(0, 1, (len(motion), len(ARKIT_51)))).float()
        write_arkit_json(folder / f"{name}.json", weights, fps)
    (root / "audio").mkdir(exist_ok=True)
    soundfile.write(root / "audio" / f"{name}.wav", recording.waveform, SAMPLE_RATE)


def _bvh(motion: Tensor, fps: float) -> Any:
    """A body of BEAT's joints whose bones are all 10 cm long; which joint hangs off which costs nothing."""
    layout = get_layout(FULL_LAYOUT)
    parents = [max(joint - 1 - (joint - 1) % 8, 0) if joint else -1 for joint in range(len(BEAT_JOINTS))]
    skeleton = Skeleton(BEAT_JOINTS, tuple(parents), torch.full((len(BEAT_JOINTS), 3), 10.0))
    euler_deg = motion[:, layout.rotation_slice].unflatten(1, (layout.num_joints, 3))
    return bvh_from_rotations(skeleton, euler_deg, root_translation_cm=motion[:, layout.translation_slice], fps=fps)
