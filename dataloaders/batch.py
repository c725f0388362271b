"""What a batch holds: the keys of a window, and how windows become tensors.

| key          | shape     | type    | meaning                                                       |
|--------------|-----------|---------|---------------------------------------------------------------|
| motion       | (B, T, D) | float32 | in the units of the layout (degrees, cm or rot6d), not z-scored |
| face         | (B, T, 51)| float32 | ARKit weights 0..1                                            |
| waveform     | (B, S)    | float32 | S = frame_to_sample(T)                                        |
| words        | (B, T)    | int64   | vocabulary id of the word that sounds, PAD in silence         |
| speaker      | (B,)      | int64   | index in the speaker table                                    |
| emotion      | (B, T)    | int64   | 0 neutral ... 7 disgust                                       |
| semantic     | (B, T)    | float32 | score 0..1                                                    |
| motion_valid | (B, T)    | bool    | the frame's motion was captured                               |
| face_valid   | (B, T)    | bool    | the frame's face was captured                                 |

Windows of faces (`face_windows.py`), whatever their corpus annotates, have keys of their own:

    face_all        (B, T, 157)  float32  ARKit weights, FLAME coefficients, jaw and head, in the layout face_all
    face_all_valid  (B, T, 5)    bool     which of its parts were captured: weights, 50 coefficients, the rest, jaw, head
    waveform        (B, S)       float32
    speaker         (B,)         int64    0 neutral, others from the speaker table
    corpus          (B,)         int64    number of the corpus

Shapes: B batch, T frames, S samples, D columns of the layout.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

BATCH_KEYS = ("motion", "face", "waveform", "words", "speaker", "emotion", "semantic", "motion_valid", "face_valid")

FACE_BATCH_KEYS = ("face_all", "face_all_valid", "waveform", "speaker", "corpus")


def collate(items: list[dict[str, np.ndarray]]) -> dict[str, Tensor]:
    """Stacks windows of one length to a batch.

    Args:
        items: windows as `WindowDataset` gives them.

    Raises:
        ValueError: no windows, or windows of different lengths.
    """
    return {key: torch.from_numpy(np.stack([item[key] for item in items])) for key in BATCH_KEYS}


class StackedWindows(Sequence[dict[str, Tensor]]):
    """Windows of faces that were read together: a list of windows to whoever asks, and a batch already."""

    def __init__(self, stacked: dict[str, Tensor]) -> None:
        self.stacked = stacked

    def __len__(self) -> int:
        return len(self.stacked["corpus"])

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        return {key: values[row] for key, values in self.stacked.items()}


def collate_faces(items: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Stacks windows of faces to a batch.

    Args:
        items: windows as `FaceWindows` and `MixedWindows` give them.

    Raises:
        ValueError: no windows.
        RuntimeError: windows of different lengths.
    """
    if isinstance(items, StackedWindows):
        return items.stacked
    if not items:
        raise ValueError("need at least one window to stack")
    return {key: torch.stack([item[key] for item in items]) for key in FACE_BATCH_KEYS}
