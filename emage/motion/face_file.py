"""Faces as files, whatever kind: ARKit weights, FLAME codes of SingingHead or of ours, BEAT2's npz, an EMOCA sequence.

FLAME codes of ours are an npz with `expcodes` (T, 50 or 100), `posecodes` (T, 9) = global, neck, jaw, `fps` and, where a
face was lost, `valid` (T,).

Shapes: T frames, E = 50 or 100 coefficients.
"""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emage.errors import InputError
from emage.motion.arkit_file import ARKIT_ENDINGS, read_arkit_file
from emage.motion.arkit_motion import evenly_spaced, valid_at
from emage.motion.atomic import write_npz_atomic
from emage.motion.flame_file import flame_columns, read_flame
from emage.motion.layout import get_layout
from emage.motion.skeleton import SMPLX_JOINTS

EMOCA_FPS, DEFAULT_FPS = 25.0, 30.0
EMOCA_EXPRESSION, EMOCA_POSE = "expcode.npy", "posecode.npy"
_CODE_LAYOUTS = {50: "flame_53", 100: "flame_103"}
_DAMAGED = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(eq=False)
class FaceFile:
    """A face in memory.

    Attributes:
        values: (T, D) float32.
        layout: arkit_51, flame_53 or flame_103.
        fps: frames per second; None: the file does not say.
        head: (T, 6) global and neck as axis-angle in radians, or None.
        valid: (T,) bool, False where there was no face and `values` hold the one before; None: all are.
    """

    values: Tensor
    layout: str
    fps: float | None
    head: Tensor | None = None
    valid: Tensor | None = None


def read_face(path: str | Path, fps: float | None = None) -> FaceFile:
    """Reads a face, evenly spaced in time.

    Args:
        path: a .json or .csv of ARKit weights (`emage.motion.arkit_file`); an .npz of BEAT2 (poses, expressions) or
            with expcodes and posecodes; a .pkl of SingingHead; the folder of an EMOCA sequence.
        fps: frames per second, where a file of ARKit weights does not say.

    Raises:
        InputError: none of these, or damaged.
    """
    path = Path(path)
    if path.is_dir():
        return _read_emoca(path)
    if path.suffix.lower() in ARKIT_ENDINGS:
        return _from_arkit(path, fps)
    if path.suffix.lower() == ".pkl":
        return _from_59(read_flame(path).samples[0], None)
    if path.suffix.lower() != ".npz":
        raise InputError(
            f"{path}: no face file; expected .json or .csv (ARKit), .npz or .pkl (FLAME), or an EMOCA folder"
        )
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with np.load(path, allow_pickle=False) as archive:
            held = set(archive.files)
            fps = next((float(archive[key]) for key in ("fps", "mocap_frame_rate") if key in held), None)
            wanted = ("poses", "expressions", "expcodes", "posecodes", "valid")
            arrays = {key: archive[key] for key in wanted if key in held}
    except (*_DAMAGED, TypeError) as error:
        raise InputError(f"{path}: cannot be read as npz of arrays ({error})") from error
    if {"poses", "expressions"} <= arrays.keys():
        return _from_beat2(arrays["poses"], arrays["expressions"], fps, path)
    if arrays.get("expcodes", np.zeros(0)).shape[-1:] == (100,):
        expression = _array(arrays["expcodes"], 100, "expcodes", path)
        pose = _array(arrays.get("posecodes", np.zeros(0)), 9, "posecodes", path)
        face = _joined(expression, pose[:, 6:], fps, head=pose[:, :6], path=path)
    else:
        face = _from_59(read_flame(path).samples[0], fps)
    if "valid" in arrays:
        if arrays["valid"].shape != (len(face.values),) or arrays["valid"].dtype != bool:
            shape = f"{arrays['valid'].dtype} {arrays['valid'].shape}"
            raise InputError(f"{path}: valid is {shape}; expected bool ({len(face.values)},), one for each frame")
        face.valid = torch.from_numpy(arrays["valid"])
    return face


