"""The arrays of a FLAME model file, checked before anything computes with them: kind, shape, range, indices.

A model file comes from anybody. A sparse matrix in it is a few arrays of indices; scipy turns them into a dense array in C,
without a bound on what an index reaches. Here indices and shape are checked first.
"""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from emage.errors import InputError
from emage.motion.array_pickle import ForeignObject

MAX_MODEL_BYTES = 512 * 2**20
MAX_VALUE = 1e6  # a head has metres and weights; squares of greater numbers leave float32
_COMPRESSED = {"csc": 1, "csr": 0}  # sparse format -> the axis that indptr runs along


def read_model_npz(path: Path, wanted: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """Reads arrays of an npz.

    Args:
        path: the file.
        wanted: their names; None: all. A name that the file lacks is left out.

    Raises:
        InputError: no npz, damaged, or more than MAX_MODEL_BYTES of arrays.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            names = archive.files if wanted is None else [name for name in wanted if name in archive.files]
            num_bytes = sum(archive.zip.getinfo(_member(archive, name)).file_size for name in names)
            if num_bytes > MAX_MODEL_BYTES:
                raise InputError(f"{path}: {num_bytes} bytes of arrays; a model has {MAX_MODEL_BYTES} at most")
            return {name: archive[name] for name in names}
    except InputError:
        raise
    except Exception as error:  # zip, its decompressors and the headers of arrays have an exception each
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{path}: cannot be read as npz of arrays ({reason})") from error


def _member(archive: Any, name: str) -> str:
    return f"{name}.npy" if f"{name}.npy" in archive.zip.namelist() else name


def model_array(
    node: dict[str, Any], name: str, shape: tuple[int | None, ...], path: Path, *, max_value: float = MAX_VALUE
) -> np.ndarray:
    """A named array of numbers.

    Args:
        node: the mapping of the model file.
        name: which of its values; an array, a list of numbers, a chumpy array or a sparse matrix.
        shape: what it must have; None fits any length.
        path: the file, for messages.
        max_value: the greatest size of a floating-point value.

    Returns:
        An array of integers or floats.

    Raises:
        InputError: it is missing, no array of numbers, of another shape, or holds a value that is not finite or too great.
    """
    if name not in node:
        raise InputError(f"{path}: no {name}; it is no FLAME model")
    value = node[name]
    if isinstance(value, ForeignObject):
        value = _foreign_numbers(value, name, shape, path)
    value = _numbers(value)
    if value is None or not _fits(value.shape, shape):
        raise InputError(f"{path}: {name} is {_described(node[name], value)}; expected {_shape_text(shape)}")
    if value.dtype.kind == "f":
        bad = ~(np.abs(value) <= max_value)  # not a number compares false
        if bad.any():
            place = tuple(int(index) for index in np.argwhere(bad)[0])
            raise InputError(f"{path}: {name} holds {value[place]} at {place}; expected numbers up to {max_value:g}")
    return value


def model_indices(
    node: dict[str, Any], name: str, shape: tuple[int | None, ...], path: Path, *, limit: int | None = None
) -> np.ndarray:
    """As `model_array`, of whole numbers, as int64.

    Args:
        node: the mapping of the model file.
        name: which of its values.
        shape: what it must have; None fits any length.
        path: the file, for messages.
        limit: the numbers must be from 0 up to this one, without it; None: any number, wrapped as int64.

    Raises:
        InputError: as `model_array`, or for a number that is not whole or not within the limit.
    """
    value = model_array(node, name, shape, path, max_value=2.0**62)
    if value.dtype.kind == "f" and not (value == np.round(value)).all():
        raise InputError(f"{path}: {name} holds numbers that are not whole")
    if limit is not None and value.size and not 0 <= int(value.min()) <= int(value.max()) < limit:
        raise InputError(f"{path}: {name} holds {_outside(value, limit)}; expected 0 to {limit - 1}")
    return value.astype(np.int64)


def _outside(value: np.ndarray, limit: int) -> int:
    return int(value.min()) if value.min() < 0 else int(value[value >= limit].flat[0])


def _numbers(value: Any) -> np.ndarray | None:
    """The value as an array of integers or floats; None if it is none."""
    try:
        value = np.asarray(value)
    except (TypeError, ValueError, OverflowError):  # e.g. lists of unequal length
        return None
    return value if value.dtype.kind in "iuf" else None


def _fits(have: tuple[int, ...], want: tuple[int | None, ...]) -> bool:
    return len(have) == len(want) and all(b in (None, a) for a, b in zip(have, want, strict=True))


def _shape_text(shape: tuple[int | None, ...]) -> str:
    return f"({', '.join('any' if length is None else str(length) for length in shape)}) numbers"


def _described(given: Any, value: np.ndarray | None) -> str:
    return type(given).__name__ if value is None else str(value.shape)


def _foreign_numbers(value: ForeignObject, name: str, shape: tuple[int | None, ...], path: Path) -> Any:
    """A chumpy array, or a sparse matrix, as the dense array that it stands for."""
    state = value.state if isinstance(value.state, dict) else {}
    if "x" in state:
        return state["x"]
    kind = value.type_name.rpartition(".")[2].removesuffix("_matrix").removesuffix("_array")
    try:
        if kind in _COMPRESSED and {"data", "indices", "indptr"} <= state.keys():
            rows, columns = _compressed_places(state, kind)
        elif kind == "coo" and ({"row", "col"} <= state.keys() or "coords" in state):
            rows, columns = (
                _index_list(part, "an index") for part in state.get("coords", (state.get("row"), state.get("col")))
            )
        else:
            raise InputError(
                f"{path}: {name} is a {value.type_name}, which is not understood; store it as a plain array"
            )
        return _dense(state, rows, columns, shape)
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: {name} is a damaged sparse matrix ({error})") from error


def _compressed_places(state: dict[str, Any], kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the entries of a csc or csr matrix.

    Raises:
        ValueError: the pointers do not run from 0 up to the number of entries.
    """
    minor, pointers = _index_list(state["indices"], "indices"), _index_list(state["indptr"], "indptr")
    major_length = _sparse_shape(state)[_COMPRESSED[kind]]
    if len(pointers) != major_length + 1:
        raise ValueError(f"indptr has {len(pointers)} entries; expected {major_length + 1}")
    lengths = np.diff(pointers)
    if pointers[0] != 0 or (lengths < 0).any() or pointers[-1] > len(minor):
        raise ValueError(f"indptr does not rise from 0 to the {len(minor)} entries")
    minor = minor[: pointers[-1]]  # scipy allows room behind the entries
    major = np.repeat(np.arange(major_length), lengths)
    return (minor, major) if kind == "csc" else (major, minor)


def _dense(state: dict[str, Any], rows: np.ndarray, columns: np.ndarray, shape: tuple[int | None, ...]) -> np.ndarray:
    """The matrix of entries (row, column, value); entries of one place add up, as in scipy.

    Raises:
        ValueError: another shape than expected, values that are no numbers, or an entry outside of the matrix.
    """
    own_shape, values = _sparse_shape(state), _numbers(state["data"])
    if not _fits(own_shape, shape) or math.prod(own_shape) * 8 > MAX_MODEL_BYTES:
        raise ValueError(f"its shape is {own_shape}; expected {_shape_text(shape)}")
    values = values if values is None else values[: len(rows)]
    if values is None or values.shape != rows.shape or rows.shape != columns.shape:
        raise ValueError(
            f"{len(rows)} rows and {len(columns)} columns of entries, values {_described(state['data'], values)}"
        )
    for axis, (places, length) in enumerate(zip((rows, columns), own_shape, strict=True)):
        if len(places) and not 0 <= places.min() <= places.max() < length:
            raise ValueError(f"an index of axis {axis} is {_outside(places, length)}; expected 0 to {length - 1}")
    dense = np.zeros(own_shape)
    np.add.at(dense, (rows, columns), values)
    return dense


def _sparse_shape(state: dict[str, Any]) -> tuple[int, int]:
    shape = state.get("_shape", state.get("shape"))
    if not isinstance(shape, list | tuple) or len(shape) != 2:
        raise ValueError(f"its shape is {shape!r}; expected two lengths")
    lengths = tuple(int(length) for length in shape)
    if any(length < 0 for length in lengths) or lengths != tuple(shape):
        raise ValueError(f"its shape is {shape!r}; expected two lengths")
    return lengths


def _index_list(value: Any, what: str) -> np.ndarray:
    """Indices as int64; ValueError if they are no list of whole numbers that fit."""
    value = np.asarray(value)
    if value.ndim != 1 or value.dtype.kind not in "iu":
        raise ValueError(f"{what} is no list of whole numbers: {value.dtype} {value.shape}")
    if value.size and int(value.max()) > np.iinfo(np.int64).max:
        raise ValueError(f"{what} holds {int(value.max())}")
    return value.astype(np.int64)
