"""Files of FLAME codes as SingingHead keeps them: expression, head and jaw of a face, frame by frame.

One frame is 59 values: expression 50 (no unit), then the rotations of global, neck and jaw as axis-angle in radians.
A file is npz or pkl and holds `expcodes` (T, 50) and `posecodes` (T, 9) = global, neck, jaw; results that keep several
samples of one recording put them first, (N, T, 50) and (N, T, 9).

Shapes: N samples, T frames, D = 59 columns.
"""

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emage.errors import InputError
from emage.motion.array_pickle import parse_array_pickle, read_array_pickle
from emage.motion.layout import get_layout

_LAYOUT = get_layout("flame_59")
FLAME_59_PARTS = dict(_LAYOUT.parts)  # widths, in the order of the columns
FLAME_59_DIM = _LAYOUT.dim
_SLICES = _LAYOUT.part_slices
_NUM_EXPRESSION = FLAME_59_PARTS["expression"]
_NUM_POSE = FLAME_59_DIM - _NUM_EXPRESSION

# Spellings of the keys; the corpus has the first ones, the others are met in results.
_EXPRESSION_KEYS, _POSE_KEYS, _SHAPE_KEYS = ("expcodes", "expression"), ("posecodes", "pose"), ("shapecode", "shape")
MOTION_SUFFIXES = (".npz", ".pkl")


def flame_columns(first: str, last: str | None = None) -> slice:
    """Columns of a part of the 59 values, or from one part to another: `flame_columns("global", "neck")` is the head.

    Raises:
        InputError: for an unknown part.
    """
    for part in (first, last or first):
        if part not in _SLICES:
            raise InputError(f"FLAME part: got {part!r}; choose one of {', '.join(_SLICES)}")
    return slice(_SLICES[first].start, _SLICES[last or first].stop)


@dataclass(eq=False)
class FlameMotion:
    """What a file holds.

    Attributes:
        values: (T, 59) or, where the file has samples, (N, T, 59) float32.
        shape_code: (C,) float32 identity of the person, or None.
        notices: what was odd about the file without being a fault.
    """

    values: np.ndarray
    shape_code: np.ndarray | None = None
    notices: tuple[str, ...] = ()

    @property
    def num_frames(self) -> int:
        """T."""
        return self.values.shape[-2]

    @property
    def samples(self) -> np.ndarray:
        """(N, T, 59); a file without samples is one."""
        return self.values.reshape(-1, *self.values.shape[-2:])


def read_flame(path: str | Path) -> FlameMotion:
    """Reads a file of FLAME codes, npz or pkl; the pkl through an allow-list (see `array_pickle`).

    Raises:
        InputError: no such file, damaged, another kind of file, a key is missing, or a value has another shape or is
            not finite.
    """
    path = Path(path)
    if path.suffix.lower() == ".pkl":
        return flame_from_mapping(read_array_pickle(path), path)
    if path.suffix.lower() != ".npz":
        raise InputError(f"{path}: a file of FLAME codes is .npz or .pkl")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with np.load(path, allow_pickle=False) as archive:
            node = {key: archive[key] for key in archive.files if key in _EXPRESSION_KEYS + _POSE_KEYS + _SHAPE_KEYS}
            keys = tuple(archive.files)
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: cannot be read as npz of arrays ({error}); write it with numpy.savez") from error
    return flame_from_mapping(node, path, keys=keys)


def parse_flame_pickle(content: bytes, source: str | Path) -> FlameMotion:
    """`read_flame` of the bytes of a pkl, e.g. of a member of flame_seqs.zip; `source` is for messages."""
    return flame_from_mapping(parse_array_pickle(content, source), source)


def flame_from_mapping(node: Any, source: str | Path, *, keys: tuple[str, ...] | None = None) -> FlameMotion:
    """FLAME codes from what a file held.

    Args:
        node: mapping with `expcodes` and `posecodes` (or `expression` and `pose`), arrays or nested lists; a
            `shapecode` is read, anything else is not.
        source: for messages: the file.
        keys: of the whole file, for messages.

    Raises:
        InputError: as `read_flame`.
    """
    if not isinstance(node, Mapping):
        raise InputError(f"{source}: holds a {type(node).__name__}; expected a mapping with expcodes and posecodes")
    keys = tuple(map(str, node)) if keys is None else keys
    expression = _part(node, _EXPRESSION_KEYS, _NUM_EXPRESSION, source, keys)
    pose = _part(node, _POSE_KEYS, _NUM_POSE, source, keys)
    notices = []
    if expression.shape[:-1] != pose.shape[:-1]:
        same_samples = expression.shape[:-2] == pose.shape[:-2]
        num_frames = min(expression.shape[-2], pose.shape[-2])
        rows = f"{expression.shape[-2]} frames of expression beside {pose.shape[-2]} of pose"
        if not same_samples or abs(expression.shape[-2] - pose.shape[-2]) > 2:
            raise InputError(f"{source}: {rows} ({expression.shape} and {pose.shape}); they must be of the same frames")
        notices.append(f"{rows}: cut to {num_frames}")
        expression, pose = expression[..., :num_frames, :], pose[..., :num_frames, :]
    shape_key = next((key for key in _SHAPE_KEYS if key in node), None)
    shape_code = None if shape_key is None else _numbers(node[shape_key], shape_key, source).reshape(-1)
    return FlameMotion(np.concatenate([expression, pose], axis=-1), shape_code, tuple(notices))


def _part(
    node: Mapping[str, Any], names: tuple[str, ...], width: int, source: str | Path, keys: tuple[str, ...]
) -> np.ndarray:
    """The array of one of the `names`, (T, width) or (N, T, width)."""
    name = next((name for name in names if name in node), None)
    if name is None:
        shown = ", ".join(keys[:8]) + (" ..." if len(keys) > 8 else "")
        raise InputError(f"{source}: no {' or '.join(names)}; it holds {shown or 'nothing'}")
    values = _numbers(node[name], name, source)
    if values.ndim not in (2, 3) or values.shape[-1] != width or 0 in values.shape:
        order = " = global 3, neck 3, jaw 3" if width == _NUM_POSE else ""
        raise InputError(f"{source}: {name} has shape {values.shape}; expected (frames, {width}){order}")
    return values


def _numbers(value: Any, name: str, source: str | Path) -> np.ndarray:
    try:
        values = np.array(value, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"{source}: {name} is no array of numbers ({error})") from error
    _check_finite(values, name, source)
    return values


def _check_finite(values: np.ndarray, name: str, source: str | Path) -> None:
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        place = tuple(int(number) for number in bad[0])
        raise InputError(f"{source}: {name}{list(place)} is {values[place]}; {len(bad)} values are not finite")
