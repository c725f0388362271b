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

Shapes: B batch, T frames, S samples, D columns of the layout.
"""

import numpy as np
import torch
from torch import Tensor

BATCH_KEYS = ("motion", "face", "waveform", "words", "speaker", "emotion", "semantic", "motion_valid", "face_valid")


def collate(items: list[dict[str, np.ndarray]]) -> dict[str, Tensor]:
    """Stacks windows of one length to a batch.

    Args:
        items: windows as `WindowDataset` gives them.

    Raises:
        ValueError: no windows, or windows of different lengths.
    """
    return {key: torch.from_numpy(np.stack([item[key] for item in items])) for key in BATCH_KEYS}
