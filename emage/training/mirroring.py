"""Training windows seen in a mirror: whoever is right-handed has a left-handed twin, and each side learns from both.

Whether a window is mirrored hangs on its own seed alone: alike on any number of processes and after any interruption.

Shapes: B batch, T frames, D columns, J joints.
"""

import torch
from torch import Tensor

from emage.motion.layout import Layout
from emage.motion.mirror import mirror_bones, mirror_face, mirror_motion
from emage.motion.skeleton import BEAT_JOINTS
from emage.training.batches import MIRROR, draw_windows
from emage.training.protocols import Batch


def mirror_some(batch: Batch, layout: Layout | str, share: float) -> Batch:
    """Motion and face of a share of the windows in a mirror; `mirrored` (B,) bool says which."""
    mirrored = draw_windows(batch["draw_seed"], share, MIRROR).to(batch["motion"].device)
    batch = batch | {"mirrored": mirrored}
    if mirrored.any():
        rows = mirrored[:, None, None]
        batch["motion"] = torch.where(rows, mirror_motion(batch["motion"], layout), batch["motion"])
        batch["face"] = torch.where(rows, mirror_face(batch["face"]), batch["face"])
    return batch


def mirror_people(bones_cm: Tensor, mirrored: Tensor) -> Tensor:
    """Bones (B, 75, 3) of BEAT_JOINTS, those of the twin where a window is mirrored."""
    return torch.where(mirrored[:, None, None], mirror_bones(bones_cm, BEAT_JOINTS), bones_cm)
