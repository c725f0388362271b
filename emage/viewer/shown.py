"""A result as the viewer needs it: where every joint is, what the face does, and when.

Shapes: T frames, J joints.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from emage.errors import InputError
from emage.export import performance_to_bvh
from emage.motion.arkit_file import arkit_beside, read_arkit_file
from emage.motion.arkit_motion import evenly_spaced
from emage.motion.bvh import BvhMotion, read_bvh
from emage.motion.joint_aliases import joint_names
from emage.motion.resample import resample_linear
from emage.motion.skeleton import forward_kinematics
from emage.performance import Performance
from emage.performance_file import read_performance_file
from emage.sound_endings import SOUND_ENDINGS

HEAD_POINTS = ("head low", "head high", "nose")  # added behind the joints: a skull and where it looks
RESULT_ENDINGS = (".bvh", ".npz")
_SMALLEST_PERSON_CM = 10.0  # shorter: the file is in metres
_SKULL_CM = ((0.0, 5.5, 2.0), (0.0, 12.5, 1.0), (0.0, 5.0, 11.5))  # HEAD_POINTS in the head's frame, for 170 cm
USUAL_HEIGHT_CM = 170.0


@dataclass(frozen=True)
class Sound:
    """Speech: (S,) float32, full scale = 1."""

    waveform: np.ndarray
    sample_rate: int


@dataclass(eq=False)
class Shown:
    """One result.

    Attributes:
        name: what stands above it.
        fps: frames per second.
        joints: J names, BEAT's spelling where it knows the joint, then HEAD_POINTS if there is a head.
        parents: index of each joint's parent, -1 at the root.
        positions_cm: (T, J, 3) float32, Y up; the floor is at 0, the person stands over the origin.
        face: (T, 51) float32 in ARKIT_51 order, or None.
        height_cm: of the person, about.
    """

    name: str
    fps: float
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    positions_cm: np.ndarray
    face: np.ndarray | None
    height_cm: float

    @property
    def num_frames(self) -> int:
        """Frames of body and face."""
        return len(self.positions_cm)

    @property
    def duration_s(self) -> float:
        """N frames at rate r last N / r seconds."""
        return self.num_frames / self.fps


def shown_performance(performance: Performance, name: str) -> Shown:
    """A performance in memory.

    Raises:
        InputError: as `performance_to_bvh`.
    """
    face = None if performance.face is None else performance.face.detach().cpu().float().numpy()
    return _shown_body(performance_to_bvh(performance), name, performance.fps, face)


def find_result(path: str | Path) -> Path:
    """The file of a result that was given as a file, without its ending, or as a folder that holds one .bvh.

    Raises:
        InputError: there is none, or the folder holds several.
    """
    path = Path(path)
    if path.is_dir():
        # A hidden file is not a result: a killed writer leaves one, and some systems add their own.
        found = sorted(file for file in path.iterdir() if file.suffix.lower() == ".bvh" and not _is_hidden(file))
        if len(found) != 1:
            raise InputError(f"{path}: a folder with {len(found)} .bvh files; name the one to look at")
        return found[0]
    if path.is_file():
        return path
    for ending in RESULT_ENDINGS:
        if beside(path, ending).is_file():
            return beside(path, ending)
    raise InputError(f"{path}: no such result; give a .bvh or .npz that `emage generate` wrote")


def load_shown(path: str | Path) -> Shown:
    """A result from its file: our .npz, or a .bvh with the face beside it (.json or .csv of the same name).

    Raises:
        InputError: no such file, another kind of file, or a broken one.
    """
    path = find_result(path)
    if path.suffix.lower() == ".npz":
        return shown_performance(read_performance_file(path), path.stem)
    if path.suffix.lower() != ".bvh":
        raise InputError(f"{path}: a result is a .bvh (its face, .json or .csv, lies beside it) or a .npz of ours")
    body = read_bvh(path)
    return _shown_body(body, path.stem, body.fps, _face_beside(path, body))


def result_stem(path: str | Path) -> str:
    """The name of a result without the ending of a result; a stem may hold dots ("my.speech.v2")."""
    path = Path(path)
    return path.stem if path.suffix.lower() in RESULT_ENDINGS else path.name


def beside(path: str | Path, ending: str) -> Path:
    """The file of the same stem beside a result, whether it is there or not."""
    return Path(path).with_name(result_stem(path) + ending)


def sound_beside(path: str | Path) -> Path | None:
    """The sound file of the same name beside a result; None if there is none."""
    return next((p for p in (beside(path, s) for s in SOUND_ENDINGS) if p.is_file()), None)


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".")


def _face_beside(path: Path, body: BvhMotion) -> np.ndarray | None:
    """The face of the same name, at any rate of its own, brought to the frames of the body.

    Where the face was lost the one before is held.
    """
    source = arkit_beside(path)
    if source is None:
        return None
    weights, fps = evenly_spaced(read_arkit_file(source, duration_s=body.num_frames / body.fps))
    face = resample_linear(weights, fps, body.fps, body.num_frames)
    return face.clamp(weights.amin(dim=0), weights.amax(dim=0)).numpy()  # the low-pass swings over quick blinks


def _shown_body(body: BvhMotion, name: str, fps: float, face: np.ndarray | None) -> Shown:
    joints = joint_names(body.names, body.parents)
    parents = list(body.parents)
    places, heads = [], []
    head = joints.index("Head") if "Head" in joints else None
    for block in body.blocks():
        place, matrix = forward_kinematics(block.rotations(), body.parents, block.translations_cm())
        places.append(place.float())
        if head is not None:
            heads.append(matrix[:, head].float())
    positions = torch.cat(places)  # (T, J, 3)
    if not len(positions):
        raise InputError(f"{name}: it holds no frames; there is nothing to look at")
    _check_finite(name, fps, positions, face)
    up = _up_axis(positions, joints)
    scale = 100.0 if _extent(positions[0]) < _SMALLEST_PERSON_CM else 1.0
    positions = _to_y_up(positions, up) * scale
    height_cm = _height_cm(positions, joints)
    if head is not None:
        turn = _to_y_up(torch.cat(heads).transpose(1, 2), up)  # (T, 3, 3): rows are the head's own axes in the world
        if up == "z":  # its front is -Y and its top Z there
            turn = torch.stack([turn[:, 0], turn[:, 2], -turn[:, 1]], dim=1)
        skull = torch.tensor(_SKULL_CM) * height_cm / USUAL_HEIGHT_CM
        positions = torch.cat([positions, positions[:, [head]] + skull @ turn], dim=1)
        joints += HEAD_POINTS
        parents += [head, head, head]
    return Shown(name, fps, joints, tuple(parents), _on_floor(positions, height_cm), face, height_cm)


def _check_finite(name: str, fps: float, positions: torch.Tensor, face: np.ndarray | None) -> None:
    if not (math.isfinite(fps) and fps > 0):
        raise InputError(f"{name}: {fps:g} frames per second; it cannot be shown")
    for what, values in (("position", positions), ("facial weight", None if face is None else torch.as_tensor(face))):
        if values is not None and not values.isfinite().all():
            frame = int((~values.isfinite()).flatten(1).any(dim=1).nonzero()[0])
            raise InputError(f"{name}: a {what} of frame {frame} is not finite; it cannot be shown")


def _extent(places: torch.Tensor) -> float:
    return float((places.amax(dim=0) - places.amin(dim=0)).max())


def _up_axis(positions: torch.Tensor, joints: tuple[str, ...]) -> str:
    """The axis along which the head lies above the hips."""
    if "Head" not in joints:
        return "y"
    upwards = (positions[:, joints.index("Head")] - positions[:, 0]).mean(dim=0)
    return "z" if upwards[2] > abs(upwards[1]) else "y"


def _to_y_up(vectors: torch.Tensor, up: str) -> torch.Tensor:
    """Z up, facing -Y -> Y up, facing +Z; (..., 3)."""
    if up == "y":
        return vectors
    x, y, z = vectors.unbind(dim=-1)
    return torch.stack([x, z, -y], dim=-1)


def _height_cm(positions: torch.Tensor, joints: tuple[str, ...]) -> float:
    """From the lowest joint to the head and the half skull above it."""
    top = positions[0, joints.index("Head")] if "Head" in joints else positions[0][positions[0, :, 1].argmax()]
    return max(1.0, 1.09 * float(top[1] - positions[0, :, 1].min()))


def _on_floor(positions: torch.Tensor, height_cm: float) -> np.ndarray:
    """Moved so that the feet rest at 0 and the person stands, on average, over the origin."""
    lowest = positions[..., 1].amin(dim=1).median()
    sole_cm = 0.015 * height_cm  # of flesh below the lowest joint
    centre = positions[:, 0].mean(dim=0)
    return (positions - torch.stack([centre[0], lowest - sole_cm, centre[2]])).numpy().astype(np.float32)
