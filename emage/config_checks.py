"""Checks of single values: each raises an InputError that names the key, the value and what it must be."""

import math
import numbers
from collections.abc import Iterable
from typing import Any

from emage.errors import InputError

MAX_FPS = 1000.0  # of data
MAX_SEED = 2**63 - 1
# Of the decoding of a masked transformer. More steps than codes change nothing; the memory of the draws grows with them.
MAX_STEPS = 1000
MAX_TEMPERATURE = 100.0  # far below, codes are already drawn uniformly
MAX_GUIDANCE = 100.0


def choice(key: str, value: str, choices: Iterable[str]) -> None:
    """The value is one of the choices."""
    choices = list(choices)
    if value not in choices:
        raise InputError(f"{key}: got {value!r}; choose one of {', '.join(choices)}")


def is_finite(value: Any) -> bool:
    """Whether a number is finite; an int of any size is."""
    return isinstance(value, numbers.Integral) or math.isfinite(value)


def at_least(key: str, value: float, low: float) -> None:
    """The value is finite and not below `low`."""
    if not (is_finite(value) and value >= low):
        raise InputError(f"{key}: got {value}; it must be at least {low}{'' if is_finite(value) else ', and finite'}")


def above_zero(key: str, *values: float) -> None:
    """The values are finite and above 0."""
    for value in values:
        if not (is_finite(value) and value > 0):
            raise InputError(f"{key}: got {value}; it must be above 0{'' if is_finite(value) else ', and finite'}")


def between(key: str, value: float, low: float, high: float) -> None:
    """The value is from `low` to `high`, both included."""
    if not low <= value <= high:  # NaN too
        raise InputError(f"{key}: got {value}; it must be from {low:g} to {high:g}")


def share(key: str, value: float) -> None:
    """The value is a share that is not the whole."""
    if not 0 <= value < 1:  # NaN too
        raise InputError(f"{key}: got {value}; it must be from 0 to below 1")


def whole(key: str, value: Any, low: int, high: int) -> None:
    """The value is an integer from `low` to `high`, both included."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or not low <= value <= high:
        raise InputError(f"{key}: got {value!r}; it must be a whole number from {low} to {high}")


def check_seed(key: str, value: Any) -> None:
    """The value is an integer that seeds every random generator in use."""
    whole(key, value, 0, MAX_SEED)
