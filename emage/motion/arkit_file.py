"""ARKit weights from the file of any program: the one place that tells these files apart, by ending and content.

| file | of |
| --- | --- |
| .json with `names` and `frames` | BEAT, and what `emage` writes |
| .json with `facsNames` and `weightMat` | NVIDIA Audio2Face |
| .csv with `Timecode` and `EyeBlinkLeft` ... | Live Link Face |
| .csv with `blendShapes.EyeBlinkLeft` ... | NVIDIA Audio2Face-3D |
"""

from pathlib import Path

from emage.errors import InputError, warn_input
from emage.motion.arkit import arkit_from_json, read_json
from emage.motion.arkit_motion import TONGUE_NOTICE, ArkitMotion
from emage.motion.audio2face import JSON_KEYS, audio2face_from_json, is_audio2face_header, read_audio2face_csv
from emage.motion.face_csv import read_header
from emage.motion.livelink import is_livelink_header, read_livelink_csv

ARKIT_ENDINGS = (".json", ".csv")  # of two faces of one name the first is taken
_JSON_MARKS = (b'"names"', b'"frames"', *(f'"{key}"'.encode() for key in JSON_KEYS))
_MARK_BYTES = 4096
_MOVING_TONGUE = 0.01


def read_arkit_file(path: str | Path, fps: float | None = None, *, duration_s: float | None = None) -> ArkitMotion:
    """Reads the weights of a file. What is odd about it is an InputWarning.

    Args:
        path: the file.
        fps: frames per second, where the file does not say.
        duration_s: length of the body that the face belongs to, where the file does not show its rate.

    Raises:
        InputError: another kind of file, or a broken one.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending == ".json":
        node = read_json(path)
        if isinstance(node, dict) and any(key in node for key in JSON_KEYS):
            face = audio2face_from_json(node, path, fps)
        else:
            face = arkit_from_json(node, path, partial=True)
    elif ending == ".csv":
        is_audio2face = path.is_file() and is_audio2face_header(read_header(path))
        face = (
            read_audio2face_csv(path)
            if is_audio2face
            else read_livelink_csv(path, fps, duration_s=duration_s, partial=True)
        )
    else:
        raise InputError(f"{path}: no file of ARKit weights; expected {' or '.join(ARKIT_ENDINGS)}")
    tongue_moves = face.tongue_out is not None and float(face.tongue_out.abs().max()) > _MOVING_TONGUE
    for notice in face.notices:
        if notice != TONGUE_NOTICE:
            warn_input(f"{path}: {notice}")
    if tongue_moves:
        warn_input(f"{path}: tongueOut moves, and is left out: faces here have ARKit's other 51 channels")
    return face


def is_arkit_file(path: str | Path) -> bool:
    """Whether the beginning of a .json or .csv looks like facial weights; folders hold others of these endings too."""
    path = Path(path)
    if path.suffix.lower() == ".csv":
        header = read_header(path)
        return is_livelink_header(header) or is_audio2face_header(header)
    if path.suffix.lower() != ".json":
        return False
    with open(path, "rb") as file:
        start = file.read(_MARK_BYTES)
    return any(mark in start for mark in _JSON_MARKS)


def arkit_beside(path: str | Path) -> Path | None:
    """The file of facial weights that has the name of a body's file; None if there is none.

    A .csv may hold other things than a face (BEAT's emotions); a .json of that name is taken for the face.
    """
    found = [face for ending in ARKIT_ENDINGS if (face := Path(path).with_suffix(ending)).is_file()]
    faces = [face for face in found if is_arkit_file(face)] or [face for face in found if face.suffix == ".json"]
    return next(iter(faces), None)
