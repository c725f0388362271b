"""Arrays of the caller (torch tensors, numpy arrays, nested lists) as the tensors that the networks work on.

Results are detached copies or views on the CPU; what is passed in is never changed.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from emage.errors import InputError


def as_numbers(what: str, values: Any) -> Tensor:
    """Real numbers of any type as float32.

    Args:
        what: the name of the input in an error.
        values: tensor, array or nested lists.

    Raises:
        InputError: text, complex numbers, objects, or lists of different lengths.
    """
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinity, which the caller checks
        return torch.from_numpy(_array(what, values, "numbers").astype(np.float32))


def as_mask(what: str, values: Any) -> Tensor:
    """Booleans, or the numbers 0 and 1, as bool.

    Args:
        what: the name of the input in an error.
        values: tensor, array or nested lists.

    Raises:
        InputError: any other value, or lists of different lengths.
    """
    array = _array(what, values, "booleans")
    if array.dtype != bool and not np.isin(array, (0, 1)).all():
        raise InputError(f"{what}: got values other than 0 and 1; expected booleans")
    return torch.from_numpy(array.astype(bool))


def as_labels(what: str, values: Any) -> np.ndarray:
    """Whole numbers of any type as int64; 2.0 is one, 2.7 is not.

    Args:
        what: the name of the input in an error.
        values: a number, tensor, array or nested lists.

    Raises:
        InputError: any other value, or lists of different lengths.
    """
    array = _array(what, values, "whole numbers")
    bad = ~np.isfinite(array) | (array != np.floor(array)) if array.dtype != bool else np.ones_like(array)
    if bad.any():
        raise InputError(f"{what}: got {array[bad].flat[0]}; expected whole numbers")
    return array.clip(-(2**31), 2**31).astype(np.int64)


def check_rows(what: str, rows: Tensor, limit: float, mask: Tensor | None = None) -> None:
    """Checks the magnitude of rows (frames, columns).

    Args:
        what: the name of the input in an error.
        rows: float32.
        limit: the greatest magnitude.
        mask: (frames, columns) bool, which values count; None: all.

    Raises:
        InputError: NaN, infinity or a number beyond the limit (names the first frame and its value).
    """
    bad = ~(rows.abs() <= limit)  # not a number compares false
    if mask is not None:
        bad &= mask
    if bad.any():
        frame, column = bad.nonzero()[0].tolist()
        raise InputError(
            f"{what}: frame {frame} holds {rows[frame, column]:g} in column {column}; expected numbers from"
            f" {-limit:g} to {limit:g}"
        )


def _array(what: str, values: Any, expected: str) -> np.ndarray:
    if isinstance(values, Tensor):
        tensor = values.detach().cpu()
        values = tensor.float() if tensor.dtype == torch.bfloat16 else tensor  # numpy has no bfloat16
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"{what}: not an array of {expected}: {error}") from error
    if array.dtype.kind not in "fiub":
        raise InputError(f"{what}: got values of type {array.dtype}; expected {expected}")
    return array
