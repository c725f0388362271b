"""Array files of strangers: a .npy is read only if its header, its size and its values are what they should be.

No object array is ever unpickled, and no memory is set aside before the size of the file has confirmed the header.
"""

import math
from pathlib import Path

import numpy as np

from emage.errors import InputError

MAX_BYTES = 512 * 2**20  # an hour of 128 numbers at 25 fps has 46 MB
_HEADERS = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}


def read_array(path: Path, *, kinds: str = "f", max_bytes: int = MAX_BYTES) -> np.ndarray:
    """Reads a .npy file of finite numbers.

    Args:
        path: the file.
        kinds: numpy's letters of the number types that are taken, e.g. "f" or "fu".
        max_bytes: a larger file is refused.

    Raises:
        InputError: no such file, none of numpy's, cut off, an array of objects, another type of numbers, or values that
            are not finite.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    num_bytes = path.stat().st_size
    if num_bytes > max_bytes:
        raise InputError(f"{path}: {num_bytes} bytes; such a file has {max_bytes} at most")
    try:
        with open(path, "rb") as file:
            version = np.lib.format.read_magic(file)[0]
            shape, _, dtype = _HEADERS[version](file)
            start = file.tell()
    except (ValueError, KeyError, EOFError, SyntaxError, OverflowError) as error:
        raise InputError(
            f"{path}: no npy file, or cut off in its header ({_one_line(error)}); copy it again"
        ) from error
    if dtype.hasobject:
        raise InputError(f"{path}: an array of Python objects; it is not unpickled: store plain numbers")
    if dtype.kind not in kinds:
        raise InputError(
            f"{path}: numbers of type {dtype}; expected {' or '.join(_KIND_NAMES[kind] for kind in kinds)}"
        )
    expected = start + math.prod(shape) * dtype.itemsize
    if num_bytes != expected:
        what = "cut off" if num_bytes < expected else "too long"
        raise InputError(f"{path}: {what}: {num_bytes} bytes where its header, {shape} {dtype}, makes {expected}")
    values = np.load(path, allow_pickle=False)
    if dtype.kind == "f" and not np.isfinite(values).all():
        bad = np.argwhere(~np.isfinite(values))
        place = tuple(bad[0].tolist())
        raise InputError(f"{path}: {list(place)} is {values[place]}; {len(bad)} values are not finite")
    return values


_KIND_NAMES = {"f": "floating point", "u": "unsigned whole numbers", "i": "whole numbers"}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
