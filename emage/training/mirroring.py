"""Training windows seen in a mirror: whoever is right-handed has a left-handed twin, and each side learns from both.

Whether a window is mirrored hangs on its own seed alone: alike on any number of processes and after any interruption.

Shapes: B batch, T frames, D columns, J joints.
"""

import numpy as np
import torch
from torch import Tensor

from emage.motion.layout import Layout
from emage.motion.mirror import mirror_bones, mirror_face, mirror_motion
from emage.motion.skeleton import BEAT_JOINTS
from emage.training.protocols import Batch

_STREAM = 3  # of the seeds of a window: its masks and its sound have others


def mirror_some(batch: Batch, layout: Layout | str, share: float) -> Batch:
    """Motion and face of a share of the windows in a mirror; `mirrored` (B,) bool says which."""
    seeds = batch["draw_seed"].tolist()
    drawn = [share > 0 and np.random.default_rng([int(seed), _STREAM]).random() < share for seed in seeds]
    mirrored = torch.tensor(drawn, device=batch["motion"].device)
    batch = batch | {"mirrored": mirrored}
    if mirrored.any():
        rows = mirrored[:, None, None]
        batch["motion"] = torch.where(rows, mirror_motion(batch["motion"], layout), batch["motion"])
        batch["face"] = torch.where(rows, mirror_face(batch["face"]), batch["face"])
    return batch


def mirror_people(bones_cm: Tensor, mirrored: Tensor) -> Tensor:
    """Bones (B, 75, 3) of BEAT_JOINTS, those of the twin where a window is mirrored."""
    return torch.where(mirrored[:, None, None], mirror_bones(bones_cm, BEAT_JOINTS), bones_cm)
