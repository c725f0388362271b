"""A Performance as one npz of named arrays: what numpy users want, and what reads back without loss.

Key: content
- fps, times_s (T,): frame k is at k / fps seconds
- joint_names (J,), parents (J,), offsets_cm (J, 3): the skeleton, root parent -1
- rotations_wxyz (T, J, 4): local unit quaternions;  root_translation_cm (T, 3);  positions_cm (T, J, 3) in the world
- face (T, 51), face_names (51,): ARKit weights; absent if there is no face
- motion (T, D), motion_columns (D,), layout, fill, face_given: what the model put out

Shapes: T frames, J joints, D columns of the layout.
"""

import zipfile
from pathlib import Path

import numpy as np
import torch

from emage.errors import InputError
from emage.motion import rotation
from emage.motion.atomic import write_npz_atomic
from emage.motion.bvh import BvhMotion
from emage.motion.layout import ARKIT_51, get_layout
from emage.motion.skeleton import Skeleton
from emage.performance import Performance

FORMAT = 1  # a reader refuses what a later version wrote
_NEEDED = ("format", "fps", "joint_names", "parents", "offsets_cm", "motion", "layout", "face_given")


def write_performance_file(path: str | Path, performance: Performance, body: BvhMotion) -> None:
    """Writes the arrays of the table above.

    Args:
        path: the file; it is there whole or not at all.
        performance: the result.
        body: its motion on its skeleton, all joints, as `emage.export.performance_to_bvh` makes it.

    Raises:
        InputError: NaN or infinity in motion or face.
    """
    for what, values in (("motion", performance.motion), ("face", performance.face)):
        finite = torch.ones(1, dtype=torch.bool) if values is None else torch.isfinite(values).all(dim=1)
        if not finite.all():
            frame = int((~finite).nonzero()[0, 0])
            raise InputError(f"{path}: not written, since frame {frame} of the {what} holds NaN or infinity")
    turns, places, root_places = [], [], []
    for block in body.blocks():
        turns.append(rotation.matrix_to_quat(block.rotations()).float())
        places.append(block.positions().float())
        root_places.append(block.translations_cm()[:, body.parents.index(-1)].float())
    arrays = {
        "format": np.array(FORMAT),
        "fps": np.array(float(performance.fps)),
        "times_s": np.arange(performance.num_frames) / performance.fps,
        "joint_names": np.array(body.names),
        "parents": np.array(body.parents, dtype=np.int32),
        "offsets_cm": body.offsets_cm.numpy(),
        "rotations_wxyz": rotation.unroll(torch.cat(turns)).numpy(),
        "root_translation_cm": torch.cat(root_places).numpy(),
        "positions_cm": torch.cat(places).numpy(),
        "motion": _array(performance.motion),
        "motion_columns": np.array(get_layout(performance.layout).columns),
        "layout": np.array(performance.layout),
        "face_given": np.array(performance.face_given),
    }
    if performance.face is not None:
        arrays |= {"face": _array(performance.face), "face_names": np.array(ARKIT_51)}
    if performance.fill is not None:
        arrays["fill"] = _array(performance.fill)
    write_npz_atomic(path, **arrays)


def read_performance_file(path: str | Path) -> Performance:
    """Reads what `write_performance_file` wrote, without loss; nothing pickled is read.

    Raises:
        InputError: no such file, no npz, another content, or a later format.
    """
    try:
        with np.load(path, allow_pickle=False) as node:
            arrays = {name: node[name] for name in node.files}
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: no npz of plain arrays: {error}; write it with Performance.save_npz") from error
    missing = [name for name in _NEEDED if name not in arrays]
    if missing:
        raise InputError(f"{path}: it lacks {', '.join(missing)}; expected what Performance.save_npz writes")
    if int(arrays["format"]) > FORMAT:
        raise InputError(f"{path}: format {arrays['format']} of a later version; this one reads up to {FORMAT}")
    face, fill = arrays.get("face"), arrays.get("fill")
    return Performance(
        motion=torch.from_numpy(arrays["motion"]),
        layout=get_layout(str(arrays["layout"])).name,
        face=None if face is None else torch.from_numpy(face),
        fps=float(arrays["fps"]),
        skeleton=Skeleton(
            tuple(arrays["joint_names"].tolist()), tuple(arrays["parents"]), torch.from_numpy(arrays["offsets_cm"])
        ),
        face_given=bool(arrays["face_given"]),
        fill=None if fill is None else torch.from_numpy(fill),
    )


def is_performance_file(path: str | Path) -> bool:
    """Whether a file exists and holds the arrays that `write_performance_file` writes."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {f"{name}.npy" for name in _NEEDED} <= set(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _array(values: torch.Tensor) -> np.ndarray:
    return values.detach().cpu().numpy()
