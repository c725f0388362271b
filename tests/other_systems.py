"""Folders as other systems leave them: a small rig under any names, at any rate, made of sines; for tests of the evaluation."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import soundfile
import torch

from emage.motion.arkit import write_arkit_json
from emage.motion.bvh import BvhMotion, bvh_from_rotations, write_bvh
from emage.motion.rotation import euler_to_matrix
from emage.motion.skeleton import Skeleton

RATE = 16000
# (BEAT's name, parent, offset in cm): a person of 170 cm with arms and legs and one finger.
BONES = (
    ("Hips", -1, (0, 95, 0)),
    ("Spine", 0, (0, 10, 0)),
    ("Spine1", 1, (0, 15, 0)),
    ("Spine2", 2, (0, 15, 0)),
    ("Neck", 3, (0, 10, 0)),
    ("Head", 4, (0, 10, 0)),
    *(
        bone
        for first, sign, side in ((6, 1, "Left"), (11, -1, "Right"))
        for bone in (
            (f"{side}Shoulder", 3, (sign * 4, 5, 0)),
            (f"{side}Arm", first, (sign * 12, 0, 0)),
            (f"{side}ForeArm", first + 1, (sign * 28, 0, 0)),
            (f"{side}Hand", first + 2, (sign * 25, 0, 0)),
            (f"{side}HandIndex1", first + 3, (sign * 8, 0, 0)),
        )
    ),
    *(
        bone
        for first, sign, side in ((16, 1, "Left"), (19, -1, "Right"))
        for bone in (
            (f"{side}UpLeg", 0, (sign * 9, -3, 0)),
            (f"{side}Leg", first, (0, -43, 0)),
            (f"{side}Foot", first + 1, (0, -43, 0)),
        )
    ),
)
NAMES = tuple(name for name, _, _ in BONES)
SMPLX = {
    "Hips": "pelvis", "Spine": "spine1", "Spine1": "spine2", "Spine2": "spine3", "Neck": "neck", "Head": "head",
    **{
        side + beat: f"{side.lower()}_{smplx}"
        for side in ("Left", "Right")
        for beat, smplx in (("Shoulder", "collar"), ("Arm", "shoulder"), ("ForeArm", "elbow"), ("Hand", "wrist"),
                            ("HandIndex1", "index1"), ("UpLeg", "hip"), ("Leg", "knee"), ("Foot", "ankle"))
    },
}  # fmt: skip


def swing(
    seed: int,
    seconds: float,
    fps: float,
    *,
    rename: Callable[[str], str] = str,
    scale: float = 1.0,
    size_deg: float = 20.0,
) -> BvhMotion:
    """A recording: each joint swings at its own slow pace; the same movement at any frame rate."""
    draw = np.random.default_rng(seed)
    size, phase = draw.uniform(0.2, 1, (len(BONES), 3)) * size_deg, draw.uniform(0, 7, (len(BONES), 3))
    pace_hz = draw.uniform(0.2, 1.5, (len(BONES), 3))
    time_s = np.arange(round(seconds * fps))[:, None, None] / fps
    angles = torch.from_numpy(size * np.sin(2 * np.pi * pace_hz * time_s + phase))
    angles[:, 0] *= 0.1
    offsets = torch.tensor([offset for _, _, offset in BONES], dtype=torch.float64) * scale
    skeleton = Skeleton(tuple(map(rename, NAMES)), tuple(parent for _, parent, _ in BONES), offsets)
    return bvh_from_rotations(skeleton, euler_to_matrix(angles, "XYZ"), root_translation_cm=offsets[0], fps=fps)


def face(seed: int, seconds: float, fps: float) -> torch.Tensor:
    """(T, 51) weights."""
    draw = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * fps))[:, None] / fps
    weights = 0.4 + 0.3 * np.sin(2 * np.pi * draw.uniform(0.3, 2, 51) * time_s + draw.uniform(0, 7, 51))
    return torch.from_numpy(weights).float()


def clicks(seconds: float, every_s: float = 0.4) -> np.ndarray:
    """(S,) a burst of noise at a time."""
    waveform = np.zeros(round(seconds * RATE), np.float32)
    noise = np.random.default_rng(0).normal(size=800).astype(np.float32)
    for start in range(3000, len(waveform) - 800, round(every_s * RATE)):
        waveform[start : start + 800] = 0.3 * noise
    return waveform


def write_system(
    folder: Path,
    ids: Iterable[str],
    *,
    seconds: float = 6.0,
    fps: float = 30.0,
    seed: int = 0,
    with_face: bool = True,
    **options,
) -> Path:
    """<id>.bvh and <id>.json; recording k of seed s swings by s + k."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, key in enumerate(ids):
        write_bvh(folder / f"{key}.bvh", swing(seed + number, seconds, fps, **options))
        if with_face:
            write_arkit_json(folder / f"{key}.json", face(seed + number, seconds, fps), fps)
    return folder


def write_audio(folder: Path, ids: Iterable[str], seconds: float = 6.0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, key in enumerate(ids):
        soundfile.write(folder / f"{key}.wav", clicks(seconds, 0.35 + 0.05 * number), RATE)
    return folder