def write_codes_npz(
    path: str | Path,
    codes: Tensor,
    layout: str,
    fps: float,
    *,
    head: Tensor | None = None,
    valid: Tensor | None = None,
) -> None:
    """Writes FLAME codes as npz; the file is there whole or not at all.

    Args:
        path: the file.
        codes: (T, D) in `layout`.
        layout: flame_53 or flame_103.
        fps: frames per second.
        head: (T, 6) global and neck, or None: zeros.
        valid: (T,) bool, False where there was no face; None: all are.
    """
    jaw = get_layout(layout).part_slices["jaw"]
    head = codes.new_zeros(len(codes), 6) if head is None else head
    write_npz_atomic(
        path,
        expcodes=codes[:, : jaw.start].float().numpy(),
        posecodes=torch.cat([head.to(codes), codes[:, jaw]], dim=1).float().numpy(),
        fps=np.float64(fps),
        **({} if valid is None else {"valid": valid.numpy()}),
    )


def _from_arkit(path: Path, fps: float | None) -> FaceFile:
    arkit = read_arkit_file(path, fps)
    weights, fps = evenly_spaced(arkit)
    valid = valid_at(arkit, fps, len(weights)).any(dim=1)
    return FaceFile(weights, "arkit_51", fps, valid=None if valid.all() else valid)


def _read_emoca(folder: Path) -> FaceFile:
    arrays = []
    for name, width in ((EMOCA_EXPRESSION, 50), (EMOCA_POSE, 6)):
        try:
            arrays.append(_array(np.load(folder / name, allow_pickle=False), width, name, folder))
        except FileNotFoundError as error:
            raise InputError(f"{folder}: no {name}; expected the folder of an EMOCA sequence") from error
        except _DAMAGED as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{folder / name}: cannot be read as an array ({error})") from error
    num_frames = min(map(len, arrays))  # a pose of 376 rows goes on beyond the sequence
    expression, pose = (values[:num_frames] for values in arrays)
    head = np.concatenate([pose[:, :3], np.zeros_like(pose[:, :3])], axis=1)
    return _joined(expression, pose[:, 3:], EMOCA_FPS, head=head, path=folder)


def _from_59(values: np.ndarray, fps: float | None) -> FaceFile:
    parts = [values[:, flame_columns(name)] for name in ("expression", "jaw")]
    head = torch.from_numpy(values[:, flame_columns("global", "neck")])
    return FaceFile(torch.from_numpy(np.concatenate(parts, axis=1)), "flame_53", fps, head)


def _from_beat2(poses: np.ndarray, expressions: np.ndarray, fps: float | None, path: Path) -> FaceFile:
    poses = _array(poses, 3 * len(SMPLX_JOINTS), "poses", path)
    jaw = poses.reshape(len(poses), -1, 3)[:, SMPLX_JOINTS.index("jaw")]
    return _joined(_array(expressions, 100, "expressions", path), jaw, fps, head=None, path=path)


def _joined(
    expression: np.ndarray, jaw: np.ndarray, fps: float | None, *, head: np.ndarray | None, path: Path
) -> FaceFile:
    if len(expression) != len(jaw):
        raise InputError(f"{path}: {len(expression)} frames of expression beside {len(jaw)} of pose")
    values = torch.from_numpy(np.concatenate([expression, jaw], axis=1))
    head = None if head is None else torch.from_numpy(np.ascontiguousarray(head))
    return FaceFile(values, _CODE_LAYOUTS[expression.shape[1]], fps, head)


def _array(values: np.ndarray, width: int, name: str, path: Path) -> np.ndarray:
    if values.ndim != 2 or values.shape[1] != width or values.dtype.kind != "f" or not len(values):
        raise InputError(f"{path}: {name} is {values.dtype} {values.shape}; expected (frames, {width})")
    if not np.isfinite(values).all():
        raise InputError(f"{path}: {name} holds NaN or infinity")
    return values.astype(np.float32)
